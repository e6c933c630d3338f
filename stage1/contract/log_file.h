// SPDX-License-Identifier: Apache-2.0
// The log of an app: a file of lines "TIME stdout F text" (the format of Kubernetes' CRI), bounded
// in size.  PID 1 of a pod.  Every stage1 flavour.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/names.h"

namespace airlock::stage1 {

// "2026-01-02T03:04:05.123456789Z".  Our own arithmetic: gmtime(3) would look for time zones in the
// file system.
std::string logTime(std::int64_t nanoseconds);

// NAME and, when it has reached limits::kLogFileBytes, NAME.1, which replaces the one before it.
// What cannot be written is lost: an app must not stand still because a disk is full.
class LogFile {
 public:
  // `directory` must outlive it.
  LogFile(FdRef directory, const AppName& app);
  void append(std::string_view lines);

  // Beside it, as NAME.pid: what stands in brackets where the log is shown.
  void notePid(pid_t pid);

 private:
  void open();
  FdRef directory_;
  std::string name_;
  Fd file_;
  std::uint64_t size_ = 0;
};

// Turns the bytes of one stream into such lines.
class LogLines {
 public:
  explicit LogLines(std::string_view stream) : stream_(stream) {}  // "stdout" or "stderr"
  // The lines that `bytes` completes.  One that is longer than limits::kLogLineBytes comes in parts
  // marked P, the last one marked F.
  std::string feed(std::string_view bytes, std::int64_t nanoseconds);
  // What is left without an end, marked P.
  std::string finish(std::int64_t nanoseconds);

 private:
  void add(std::string& to, std::string_view time, char mark);
  std::string stream_;
  std::string rest_;
};

}  // namespace airlock::stage1
