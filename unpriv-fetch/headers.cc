// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/headers.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::fetch {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string lowerCase(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::unexpected<Error> badRange(std::string_view value) {
  return refuse(ErrorKind::Invalid, "E_RANGE",
                "the server answered the request for the rest of the file with Content-Range " +
                    quoted(value));
}

}  // namespace

std::optional<std::uint64_t> decimal(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

void Headers::add(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    fields_.clear();
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return;
  fields_.emplace_back(lowerCase(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  const auto found = std::ranges::find(fields_, name, &std::pair<std::string, std::string>::first);
  if (found == fields_.end()) return std::nullopt;
  return found->second;
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [field, value] : fields_) {
    if (field == name) values.emplace_back(value);
  }
  return values;
}

Result<std::optional<std::uint64_t>> bodyLength(const Headers& headers) {
  std::optional<std::uint64_t> length;
  for (const std::string_view value : headers.all("content-length")) {
    const std::optional<std::uint64_t> number = decimal(value);
    if (!number) {
      return refuse(ErrorKind::Invalid, "E_SHORT",
                    "the server says the length is " + quoted(value));
    }
    if (length && *length != *number) {
      return refuse(ErrorKind::Invalid, "E_SHORT",
                    "the server gives two lengths, " + std::to_string(*length) + " and " +
                        std::to_string(*number));
    }
    length = number;
  }
  if (length && headers.find("transfer-encoding")) {
    return refuse(ErrorKind::Invalid, "E_SHORT",
                  "the server gives a length beside a transfer coding");
  }
  return length;
}

Result<void> refuseEncodings(const Headers& headers) {
  for (const std::string_view value : headers.all("content-encoding")) {
    if (value.empty() || lowerCase(value) == "identity") continue;
    return refuse(
        ErrorKind::Invalid, "E_ENCODING",
        "the server sent the content encoded as " + quoted(value) + ", which was not asked for");
  }
  const std::vector<std::string_view> codings = headers.all("transfer-encoding");
  for (const std::string_view value : codings) {
    if (codings.size() == 1 && lowerCase(value) == "chunked") continue;
    return refuse(
        ErrorKind::Invalid, "E_ENCODING",
        "the server sent the transfer coding " + quoted(value) + ", which was not asked for");
  }
  return {};
}

Result<ContentRange> contentRange(const Headers& headers) {
  const std::vector<std::string_view> values = headers.all("content-range");
  if (values.size() != 1) return badRange(values.empty() ? "" : "twice");
  const std::string_view value = values.front();
  constexpr std::string_view kUnit = "bytes ";
  const std::size_t dash = value.find('-');
  const std::size_t slash = value.find('/');
  if (!value.starts_with(kUnit) || dash == std::string_view::npos ||
      slash == std::string_view::npos || slash < dash) {
    return badRange(value);
  }
  const auto first = decimal(value.substr(kUnit.size(), dash - kUnit.size()));
  const auto last = decimal(value.substr(dash + 1, slash - dash - 1));
  const auto total = decimal(value.substr(slash + 1));
  if (!first || !last || !total || *first > *last || *total == 0 || *last != *total - 1)
    return badRange(value);
  const std::optional<std::uint64_t> length = TRY(bodyLength(headers));
  if (length && *length != *total - *first) return badRange(value);
  return ContentRange{*first, *total};
}

bool isTag(std::string_view tag) {
  return !tag.empty() && tag.size() <= limits::kTagBytes &&
         std::ranges::all_of(tag, [](char c) { return c >= ' ' && c < 0x7f; });
}

bool isEntityTag(std::string_view tag) { return tag.starts_with('"') || tag.starts_with("W/\""); }

bool isStrongTag(std::string_view tag) { return isTag(tag) && !tag.starts_with("W/"); }

std::string versionTag(const Headers& headers) {
  const std::string_view tag = headers.find("etag").value_or("");
  if (isTag(tag) && isEntityTag(tag)) return std::string(tag);
  const std::string_view date = headers.find("last-modified").value_or("");
  return isTag(date) && !isEntityTag(date) ? std::string(date) : std::string();
}

std::int64_t maxAge(const Headers& headers) {
  std::int64_t seconds = 0;
  for (std::string_view rest : headers.all("cache-control")) {
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      const std::string directive = lowerCase(trim(rest.substr(0, comma)));
      rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
      if (directive == "no-store" || directive.starts_with("no-cache")) return 0;
      constexpr std::string_view kMaxAge = "max-age=";
      if (!directive.starts_with(kMaxAge)) continue;
      constexpr auto kMost = std::uint64_t{std::numeric_limits<std::int32_t>::max()};
      seconds = static_cast<std::int64_t>(
          std::min(decimal(std::string_view(directive).substr(kMaxAge.size())).value_or(0), kMost));
    }
  }
  return seconds;
}

}  // namespace airlock::fetch
