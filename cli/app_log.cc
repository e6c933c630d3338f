// SPDX-License-Identifier: Apache-2.0
#include "cli/app_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kMostName = 200;  // as stage1 cuts it
constexpr std::size_t kChunk = 64 * 1024;
// A line is never longer: its text, and what stands before it.
constexpr std::size_t kMostLine = limits::kLogLineBytes + 256;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kPidBytes = 16;

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// The nanoseconds of "" or ".5", at most nine digits.
std::optional<std::int64_t> fraction(std::string_view text) {
  constexpr std::size_t digits = 9;
  if (text.empty()) return 0;
  text.remove_prefix(1);
  if (text.empty() || text.size() > digits) return std::nullopt;
  std::string whole(text);
  whole.resize(digits, '0');
  return number(whole);
}

std::optional<ino_t> inodeOf(FdRef directory, const std::string& name) {
  struct stat status {};
  if (::fstatat(directory.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    return std::nullopt;
  return status.st_ino;
}

}  // namespace

std::optional<std::int64_t> parseLogTime(std::string_view text) {
  using namespace std::chrono;
  constexpr std::size_t whole = 19;  // "2026-01-02T03:04:05"
  if (text.size() <= whole || !text.ends_with('Z')) return std::nullopt;
  constexpr std::array<std::pair<std::size_t, char>, 5> marks = {
      std::pair(std::size_t{4}, '-'), std::pair(std::size_t{7}, '-'),
      std::pair(std::size_t{10}, 'T'), std::pair(std::size_t{13}, ':'),
      std::pair(std::size_t{16}, ':')};
  for (const auto& [at, mark] : marks)
    if (text[at] != mark) return std::nullopt;
  const std::string_view rest = text.substr(whole, text.size() - whole - 1);
  if (!rest.empty() && rest.front() != '.') return std::nullopt;
  const auto y = number(text.substr(0, 4));
  const auto mo = number(text.substr(5, 2));
  const auto d = number(text.substr(8, 2));
  const auto h = number(text.substr(11, 2));
  const auto mi = number(text.substr(14, 2));
  const auto s = number(text.substr(17, 2));
  const auto nanoseconds = fraction(rest);
  if (!y || !mo || !d || !h || !mi || !s || !nanoseconds) return std::nullopt;
  const year_month_day date{year(*y), month(static_cast<unsigned>(*mo)),
                            day(static_cast<unsigned>(*d))};
  // As far as 64 bits of nanoseconds reach.
  if (!date.ok() || *y < 1970 || *y > 2260 || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
  const auto seconds_ =
      (sys_days(date).time_since_epoch() + hours(*h) + minutes(*mi) + seconds(*s));
  return duration_cast<seconds>(seconds_).count() * kSecond + *nanoseconds;
}

std::optional<LogLine> parseLogLine(std::string_view line) {
  LogLine parsed;
  const auto word = [&]() -> std::string_view {
    const std::size_t end = line.find(' ');
    if (end == line.npos) return {};
    const std::string_view found = line.substr(0, end);
    line.remove_prefix(end + 1);
    return found;
  };
  const auto time = parseLogTime(word());
  const std::string_view stream = word();
  const std::string_view mark = word();
  if (!time || (stream != "stdout" && stream != "stderr") || (mark != "F" && mark != "P"))
    return std::nullopt;
  parsed.time = *time;
  parsed.errors = stream == "stderr";
  parsed.partial = mark == "P";
  parsed.text = line;
  return parsed;
}

std::string forTerminal(std::string_view text) {
  std::string shown;
  const auto escape = [&](unsigned char c) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\x%02x", c);
    shown += escaped;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
      // U+0080 to U+009F, which some terminals obey as they do ESC and a letter.
      escape(c);
      escape(next);
      ++i;
    } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
      escape(c);
    } else {
      shown += text[i];
    }
  }
  return shown;
}

AppLog::AppLog(FdRef directory, const AppName& app)
    : directory_(directory), app_(app.text()), name_(app.text().substr(0, kMostName)) {
  const auto component = Component::parse(name_ + ".pid");
  if (!component) return;
  const auto pid = sys::readFile(directory_, *component, kPidBytes);
  if (pid && pid->ends_with('\n'))
    pid_ = number(std::string_view(*pid).substr(0, pid->size() - 1)).value_or(0);
}

// The file after the one that has been read to its end.
bool AppLog::openNext() {
  const std::string older = name_ + ".1";
  const auto current = inodeOf(directory_, name_);
  const auto previous = inodeOf(directory_, older);
  if (file_.valid() && current == inode_) return false;
  // What was read last has become the older one, or even that has gone; at first all is to be read.
  const bool skip = file_.valid() && previous == inode_;
  const std::string& wanted = previous && !skip ? older : name_;
  Fd file = Fd::own(
      ::openat(directory_.get(), wanted.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  inode_ = status.st_ino;
  file_ = std::move(file);
  return true;
}

bool AppLog::fill() {
  rest_.erase(0, std::exchange(at_, 0));
  std::array<char, kChunk> buffer;
  for (;;) {
    if (file_.valid()) {
      const ssize_t got = ::read(file_.get(), buffer.data(), buffer.size());
      if (got > 0) {
        rest_.append(buffer.data(), static_cast<std::size_t>(got));
        return true;
      }
    }
    if (!openNext()) return false;
  }
}

const LogLine* AppLog::next() {
  while (!line_) {
    const std::size_t end = rest_.find('\n', at_);
    if (end == rest_.npos) {
      if (rest_.size() - at_ > kMostLine) at_ = rest_.size();  // none of stage1's
      if (!fill()) return nullptr;
      continue;
    }
    line_ = parseLogLine(std::string_view(rest_).substr(at_, end - at_));
    at_ = end + 1;
  }
  return &*line_;
}

}  // namespace airlock::cli
