// SPDX-License-Identifier: Apache-2.0
#include "cli/go_format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>

#include "base/log.h"

namespace airlock::cli {

namespace {

constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::size_t kTabWidth = 8;

// Columns that a text takes: characters, as Go counts them.
std::size_t widthOf(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) width += (static_cast<std::uint8_t>(c) & 0xc0) != 0x80 ? 1 : 0;
  return width;
}

// Rows one after the other that have a column: one without ends the run.
struct Run {
  std::size_t end = 0;  // the first row after it
  std::size_t width = 0;
};
Run runFrom(const std::vector<std::vector<std::string>>& rows, std::size_t row,
            std::size_t column) {
  std::size_t width = 0;
  for (; row < rows.size() && rows[row].size() > column + 1; ++row)
    width = std::max(width, widthOf(rows[row][column]) + 1);
  return {row, (width + kTabWidth - 1) / kTabWidth * kTabWidth};
}

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  std::array<char, 128> text{};
  std::va_list arguments;
  va_start(arguments, pattern);
  const int length = std::vsnprintf(text.data(), text.size(), pattern, arguments);
  va_end(arguments);
  return {text.data(), static_cast<std::size_t>(std::max(length, 0))};
}

std::string withoutTrailingZeros(std::string text) {
  if (!text.contains('.')) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

struct Unit {
  std::string_view name;
  std::int64_t nanoseconds;
};
constexpr Unit kUnits[] = {
    {"ns", 1},      {"us", kMicrosecond}, {"µs", kMicrosecond}, {"ms", kMillisecond},
    {"s", kSecond}, {"m", kMinute},       {"h", kHour}};

}  // namespace

std::string tabulate(const std::vector<std::vector<std::string>>& rows) {
  std::string out;
  std::vector<Run> runs;  // of each column, the one that the row is in
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (runs.size() < rows[row].size()) runs.resize(rows[row].size());
    for (std::size_t column = 0; column < rows[row].size(); ++column) {
      const std::string& cell = rows[row][column];
      out += cell;
      if (column + 1 == rows[row].size()) break;
      if (row >= runs[column].end) runs[column] = runFrom(rows, row, column);
      const std::size_t missing = runs[column].width - widthOf(cell);
      out.append((missing + kTabWidth - 1) / kTabWidth, '\t');
    }
    out += '\n';
  }
  return out;
}

std::string humanizeTime(std::int64_t then, std::int64_t now) {
  constexpr std::int64_t day = 24 * kHour;
  constexpr std::int64_t week = 7 * day;
  constexpr std::int64_t month = 30 * day;
  constexpr std::int64_t year = 12 * month;
  struct Step {
    std::int64_t below;
    const char* text;
    std::int64_t unit;  // 0: the text has no number
  };
  constexpr Step steps[] = {
      {2 * kSecond, "1 second", 0}, {kMinute, "seconds", kSecond}, {2 * kMinute, "1 minute", 0},
      {kHour, "minutes", kMinute},  {2 * kHour, "1 hour", 0},      {day, "hours", kHour},
      {2 * day, "1 day", 0},        {week, "days", day},           {2 * week, "1 week", 0},
      {month, "weeks", week},       {2 * month, "1 month", 0},     {year, "months", month},
      {18 * month, "1 year", 0},    {2 * year, "2 years", 0},      {37 * year, "years", year},
  };
  const bool past = then <= now;
  const std::int64_t distance = past ? now - then : then - now;
  if (distance < kSecond) return "now";
  const char* direction = past ? " ago" : " from now";
  for (const Step& step : steps) {
    if (distance >= step.below) continue;
    const std::string number = step.unit == 0 ? "" : std::to_string(distance / step.unit) + " ";
    return number + step.text + direction;
  }
  return std::string("a long while") + direction;
}

std::string goTime(std::int64_t nanoseconds) {
  std::int64_t seconds = nanoseconds / kSecond;
  std::int64_t rest = nanoseconds % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  const auto when = static_cast<std::time_t>(seconds);
  std::tm local{};
  if (::localtime_r(&when, &local) == nullptr) return std::to_string(seconds);
  std::array<char, 64> date{};
  std::array<char, 64> zone{};
  std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M:%S", &local);
  std::strftime(zone.data(), zone.size(), " %z %Z", &local);
  // rkt's layout ends in ".999": three digits, and zeros at their end left out.
  return date.data() +
         withoutTrailingZeros(format(".%03lld", static_cast<long long>(rest / kMillisecond))) +
         zone.data();
}

