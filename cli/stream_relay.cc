// SPDX-License-Identifier: Apache-2.0
#include "cli/stream_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"
#include "cli/text_output.h"
#include "sandbox/selinux.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kMostAtOnce = 65536;  // a pipe's default capacity

// A pipe with categories: those of a login, which are all, are not the pod's two.
bool needsRelay(FdRef stream) {
  struct stat status;
  if (::fstat(stream.get(), &status) != 0 || !S_ISFIFO(status.st_mode)) return false;
  const auto label = sandbox::labelOfFile(stream);
  return label && sandbox::hasCategories(*label);
}

bool isSamePipe(FdRef one, FdRef other) {
  struct stat first;
  struct stat second;
  return ::fstat(one.get(), &first) == 0 && ::fstat(other.get(), &second) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// From one pipe to the other until one of them has no other end any more.
void passOn(FdRef from, FdRef to) {
  for (;;) {
    const ssize_t moved =
        ::splice(from.get(), nullptr, to.get(), nullptr, kMostAtOnce, SPLICE_F_MOVE);
    if (moved > 0 || (moved < 0 && errno == EINTR)) continue;
    if (moved == 0 || errno != EAGAIN) return;
    // One of them does not wait, and the other has room: the one that keeps us is asked first.
    std::array<pollfd, 2> ends = {pollfd{from.get(), POLLIN, 0}, pollfd{to.get(), POLLOUT, 0}};
    ::poll(ends.data(), 1, -1);
    ::poll(ends.data() + 1, 1, -1);
  }
}

// A stream whose reader has gone ends with EPIPE, which ends the pod's stream; not with us.
void blockBrokenPipe() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

void StreamRelay::leaveCategories() {
  constexpr std::array<FdRef, 3> streams = {FdRef(0), FdRef(1), FdRef(2)};
  if (std::ranges::none_of(streams, needsRelay) || !sandbox::hasHighCategories()) return;
  const auto again = []() -> Result<void> {
    const Fd own = TRY(sys::openPath("/proc/self/cmdline", O_RDONLY));
    std::string text = TRY(sys::readAll(own, limits::kManifestBytes));
    std::vector<char*> arguments;
    for (std::size_t at = 0; at < text.size(); at = text.find('\0', at) + 1)
      arguments.push_back(text.data() + at);
    arguments.push_back(nullptr);
    TRY(sandbox::leaveHighCategoriesAtExec());
    ::execv("/proc/self/exe", arguments.data());
    return failErrno("execute airlock again");
  }();
  note("warning: the pod may be unable to use a pipe of this login: " + again.error().text() +
       "\n");
}

Result<StreamRelay> StreamRelay::make(std::array<FdRef, 3> streams) {
  StreamRelay relay(streams);
  if (sandbox::hasHighCategories()) return relay;  // they could not be left
  for (int stream = 0; stream < 3; ++stream)
    if (needsRelay(streams[static_cast<std::size_t>(stream)])) TRY(relay.replace(stream));
  return relay;
}

Result<void> StreamRelay::replace(int stream) {
  const auto index = static_cast<std::size_t>(stream);
  // `2>&1 |`: what is one pipe stays one, and keeps its order.
  if (stream == 2 && isSamePipe(outer_[1], outer_[2])) {
    streams_[2] = streams_[1];
    return {};
  }
  sys::Pipe pipe = TRY(sys::pipe());
  const bool input = stream == 0;
  Fd ours = std::move(input ? pipe.writeEnd : pipe.readEnd);
  ends_[index] = std::move(input ? pipe.readEnd : pipe.writeEnd);
  threads_[index].emplace([input, outer = outer_[index], ours = std::move(ours)] {
    blockBrokenPipe();
    if (input) {
      passOn(outer, ours);
    } else {
      passOn(ours, outer);
    }
  });
  streams_[index] = ends_[index];
  return {};
}

void StreamRelay::handedOver() {
  for (Fd& end : ends_) end.reset();
}

StreamRelay::~StreamRelay() {
  handedOver();
  for (std::size_t stream = 1; stream < threads_.size(); ++stream)
    if (threads_[stream] && threads_[stream]->joinable()) threads_[stream]->join();
  // What is still to be read from the caller nobody wants any more.
  if (threads_[0] && threads_[0]->joinable()) threads_[0]->detach();
}

}  // namespace airlock::cli
