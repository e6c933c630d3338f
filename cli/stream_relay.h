// SPDX-License-Identifier: Apache-2.0
// Passing on the caller's pipes to a pod that may not have them: with SELinux a login has all
// categories, and so have its pipes; a pod with two of them may neither read nor write those
// (selinux-policy/README.md).  run and enter.
#pragma once

#include <array>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::cli {

// The standard streams as a pod gets them.  Each is the one that was given, or, where that is a
// pipe that the pod could not use, the end of one without categories whose other end we serve.
class StreamRelay {
 public:
  // First of all in a command: where one of the standard streams is such a pipe this program is
  // executed again, with the same arguments, without the login's categories.  Where that cannot be
  // (a policy that forbids it) the streams stay as they are, and a line on stderr says so.
  static void leaveCategories();
  // Before signals are blocked.
  static Result<StreamRelay> make(std::array<FdRef, 3> streams);
  StreamRelay(StreamRelay&&) = default;
  StreamRelay& operator=(StreamRelay&&) = delete;
  // Returns when what the pod has written has been passed on, or nobody reads it any more.
  ~StreamRelay();

  const std::array<FdRef, 3>& streams() const { return streams_; }
  // The pod has its ends: ours of them go, so that the last of its processes ends the stream.
  void handedOver();

 private:
  explicit StreamRelay(std::array<FdRef, 3> streams) : outer_(streams), streams_(streams) {}
  Result<void> replace(int stream);

  std::array<FdRef, 3> outer_;  // as they were given
  std::array<FdRef, 3> streams_;
  std::array<Fd, 3> ends_;                             // of ours, until handed over
  std::array<std::optional<std::thread>, 3> threads_;  // 1 and 2 are waited for
};

}  // namespace airlock::cli