std::string humanizeBytes(std::uint64_t bytes) {
  constexpr const char* names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 10) return std::to_string(bytes) + "B";
  std::size_t exponent = 0;
  for (std::uint64_t rest = bytes; rest >= 1024; rest /= 1024) ++exponent;
  const double value =
      std::floor(static_cast<double>(bytes) / std::pow(1024.0, static_cast<double>(exponent)) * 10 +
                 0.5) /
      10;
  return format(value >= 10 ? "%.0f%s" : "%.1f%s", value, names[exponent]);
}

std::string decimalBytes(std::uint64_t bytes) {
  constexpr const char* names[] = {"B", "KB", "MB", "GB", "TB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= 1000 && unit + 1 < std::size(names)) {
    size /= 1000;
    ++unit;
  }
  return format("%.3g %s", size, names[unit]);
}

std::string goDuration(std::int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  const std::string sign = nanoseconds < 0 ? "-" : "";
  const std::uint64_t all = nanoseconds < 0
                                ? std::uint64_t{0} - static_cast<std::uint64_t>(nanoseconds)
                                : static_cast<std::uint64_t>(nanoseconds);
  const auto decimal = [&](std::uint64_t value, std::int64_t unit, int digits, const char* name) {
    const auto whole = static_cast<unsigned long long>(value / static_cast<std::uint64_t>(unit));
    const auto part = static_cast<unsigned long long>(value % static_cast<std::uint64_t>(unit));
    return withoutTrailingZeros(format("%llu.%0*llu", whole, digits, part)) + name;
  };
  if (all < static_cast<std::uint64_t>(kMicrosecond)) return sign + std::to_string(all) + "ns";
  if (all < static_cast<std::uint64_t>(kMillisecond))
    return sign + decimal(all, kMicrosecond, 3, "µs");
  if (all < static_cast<std::uint64_t>(kSecond)) return sign + decimal(all, kMillisecond, 6, "ms");
  const std::uint64_t hours = all / static_cast<std::uint64_t>(kHour);
  const std::uint64_t minutes =
      all % static_cast<std::uint64_t>(kHour) / static_cast<std::uint64_t>(kMinute);
  std::string text = sign;
  if (hours > 0) text += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) text += std::to_string(minutes) + "m";
  return text + decimal(all % static_cast<std::uint64_t>(kMinute), kSecond, 9, "s");
}

Result<std::int64_t> parseGoDuration(std::string_view text) {
  const auto bad = [&] {
    return refuse(ErrorKind::Invalid, "E_USAGE", "invalid duration " + quoted(text),
                  "Write it like 30m, 1h30m, 24h or 0");
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) return bad();
  long double total = 0;
  while (!rest.empty()) {
    const std::size_t numberEnd = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const std::string number(rest.substr(0, numberEnd));
    const bool digits = number.find_first_of("0123456789") != std::string::npos;
    if (!digits || number.find('.') != number.rfind('.') || number.size() > 32) return bad();
    rest.remove_prefix(numberEnd);
    const std::size_t unitEnd = std::min(rest.find_first_of("0123456789."), rest.size());
    const Unit* unit = nullptr;
    for (const Unit& known : kUnits) {
      if (known.name == rest.substr(0, unitEnd)) unit = &known;
    }
    if (unit == nullptr) return bad();
    rest.remove_prefix(unitEnd);
    total += std::strtold(number.c_str(), nullptr) * static_cast<long double>(unit->nanoseconds);
  }
  if (total > static_cast<long double>(std::numeric_limits<std::int64_t>::max() / 2)) return bad();
  const auto nanoseconds = static_cast<std::int64_t>(std::llroundl(total));
  return negative ? -nanoseconds : nanoseconds;
}

std::int64_t wallClock() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kSecond + now.tv_nsec;
}

}  // namespace airlock::cli
