// SPDX-License-Identifier: Apache-2.0
#include "cli/detach.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/process.h"
#include "base/syscall.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kIdBytes = 36;

// All of ours are close-on-exec: those that are not came from whoever started us.
void closeCallersDescriptors() {
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  const int end = static_cast<int>(std::min<rlim_t>(most.rlim_cur, 65'536));
  for (int fd = STDERR_FILENO + 1; fd < end; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ::close(fd);
  }
}

Result<void> replaceStreams(std::initializer_list<int> streams) {
  const Fd null = TRY(sys::openPath("/dev/null", O_RDWR));
  for (const int stream : streams)
    if (::dup2(null.get(), stream) < 0) return failErrno("let go of the caller's streams");
  return {};
}

}  // namespace

void DetachedHolder::podIsReady(const PodId& pod) {
  if (!caller_.valid()) return;
  static_cast<void>(sys::writeAll(caller_, pod.text()));
  caller_.reset();
  static_cast<void>(replaceStreams({STDOUT_FILENO, STDERR_FILENO}));
  static_cast<void>(!::chdir("/"));  // keeps no file system of the caller's busy
}

Result<std::variant<DetachedHolder, int>> detach() {
  sys::Pipe ready = TRY(sys::pipe());
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return failErrno("start the process that holds the pod");
  if (pid == 0) {
    ready.readEnd.reset();
    if (::setsid() < 0) return failErrno("start a session");
    closeCallersDescriptors();
    TRY(replaceStreams({STDIN_FILENO}));
    return DetachedHolder(std::move(ready.writeEnd));
  }
  ready.writeEnd.reset();
  Child holder(pid, TRY(sys::pidfdOpen(pid)));
  const std::string id = TRY(sys::readAll(ready.readEnd, kIdBytes));
  if (id.size() != kIdBytes) return TRY(holder.wait()).shellCode();
  holder.disown();
  out(id + "\n");
  return 0;
}

}  // namespace airlock::cli
