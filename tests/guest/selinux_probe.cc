// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/selinux_probe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>

#include "tests/support/shell.h"

namespace airlock::test {

namespace {

constexpr const char* kPlace = "/run/selinux/";
constexpr std::string_view kFlag = "--selinux-probe";

bool tryToOpen(const char* path, int flags) {
  const int fd = ::open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}
bool tryToRead(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  char byte;
  const bool good = ::read(fd, &byte, 1) >= 0;
  const int number = errno;
  ::close(fd);
  errno = number;
  return good;
}
bool tryToMakeSocket(int type) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}
bool tryToTrace(pid_t pid) {
  if (::ptrace(PTRACE_ATTACH, pid, nullptr, nullptr) != 0) return false;
  ::waitpid(pid, nullptr, __WALL);
  return ::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) == 0;
}
bool setExecLabel(const char* label) {
  const int fd = ::open("/proc/thread-self/attr/exec", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool good = ::write(fd, label, std::strlen(label)) > 0;
  ::close(fd);
  return good;
}

bool doStep(std::string_view verb, const char* argument) {
  if (verb == "read") return tryToRead(argument);
  if (verb == "write") return tryToOpen(argument, O_WRONLY);
  if (verb == "readwrite") return tryToOpen(argument, O_RDWR);
  if (verb == "create") return tryToOpen(argument, O_WRONLY | O_CREAT | O_EXCL);
  if (verb == "unlink") return ::unlink(argument) == 0;
  if (verb == "tcp") return tryToMakeSocket(SOCK_STREAM);
  if (verb == "udp") return tryToMakeSocket(SOCK_DGRAM);
  if (verb == "signal") return ::kill(std::atoi(argument), SIGWINCH) == 0;
  if (verb == "trace") return tryToTrace(std::atoi(argument));
  if (verb == "become") return setExecLabel(argument);
  struct stat info;
  if (verb == "stat") return ::stat(argument, &info) == 0;
  errno = ENOTSUP;
  return false;
}

void say(const char* step, bool good) {
  ::dprintf(STDOUT_FILENO, "%s\t%s\n", step, good ? "ok" : ::strerrorname_np(errno));
}

// Before main: the same file is GoogleTest's program and the probe.
[[gnu::constructor]] void probeInstead(int argc, char** argv) {
  if (argc < 2 || argv[1] != kFlag) return;
  for (int i = 2; i < argc; ++i) {
    const std::string_view step = argv[i];
    const std::string_view verb = step.substr(0, step.find(':'));
    char* argument = argv[i] + std::min(verb.size() + 1, step.size());
    if (verb == "start") {
      // What follows is for the next program.
      const std::string path = kPlace + std::string(argument);
      argv[i - 1] = argv[0];
      argv[i] = const_cast<char*>(kFlag.data());
      ::execv(path.c_str(), argv + i - 1);
      ::dprintf(STDOUT_FILENO, "start:%s\t%s\n", argument, ::strerrorname_np(errno));
      ::_exit(0);
    }
    if (verb == "idle") {
      ::dprintf(STDOUT_FILENO, "%d\nidle\tok\n", ::getpid());
      for (;;) ::pause();
    }
    if (verb == "here") {
      ::dprintf(STDOUT_FILENO, "start:%s\tok\n", argument);
      continue;
    }
    const bool good = doStep(verb, argument);
    if (verb != "become" || !good) say(argv[i], good);
  }
  ::_exit(0);
}

std::string command(const std::string& first, const Steps& steps) {
  std::string text = kPlace + first + " " + std::string(kFlag);
  for (const std::string& step : steps) text += " '" + step + "'";
  return text;
}

// Root with the groups that the TPM and the log belong to: so that modes of files deny nothing, and
// without a capability to pass over them.
Answers ask(const std::string& first, const Steps& steps) {
  ShellOptions options;
  options.identity =
      Identity{0,
               0,
               {static_cast<gid_t>(std::stoul(must("getent group tss | cut -d: -f3"))),
                static_cast<gid_t>(std::stoul(must("id -g airlock-tpm")))}};
  const std::string printed = must(command(first, steps), options);
  Answers answers;
  for (const std::string& line : lines(printed)) {
    const auto tab = line.find('\t');
    if (tab != line.npos) answers[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return answers;
}

Steps then(Steps first, const Steps& steps) {
  first.insert(first.end(), steps.begin(), steps.end());
  return first;
}

std::string become(const char* type, const std::string& level) {
  return std::string("become:system_u:system_r:") + type + ":" + level;
}
// Along the arrows: helper, a stage1 in the pod's categories, an app.
Steps toPod(const std::string& level) {
  return {become("airlock_stage1_t", level), "start:stage1", become("airlock_pod_t", level),
          "start:pod", "here:pod"};
}

}  // namespace

void makeProbes() {
  const std::string self = "/proc/" + std::to_string(::getpid()) + "/exe";
  must(
      "mkdir -p /run/selinux; chcon -t usr_t /run/selinux; cd /run/selinux; "
      "for name in fetch verify helper stage1 pod; do [ -e $name ] || cp " +
      self +
      " $name; chmod 755 $name; done; for name in fetch verify helper stage1; do "
      "chcon -t airlock_${name}_exec_t $name; done; chcon -t airlock_pod_file_t pod");
}

Answers asFetch(const Steps& steps) { return ask("fetch", steps); }
Answers asVerify(const Steps& steps) { return ask("verify", steps); }
Answers asHelper(const Steps& steps) { return ask("helper", steps); }
Answers asStage1(const Steps& steps) {
  return ask("helper", then({become("airlock_stage1_t", "s0:c1,c2"), "start:stage1"}, steps));
}
Answers asPod(const std::string& level, const Steps& steps) {
  return ask("helper", then(toPod(level), steps));
}

pid_t idlePod(const std::string& level) {
  const std::string file = "/tmp/idle-" + level;
  must("rm -f " + file + "; setsid " + command("helper", then(toPod(level), {"idle"})) + " >" +
       file + " 2>&1 </dev/null &");
  const auto isIdle = [&] { return exists(file) && readFile(file).contains("idle\tok\n"); };
  if (!eventually(isIdle)) throw std::runtime_error("no idle pod: " + readFile(file));
  const std::vector<std::string> said = lines(readFile(file));
  return std::atoi(said.at(said.size() - 2).c_str());
}

}  // namespace airlock::test
