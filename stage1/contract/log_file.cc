// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/log_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::stage1 {

namespace {

constexpr mode_t kLogMode = 0640;  // its directory gives it the group of the pod's owner
constexpr std::size_t kMostName = 200;
constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

std::string logTime(std::int64_t nanoseconds) {
  using namespace std::chrono;
  const sys_seconds whole{seconds(nanoseconds / kSecond)};
  const sys_days day = floor<days>(whole);
  const year_month_day date(day);
  const hh_mm_ss<seconds> time(whole - day);
  char text[64];
  ::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%09lldZ", int(date.year()),
             unsigned(date.month()), unsigned(date.day()), static_cast<int>(time.hours().count()),
             static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
             static_cast<long long>(nanoseconds % kSecond));
  return text;
}

LogFile::LogFile(FdRef directory, const AppName& app)
    : directory_(directory), name_(app.text().substr(0, kMostName)) {
  open();
}

void LogFile::open() {
  file_ = Fd::own(::openat(directory_.get(), name_.c_str(),
                           O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, kLogMode));
  size_ = 0;
  // PID 1 has no umask of its own, and none that matters is left to it.
  if (file_.valid()) static_cast<void>(::fchmod(file_.get(), kLogMode));
}

void LogFile::append(std::string_view lines) {
  if (lines.empty()) return;
  if (size_ + lines.size() > limits::kLogFileBytes && size_ != 0) {
    const std::string older = name_ + ".1";
    if (::renameat(directory_.get(), name_.c_str(), directory_.get(), older.c_str()) != 0) return;
    open();
  }
  if (!file_.valid()) open();
  if (!file_.valid()) return;
  static_cast<void>(sys::writeAll(file_, lines));
  size_ += lines.size();
}

void LogFile::notePid(pid_t pid) {
  Fd file = Fd::own(::openat(directory_.get(), (name_ + ".pid").c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kLogMode));
  if (file.valid()) static_cast<void>(sys::writeAll(file, std::to_string(pid) + "\n"));
}

std::string LogLines::feed(std::string_view bytes, std::int64_t nanoseconds) {
  std::string lines;
  const std::string time = logTime(nanoseconds);
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::size_t room = limits::kLogLineBytes - rest_.size();
    const std::size_t length = std::min(end, bytes.size());
    rest_.append(bytes.substr(0, std::min(length, room)));
    if (length > room) {
      add(lines, time, 'P');
      bytes.remove_prefix(room);
      continue;
    }
    if (end == bytes.npos) break;
    add(lines, time, 'F');
    bytes.remove_prefix(end + 1);
  }
  return lines;
}

std::string LogLines::finish(std::int64_t nanoseconds) {
  std::string lines;
  if (!rest_.empty()) add(lines, logTime(nanoseconds), 'P');
  return lines;
}

void LogLines::add(std::string& to, std::string_view time, char mark) {
  to.append(time).append(" ").append(stream_).append({' ', mark, ' '});
  to.append(rest_).append("\n");
  rest_.clear();
}

}  // namespace airlock::stage1
