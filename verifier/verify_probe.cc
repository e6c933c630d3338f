// SPDX-License-Identifier: Apache-2.0
// verify_probe ROLE:ATTEMPT: enters the confinement of that role through the same function as
// airlock-verify, then tries what the role must not be able to do.  The answer on the channel is
// "done" or the name of the errno; a process that the system call filter ends gives none.  Tests
// only.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "ipc/channel.h"
#include "verifier/roles.h"

namespace airlock::verifier {
namespace {

long connectTo(int family) {
  const int fd = ::socket(family, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(80);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

long attempt(std::string_view name) {
  if (name == "open-passwd") return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  if (name == "open-proc") return ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (name == "open-null") return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (name == "create-file") return ::open("/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (name == "write-library") return ::open("/usr/lib/os-release", O_WRONLY | O_CLOEXEC);
  if (name == "connect-inet") return connectTo(AF_INET);
  if (name == "socket-netlink") return ::socket(AF_NETLINK, SOCK_RAW, 0);
  if (name == "socket-vsock") return ::socket(AF_VSOCK, SOCK_STREAM, 0);
  if (name == "exec-shell") {
    char* const argv[] = {const_cast<char*>("sh"), nullptr};
    return ::execve("/bin/sh", argv, argv + 1);
  }
  if (name == "fork") {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    return pid;
  }
  if (name == "ptrace-parent") return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr);
  if (name == "mount") return ::mount("none", "/", "tmpfs", 0, nullptr);
  if (name == "unshare") return ::syscall(SYS_unshare, CLONE_NEWUSER);
  if (name == "clone-namespace") {
    const long pid = ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) ::_exit(0);
    return pid;
  }
  if (name == "kill-everyone") return ::kill(-1, SIGTERM) == 0 ? 0 : -1;
  if (name == "writable-code") {
    void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? -1 : 0;
  }
  if (name == "bpf") return ::syscall(SYS_bpf, 0, nullptr, 0);
  if (name == "io-uring") return ::syscall(SYS_io_uring_setup, 1, nullptr);
  if (name == "keyctl") return ::syscall(SYS_keyctl, 0, -3, 0);
  errno = EINVAL;
  return -1;
}

int run(const char* roleText, const char* name) {
  const auto role = parseRole(roleText);
  const int keep[] = {ipc::kChannelFd};
  if (!role) return 2;
  if (const auto confined = confine(*role, keep); !confined) {
    std::fprintf(stderr, "%s\n", confined.error().text().c_str());
    return 3;
  }
  const long result = attempt(name);
  const int number = errno;
  ipc::Channel channel(Fd::own(ipc::kChannelFd));
  const std::string text = result >= 0 ? "done" : ::strerrorname_np(number);
  return channel.send(text) ? 0 : 4;
}

}  // namespace
}  // namespace airlock::verifier

int main(int argc, char** argv) {
  // "ROLE:ATTEMPT" in one argument, as the starter gives one.
  if (argc != 2) return 1;
  std::string argument = argv[1];
  const std::size_t colon = argument.find(':');
  if (colon == std::string::npos) return 1;
  argument[colon] = '\0';
  return airlock::verifier::run(argument.c_str(), argument.c_str() + colon + 1);
}
