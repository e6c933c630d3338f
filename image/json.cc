// SPDX-License-Identifier: Apache-2.0
#include "image/json.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::image {

namespace {
constexpr std::size_t kExcerptBytes = 40;

// Walks the text and remembers how far the reader came: a SAX event does not say where it happened.
class TrackedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Builds the value from the reader's events and stops it at the first thing that we do not accept.
class Builder {
 public:
  // The names are those of nlohmann's SAX interface.
  bool null() { return add(Json(nullptr)); }
  bool boolean(bool value) { return add(Json(value)); }
  bool number_integer(std::int64_t value) {
    return value == 0 ? stop("-0 is not accepted as a number") : add(Json(value));
  }
  bool number_unsigned(std::uint64_t value) {
    if (value > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return outOfRange();
    return add(Json(static_cast<std::int64_t>(value)));
  }
  bool number_float(double value, const std::string& text) {
    return text.find_first_of(".eE") == text.npos ? outOfRange() : add(Json(value));
  }
  bool string(std::string& value) {
    return hasNul(value) ? stop("a string contains NUL") : add(Json(std::move(value)));
  }
  bool binary(Json::binary_t&) { return stop("binary value"); }
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& key) {
    if (hasNul(key)) return stop("a key contains NUL");
    if (!frames_.back().keys.insert(key).second) {
      return stop("the key " + airlock::quoted(key) + " stands twice in one object");
    }
    frames_.back().key = std::move(key);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) {
    return stop(plainReason(error.what()));
  }

  const std::string& reason() const { return reason_; }
  Json take() { return std::move(root_); }

 private:
  struct Frame {
    Json value;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  static bool hasNul(const std::string& text) { return text.find('\0') != text.npos; }
  bool outOfRange() { return stop("a whole number does not fit 64 bits with sign"); }
  bool stop(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }

  // "[json.exception.parse_error.101] parse error at line 1, column 2: REASON; last read: '…'": we
  // give the place ourselves, and the last token may be a megabyte long.
  static std::string plainReason(std::string_view what) {
    const auto place = what.find(", column ");
    const auto begin = place == what.npos ? what.find("] ") : what.find(": ", place);
    if (begin != what.npos) what.remove_prefix(begin + 2);
    const auto token = what.find("; last read:");
    const auto wanted = what.rfind("; expected ");
    std::string reason(what.substr(0, token));
    if (token != what.npos && wanted != what.npos && wanted > token) reason += what.substr(wanted);
    return printable(reason.substr(0, 4 * kExcerptBytes));
  }

  bool open(Json container) {
    if (frames_.size() >= limits::kJsonDepth) return stop("nested too deeply");
    frames_.push_back({.value = std::move(container), .key = {}, .keys = {}});
    return true;
  }
  bool close() {
    Json value = std::move(frames_.back().value);
    frames_.pop_back();
    return add(std::move(value));
  }
  bool add(Json value) {
    if (++values_ > limits::kJsonValues) return stop("too many values");
    if (frames_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& frame = frames_.back();
    if (frame.value.is_array()) {
      frame.value.push_back(std::move(value));
    } else {
      // Straight to the vector below: operator[] would look through all the keys again, for each
      // key.
      frame.value.get_ref<Json::object_t&>().emplace_back(std::move(frame.key), std::move(value));
    }
    return true;
  }

  std::vector<Frame> frames_;
  Json root_;
  std::size_t values_ = 0;
  std::string reason_;
};

// "Error at line L, column C: …" is what appc tools print; columns count bytes, from 1.
std::unexpected<Error> refuseAt(std::string_view text, std::size_t offset,
                                const std::string& reason) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::ranges::count(before, '\n');
  const auto newline = before.rfind('\n');
  const std::size_t lineStart = newline == before.npos ? 0 : newline + 1;
  const std::size_t column = std::max<std::size_t>(1, offset - lineStart);
  const std::size_t from = std::max(lineStart, offset - std::min(offset, kExcerptBytes));
  std::string message = "Error at line " + std::to_string(line) + ", column " +
                        std::to_string(column) + ": " + reason;
  if (from < offset) message += ", after " + airlock::quoted(text.substr(from, offset - from));
  return refuse(ErrorKind::Invalid, "E_JSON", std::move(message));
}

void appendEscaped(std::string& out, unsigned code) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\u";
  for (const unsigned shift : {12U, 8U, 4U, 0U}) out += digits[(code >> shift) & 0xfU];
}
}  // namespace

Result<Json> parseJson(std::string_view text, std::size_t maxBytes) {
  if (text.size() > maxBytes) {
    return refuse(ErrorKind::Invalid, "E_JSON",
                  "JSON text of " + std::to_string(text.size()) +
                      " bytes, more than the limit of " + std::to_string(maxBytes));
  }
  if (text.starts_with("\xef\xbb\xbf")) return refuseAt(text, 0, "a byte order mark");
  // nlohmann takes a NUL byte for the end of its input and would accept whatever follows it.
  if (const auto nul = text.find('\0'); nul != text.npos) return refuseAt(text, nul, "a NUL byte");
  const char* reached = text.data();
  const char* const end = text.data() + text.size();
  Builder builder;
  if (!Json::sax_parse(TrackedIterator(text.data(), &reached), TrackedIterator(end, &reached),
                       &builder)) {
    return refuseAt(text, static_cast<std::size_t>(reached - text.data()), builder.reason());
  }
  return builder.take();
}

std::string writeJson(const Json& value, JsonStyle style) {
  const std::string plain =
      value.dump(style == JsonStyle::Pretty ? 1 : -1, '\t', false, Json::error_handler_t::replace);
  std::string out;
  out.reserve(plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto byte = [&](std::size_t at) {
      return at < plain.size() ? static_cast<unsigned char>(plain[at]) : 0U;
    };
    const unsigned first = byte(i);
    if (first == '<' || first == '>' || first == '&' || first == 0x7f) {
      appendEscaped(out, first);
    } else if (first == 0xc2 && byte(i + 1) < 0xa0) {
      appendEscaped(out, byte(++i));  // U+0080..U+009F
    } else if (first == 0xe2 && byte(i + 1) == 0x80 && (byte(i + 2) | 1U) == 0xa9) {
      appendEscaped(out, 0x2000U + (byte(i + 2) - 0x80U));
      i += 2;
    } else {
      out += plain[i];
    }
  }
  return out;
}

}  // namespace airlock::image
