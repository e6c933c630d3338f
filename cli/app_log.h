// SPDX-License-Identifier: Apache-2.0
// Reading the log of an app, as a pod's PID 1 writes it (stage1/contract/log_file.h).  logs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"

namespace airlock::cli {

struct LogLine {
  std::int64_t time = 0;  // nanoseconds since 1970
  bool errors = false;
  bool partial = false;  // the text goes on in the stream's next line
  std::string text;
};
// "TIME stdout|stderr F|P text", without its newline; nullopt for anything else.
std::optional<LogLine> parseLogLine(std::string_view line);
// "2026-01-02T03:04:05[.999999999]Z" as nanoseconds since 1970.
std::optional<std::int64_t> parseLogTime(std::string_view text);

// A text that an app wrote, for a terminal: control characters but TAB become \xNN.
std::string forTerminal(std::string_view text);

// The lines of one app, in order, across the change to a new file.
class AppLog {
 public:
  // `directory`: of the pod's logs; must outlive this.
  AppLog(FdRef directory, const AppName& app);
  // The next line, without taking it; nullptr: there is none yet.
  const LogLine* next();
  void take() { line_.reset(); }
  const std::string& app() const { return app_; }
  pid_t pid() const { return pid_; }  // in the pod; 0: not known

 private:
  bool fill();
  bool openNext();
  FdRef directory_;
  std::string app_;
  std::string name_;
  pid_t pid_ = 0;
  Fd file_;
  ino_t inode_ = 0;
  std::string rest_;
  std::size_t at_ = 0;  // in rest_
  std::optional<LogLine> line_;
};

}  // namespace airlock::cli
