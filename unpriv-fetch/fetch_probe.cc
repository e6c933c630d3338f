// SPDX-License-Identifier: Apache-2.0
// Confines itself as airlock-fetch does and then tries what the fetcher must not be able to do.
// Tests only.
//   fetch_probe ATTEMPT    exit code 10: it worked; 11: it was refused; 12: no such attempt, or not
//   confined.
// A system call that the filter kills for ends it by SIGSYS.
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <functional>
#include <string_view>
#include <utility>

#include "unpriv-fetch/confinement.h"

namespace airlock::fetch {
namespace {

constexpr int kWorked = 10;
constexpr int kRefused = 11;
constexpr int kUnknown = 12;

bool opens(const char* path, int flags) { return ::open(path, flags | O_CLOEXEC, 0600) >= 0; }

bool executes() {
  const char* arguments[] = {"/bin/true", nullptr};
  ::execve("/bin/true", const_cast<char**>(arguments), nullptr);
  return false;
}

bool listens() {
  sockaddr_in any{};
  any.sin_family = AF_INET;
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return socket >= 0 && ::bind(socket, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0 &&
         ::listen(socket, 1) == 0;
}

// True in the parent when there is a child.
bool forks() {
  const pid_t child =
      static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) ::_exit(0);
  return child > 0;
}

bool mapsCode() {
  return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

const std::array<std::pair<std::string_view, std::function<bool()>>, 17> kAttempts{{
    {"open-resolver-file",
     [] { return opens("/etc/resolv.conf", O_RDONLY) || errno == ENOENT; }},  // allowed
    {"internet-socket",
     [] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0; }},  // allowed
    {"open-shadow", [] { return opens("/etc/shadow", O_RDONLY); }},
    {"open-passwd", [] { return opens("/etc/passwd", O_RDONLY); }},
    {"open-proc", [] { return opens("/proc/self/environ", O_RDONLY); }},
    {"list-root", [] { return opens("/", O_RDONLY | O_DIRECTORY); }},
    {"create-in-tmp", [] { return opens("/tmp/airlock-fetch-probe", O_WRONLY | O_CREAT); }},
    {"write-resolver-file", [] { return opens("/etc/resolv.conf", O_WRONLY); }},
    {"exec", executes},
    {"fork", forks},
    {"ptrace", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0; }},
    {"signal", [] { return ::kill(::getppid(), 0) == 0; }},
    {"mount", [] { return ::mount("none", "/tmp", "tmpfs", 0, nullptr) == 0; }},
    {"unshare", [] { return ::unshare(CLONE_NEWUSER) == 0; }},
    {"listen", listens},
    {"unix-socket", [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0; }},
    {"map-code", mapsCode},
}};

int main(std::string_view attempt) {
  const Result<void> notRoot = refuseRoot();
  const Result<sandbox::Enforced> enforced = notRoot ? confine({}) : fail(notRoot.error());
  if (!enforced) {
    ::dprintf(STDERR_FILENO, "%s\n", enforced.error().text().c_str());
    return kUnknown;
  }
  for (const auto& [name, run] : kAttempts) {
    if (name == attempt) return run() ? kWorked : kRefused;
  }
  return kUnknown;
}

}  // namespace
}  // namespace airlock::fetch

int main(int argc, char** argv) { return airlock::fetch::main(argc == 2 ? argv[1] : ""); }
