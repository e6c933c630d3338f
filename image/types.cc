// SPDX-License-Identifier: Apache-2.0
#include "image/types.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::image {

namespace {
bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool isAlnum(char c) { return isDigit(c) || isLower(c) || isUpper(c); }

std::unexpected<Error> bad(std::string message) {
  return refuse(ErrorKind::Invalid, "E_MANIFEST", std::move(message));
}

struct Platform {
  std::string_view os;
  std::array<std::string_view, 10> architectures;  // empty texts fill the rest
};
// appc schema/types, ValidOSArch.
constexpr std::array<Platform, 3> kPlatforms = {{
    {"darwin", {"x86_64", "i386"}},
    {"freebsd", {"amd64", "i386", "arm"}},
    {"linux",
     {"amd64", "i386", "aarch64", "aarch64_be", "armv6l", "armv7l", "armv7b", "ppc64", "ppc64le",
      "s390x"}},
}};

template <class Range>
std::string joinWords(const Range& words) {
  std::string joined;
  for (const std::string_view word : words) {
    if (word.empty()) continue;
    if (!joined.empty()) joined += ' ';
    joined += word;
  }
  return joined;
}

// Two digits at `at`, or -1.
int twoDigits(std::string_view text, std::size_t at) {
  if (at + 2 > text.size() || !isDigit(text[at]) || !isDigit(text[at + 1])) return -1;
  return (text[at] - '0') * 10 + (text[at + 1] - '0');
}

int daysIn(int year, int month) {
  constexpr std::array<int, 12> days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days.at(static_cast<std::size_t>(month - 1));
}

// What stands after the seconds: an optional fraction, then Z or an offset.
bool isZone(std::string_view rest) {
  if (rest.starts_with('.')) {
    const auto end = std::ranges::find_if_not(rest.substr(1), isDigit) - rest.begin();
    if (end == 1) return false;
    rest.remove_prefix(static_cast<std::size_t>(end));
  }
  if (rest == "Z") return true;
  const int hours = twoDigits(rest, 1);
  const int minutes = twoDigits(rest, 4);
  return rest.size() == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' && hours >= 0 &&
         hours < 24 && minutes >= 0 && minutes < 60;
}

// Dot separated, non-empty words of letters, digits and '-' (SemVer 2.0, 9 and 10).
bool isSemVerTail(std::string_view text) {
  bool inWord = false;
  for (const char c : text) {
    if (c == '.' && !inWord) return false;
    if (c != '.' && c != '-' && !isAlnum(c)) return false;
    inWord = c != '.';
  }
  return inWord;
}
}  // namespace

Result<void> checkSemVer(std::string_view text) {
  // 0.0.0 is appc's empty version.
  if (text.empty() || text == "0.0.0") return bad("acVersion must be set");
  const auto notDotted = [&] { return bad(printable(text) + " is not in dotted-tri format"); };
  if (text.size() > limits::kNameBytes) return bad("acVersion is too long");
  std::string_view core = text;
  if (const auto plus = core.find('+'); plus != core.npos) {
    if (!isSemVerTail(core.substr(plus + 1))) return notDotted();
    core = core.substr(0, plus);
  }
  if (const auto dash = core.find('-'); dash != core.npos) {
    if (!isSemVerTail(core.substr(dash + 1))) return notDotted();
    core = core.substr(0, dash);
  }
  for (int part = 0; part < 3; ++part) {
    const auto dot = part < 2 ? core.find('.') : core.size();
    if (dot == core.npos) return notDotted();
    const std::string_view number = core.substr(0, dot);
    if (number.empty() || number.size() > 18 || !std::ranges::all_of(number, isDigit) ||
        (number.size() > 1 && number[0] == '0')) {
      return notDotted();
    }
    core.remove_prefix(part < 2 ? dot + 1 : dot);
  }
  return {};
}

Result<void> checkIdentifier(std::string_view text) {
  constexpr std::string_view extra = "-._~/";
  const auto plain = [](char c) { return isLower(c) || isDigit(c); };
  if (text.empty()) return bad("ACIdentifier cannot be empty");
  if (text.size() > limits::kPathBytes) return bad("ACIdentifier is too long");
  if (!std::ranges::all_of(text, [&](char c) { return plain(c) || extra.contains(c); })) {
    return bad("ACIdentifier must contain only lower case alphanumeric characters plus \"" +
               std::string(extra) + "\"");
  }
  if (!plain(text.front()) || !plain(text.back())) {
    return bad("ACIdentifier must start and end with only lower case alphanumeric characters");
  }
  return {};
}

Result<void> checkDate(std::string_view text) {
  const int century = twoDigits(text, 0);
  const int year = twoDigits(text, 2);
  const int month = twoDigits(text, 5);
  const int day = twoDigits(text, 8);
  const int hour = twoDigits(text, 11);
  const int minute = twoDigits(text, 14);
  const int second = twoDigits(text, 17);
  const bool shaped = text.size() >= 20 && text.size() <= limits::kNameBytes && text[4] == '-' &&
                      text[7] == '-' && text[10] == 'T' && text[13] == ':' && text[16] == ':' &&
                      century >= 0 && year >= 0 && isZone(text.substr(19));
  if (!shaped || month < 1 || month > 12 || day < 1 || day > daysIn(century * 100 + year, month) ||
      hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) {
    return bad(airlock::quoted(text) + " is not a date as RFC 3339 writes it");
  }
  return {};
}

