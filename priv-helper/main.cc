// SPDX-License-Identifier: Apache-2.0
// airlock-helper: the only program of Airlock that runs as root.  It answers one request and exits.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "base/fault.h"
#include "base/log.h"
#include "base/process.h"
#include "priv-helper/server.h"

namespace {

using namespace airlock;  // NOLINT: a program's main file

constexpr std::string_view kUsage =
    "airlock-helper: the privileged part of airlock; see airlock-helper(8)\n"
    "  --connection=FD        serve the one request on this SOCK_SEQPACKET socket\n"
    "  --child=FD             the same, started by the caller itself: its pods become the caller's "
    "children\n"
    "  --listen               wait for connections on RUNTIME/helper.sock\n"
    "  --dir=DIR              data directory (/var/lib/airlock)\n"
    "  --local-config=DIR     /etc/airlock\n"
    "  --system-config=DIR    /usr/lib/airlock\n";

constexpr unsigned kMostSeconds = 900;  // of a request; the CLI waits for ten minutes

int usage(std::string_view why) {
  std::fprintf(stderr, "airlock-helper: %.*s\n%s", static_cast<int>(why.size()), why.data(),
               kUsage.data());
  return 2;
}

// H01, H03, H05, H06, H09: nothing of whoever started us reaches what we do.
void resetInheritedState() {
  rememberTestHooks();
  ::clearenv();
  ::umask(077);
  resetSignals();
  ::signal(SIGPIPE, SIG_IGN);
  static_cast<void>(!::chdir("/"));
  const rlimit noCore{0, 0};
  ::setrlimit(RLIMIT_CORE, &noCore);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int run(int argc, char** argv) {
  helper::Configuration configuration;
  std::vector<std::string> forwarded;
  int connection = -1;
  bool listen = false;
  bool child = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&](std::string_view option) -> const char* {
      return argument.starts_with(option) ? argv[i] + option.size() : nullptr;
    };
    if (argument == "--listen") {
      listen = true;
    } else if (const char* fd = value("--connection=")) {
      connection = std::atoi(fd);
    } else if (const char* own = value("--child=")) {
      connection = std::atoi(own);
      child = true;
    } else if (std::string* path = configuration.pathOption(argument)) {
      *path = argument.substr(argument.find('=') + 1);
      if (!path->starts_with('/')) return usage("an absolute path is needed");
      forwarded.emplace_back(argument);
    } else {
      return usage("unknown argument");
    }
  }
  if (listen == (connection >= 0))
    return usage("one of --listen, --connection or --child is needed");
  if (::geteuid() != 0) return usage("this program must be started by root");
  if (listen) {
    if (auto failed = helper::listenForever(configuration, forwarded); !failed) {
      log(LogLevel::Error, "helper", failed.error().text());
      return 1;
    }
    return 0;
  }
  if (::fcntl(connection, F_SETFD, FD_CLOEXEC) != 0) return usage("the connection is not open");
  // A caller's descriptor can block whoever reads or even closes it; every step may be the last
  // one, so the end is the remedy.
  ::alarm(kMostSeconds);
  helper::serve(configuration, Fd::own(connection), child);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 1) return 2;  // H02
  resetInheritedState();
  try {
    return run(argc, argv);
  } catch (const std::exception& problem) {
    log(LogLevel::Error, "helper", problem.what());
    return 70;
  }
}
