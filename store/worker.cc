// SPDX-License-Identifier: Apache-2.0
#include "store/worker.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "base/syscall.h"

namespace airlock::store {

namespace {
constexpr int kMostWorkers = 5;

[[noreturn]] void workFor(pid_t parent, const std::function<Result<std::string>()>& work,
                          ipc::Channel channel) {
  // Nothing goes on for somebody who is gone.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(EXIT_FAILURE);
  const auto answer = work();
  const bool told = answer && channel.send(*answer);
  ::_exit(told ? EXIT_SUCCESS : EXIT_FAILURE);  // what the parent would undo is not undone here
}
}  // namespace

Result<Worker> Worker::start(const std::function<Result<std::string>()>& work) {
  sys::SocketPair pair = TRY(sys::socketPair());
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failErrno("fork");
  if (pid == 0) {
    pair.first.reset();
    workFor(parent, work, ipc::Channel(std::move(pair.second)));
  }
  auto pidfd = sys::pidfdOpen(pid);  // not reaped yet, so its number is nobody else's
  if (!pidfd) {
    static_cast<void>(::kill(pid, SIGKILL));
    static_cast<void>(::waitpid(pid, nullptr, 0));
    return std::unexpected(std::move(pidfd.error()));
  }
  return Worker(Child(pid, *std::move(pidfd)), ipc::Channel(std::move(pair.first)));
}

Result<std::string> Worker::finish(int milliseconds) {
  auto message = TRY(channel_.receive(milliseconds));
  if (message) return std::move(message->bytes);
  const ExitStatus status = TRY(child_.wait());
  return refuse(ErrorKind::Failed, "E_WORKER",
                "a process of the import ended without an answer: " + status.text(),
                "Nothing was kept. Try again");
}

std::size_t usefulWorkers() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int processors = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return static_cast<std::size_t>(std::clamp(processors + 1, 2, kMostWorkers));
}

}  // namespace airlock::store
