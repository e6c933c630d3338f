// SPDX-License-Identifier: Apache-2.0
// A copy of this process that does one piece of work and says what came of it, so that several go
// on at once.  It is as trusted as its origin, has all of its descriptors, and touches nothing but
// what the work is about.  For store/, in processes that have one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "ipc/channel.h"

namespace airlock::store {

class Worker {
 public:
  // What `work` returns is the answer: at most limits::kMessageBytes.
  static Result<Worker> start(const std::function<Result<std::string>()>& work);

  // Readable when finish() need not wait.
  FdRef answered() const { return channel_.fd(); }
  // E_WORKER: it ended without an answer.  Destroying a worker ends it.
  Result<std::string> finish(int milliseconds);

 private:
  Worker(Child child, ipc::Channel channel)
      : child_(std::move(child)), channel_(std::move(channel)) {}
  Child child_;
  ipc::Channel channel_;
};

// How many are of use at once here: one more than processors that this process may use, as they
// wait for the disk, too; 5 at most.
std::size_t usefulWorkers();

}  // namespace airlock::store
