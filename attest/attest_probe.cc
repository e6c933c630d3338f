// SPDX-License-Identifier: Apache-2.0
// attest_probe ATTEMPT: confines itself as airlock-attest does, then tries what that must not be
// able to do.  Exit status 0: it was done; otherwise the errno; or the filter ends it.  Tests only.
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>

#include "attest/confinement.h"

namespace {

long attempt(std::string_view name) {
  if (name == "open-passwd") return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC);
  if (name == "open-tpm") return ::open("/dev/tpmrm0", O_RDWR | O_CLOEXEC);
  if (name == "create-file") return ::open("/tmp/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (name == "socket-inet") return ::socket(AF_INET, SOCK_STREAM, 0);
  if (name == "socket-unix") return ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (name == "exec-shell") return ::execl("/bin/sh", "sh", nullptr);
  if (name == "fork") return ::fork();
  if (name == "ptrace-parent") return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr);
  if (name == "kill-parent") return ::kill(::getppid(), 0);
  if (name == "unshare") return ::unshare(CLONE_NEWUSER);
  if (name == "writable-code") {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                  -1, 0) == MAP_FAILED
               ? -1
               : 0;
  }
  if (name == "use-left-open") return ::lseek(9, 0, SEEK_CUR);
  if (name == "compute") return 0;
  errno = EINVAL;
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kUnconfined = 200;
  if (argc != 2) return kUnconfined;
  if (!airlock::attest::confine({})) return kUnconfined;
  return attempt(argv[1]) >= 0 ? 0 : errno;
}
