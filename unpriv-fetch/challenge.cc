// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/challenge.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include "base/limits.h"

namespace airlock::fetch {
namespace {

bool isTokenChar(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kMarks.contains(c);
}
bool isToken68Char(char c) {
  constexpr std::string_view kMarks = "-._~+/";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kMarks.contains(c);
}

std::string lowerCase(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Reads one header from its front.
class HeaderText {
 public:
  explicit HeaderText(std::string_view text) : rest_(text) {}

  bool empty() const { return rest_.empty(); }
  bool at(char c) const { return !rest_.empty() && rest_.front() == c; }
  void skipSpace() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }
  void skipCommas() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t,"), rest_.size()));
  }
  std::string token() {
    const auto end = std::ranges::find_if_not(rest_, isTokenChar);
    return take(static_cast<std::size_t>(end - rest_.begin()));
  }
  // token68 that ends at a comma or at the end; what the text does not begin with one is left.
  void skipToken68() {
    const auto end = std::ranges::find_if_not(rest_, isToken68Char);
    std::string_view after = rest_.substr(static_cast<std::size_t>(end - rest_.begin()));
    if (after.size() == rest_.size()) return;
    after.remove_prefix(std::min(after.find_first_not_of('='), after.size()));
    after.remove_prefix(std::min(after.find_first_not_of(" \t"), after.size()));
    if (after.empty() || after.front() == ',') rest_ = after;
  }
  // After "=": a token or a quoted string; nullopt when it is neither.
  std::optional<std::string> value() {
    if (!at('"')) {
      std::string plain = token();
      return plain.empty() ? std::nullopt : std::optional(std::move(plain));
    }
    std::string text;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return text;
      }
      if (rest_[i] == '\\' && ++i == rest_.size()) break;
      text += rest_[i];
    }
    return std::nullopt;
  }
  void skip() { rest_.remove_prefix(1); }

 private:
  std::string take(std::size_t count) {
    std::string text(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return text;
  }
  std::string_view rest_;
};

void parseHeader(std::string_view header, std::vector<Challenge>& found) {
  HeaderText text(header);
  bool begun = false;  // a parameter needs a challenge of this header before it
  for (text.skipCommas(); !text.empty(); text.skipCommas()) {
    std::string word = text.token();
    if (word.empty()) return;
    text.skipSpace();
    if (begun && text.at('=')) {
      text.skip();
      text.skipSpace();
      std::optional<std::string> value = text.value();
      if (!value) return;
      // The first one counts: who reads another would see another server.
      found.back().parameters.emplace(lowerCase(word), std::move(*value));
      continue;
    }
    if (found.size() == limits::kChallenges) return;
    found.push_back({.scheme = lowerCase(word), .parameters = {}});
    begun = true;
    text.skipToken68();
  }
}

}  // namespace

std::string Challenge::parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

std::vector<Challenge> parseChallenges(const std::vector<std::string_view>& headers) {
  std::vector<Challenge> found;
  for (const std::string_view header : headers) parseHeader(header, found);
  return found;
}

}  // namespace airlock::fetch