Result<void> checkWebUrl(std::string_view text) {
  const auto colon = text.find("://");
  const std::string_view scheme = text.substr(0, colon == text.npos ? 0 : colon);
  if (scheme != "http" && scheme != "https") {
    return bad("bad scheme " + airlock::quoted(scheme) + ", must be http/https");
  }
  const std::string_view rest = text.substr(colon + 3);
  const bool clean =
      std::ranges::none_of(rest, [](char c) { return (c >= 0 && c <= 0x20) || c == 0x7f; });
  if (rest.empty() || rest.front() == '/' || !clean || text.size() > limits::kTextBytes) {
    return bad(airlock::quoted(text) + " is not an http or https URL");
  }
  return {};
}

Result<void> checkImageHash(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == text.npos) return bad("badly formatted hash string");
  const std::string_view algorithm = text.substr(0, dash);
  if (algorithm != "sha512" && algorithm != "sha256") {
    return bad("unrecognized hash type: " + printable(text.substr(0, dash).substr(0, 32)));
  }
  const std::string_view hex = text.substr(dash + 1);
  if (hex.empty()) return bad("unexpected empty hash value");
  const auto isHex = [](char c) { return isDigit(c) || (c >= 'a' && c <= 'f'); };
  const std::size_t most = algorithm == "sha512" ? 128 : 64;
  if (hex.size() < 2 || hex.size() > most || !std::ranges::all_of(hex, isHex)) {
    return bad("badly formatted hash string: expected " + std::string(algorithm) + "- and 2 to " +
               std::to_string(most) + " lower case hex digits");
  }
  return {};
}

Result<void> checkEnvironmentName(std::string_view text) {
  const bool good = !text.empty() && text.size() <= limits::kTextBytes && !isDigit(text[0]) &&
                    text[0] != '.' && text[0] != '-' && std::ranges::all_of(text, [](char c) {
                      return isAlnum(c) || c == '_' || c == '.' || c == '-';
                    });
  if (!good) return bad("environment variable name " + airlock::quoted(text) + " is not valid");
  return {};
}

Result<void> checkLabels(const std::vector<Label>& labels) {
  std::set<std::string_view> seen;
  for (const Label& label : labels) {
    TRY(inContext(checkIdentifier(label.name), "label " + airlock::quoted(label.name)));
    if (label.name == "name") return bad("invalid label name: \"name\"");
    if (!seen.insert(label.name).second) {
      return bad("duplicate labels of name " + airlock::quoted(label.name));
    }
  }
  return checkPlatform(labels);
}

Result<void> checkPlatform(const std::vector<Label>& labels) {
  const auto os = std::ranges::find(labels, "os", &Label::name);
  if (os == labels.end()) return {};
  const auto platform = std::ranges::find(kPlatforms, os->value, &Platform::os);
  if (platform == kPlatforms.end()) {
    std::vector<std::string_view> known;
    std::ranges::transform(kPlatforms, std::back_inserter(known), &Platform::os);
    return bad("bad os " + airlock::quoted(os->value) + " (must be one of: [" + joinWords(known) +
               "])");
  }
  const auto arch = std::ranges::find(labels, "arch", &Label::name);
  if (arch == labels.end()) return {};
  const auto& known = platform->architectures;
  if (arch->value.empty() || std::ranges::find(known, arch->value) == known.end()) {
    return bad("bad arch " + airlock::quoted(arch->value) + " for " + os->value +
               " (must be one of: [" + joinWords(known) + "])");
  }
  return {};
}

Result<void> requirePlatform(const std::vector<Label>& labels) {
  if (labelValue(labels, "os").empty() || labelValue(labels, "arch").empty()) {
    return bad("missing os/arch label in the image manifest");
  }
  return checkPlatform(labels);
}

std::string_view appcArchitecture(std::string_view machine) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 20> table = {{
      {"x86_64", "amd64"},       {"amd64", "amd64"},
      {"i386", "i386"},          {"i486", "i386"},
      {"i586", "i386"},          {"i686", "i386"},
      {"386", "i386"},           {"aarch64", "aarch64"},
      {"arm64", "aarch64"},      {"aarch64_be", "aarch64_be"},
      {"arm64be", "aarch64_be"}, {"armv6l", "armv6l"},
      {"armv7l", "armv7l"},      {"armv8l", "armv7l"},
      {"arm", "armv7l"},         {"armv7b", "armv7b"},
      {"armbe", "armv7b"},       {"ppc64", "ppc64"},
      {"ppc64le", "ppc64le"},    {"s390x", "s390x"},
  }};
  const auto found = std::ranges::find(table, machine, [](const auto& row) { return row.first; });
  return found == table.end() ? std::string_view() : found->second;
}

std::string_view hostArchitecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__i386__)
  return "i386";
#elif defined(__aarch64__) && defined(__AARCH64EB__)
  return "aarch64_be";
#elif defined(__aarch64__)
  return "aarch64";
#elif defined(__ARMEB__)
  return "armv7b";
#elif defined(__ARM_ARCH) && __ARM_ARCH >= 7
  return "armv7l";
#elif defined(__arm__)
  return "armv6l";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return "ppc64le";
#elif defined(__powerpc64__)
  return "ppc64";
#elif defined(__s390x__)
  return "s390x";
#else
#error "appc has no name for this architecture"
#endif
}

Result<AppName> sanitizeAppName(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const char lower = isUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    name += isLower(lower) || isDigit(lower) ? lower : '-';
  }
  const auto first = name.find_first_not_of('-');
  const auto last = name.find_last_not_of('-');
  if (first == name.npos) return bad("no name can be made of " + airlock::quoted(text));
  return AppName::parse(std::string_view(name).substr(first, last - first + 1));
}

}  // namespace airlock::image
