// SPDX-License-Identifier: Apache-2.0
// Names and relative paths that cannot point elsewhere.  Anyone may use it; privileged code uses
// nothing else.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock {

// One name in a directory: not empty, not "." or "..", no '/' and no NUL, at most 255 bytes.
class Component {
 public:
  static Result<Component> parse(std::string_view text);
  const std::string& text() const { return text_; }
  const char* c_str() const { return text_.c_str(); }
  auto operator<=>(const Component&) const = default;

 private:
  explicit Component(std::string_view text) : text_(text) {}
  std::string text_;
};

// A relative path of components: not empty, no "..", no "//", no trailing '/', at most 4095 bytes.
class BeneathPath {
 public:
  static Result<BeneathPath> parse(std::string_view text);
  const std::string& text() const { return text_; }
  const char* c_str() const { return text_.c_str(); }
  auto operator<=>(const BeneathPath&) const = default;

 private:
  explicit BeneathPath(std::string_view text) : text_(text) {}
  std::string text_;
};

// True for `prefix` itself and for anything below it, compared by whole components:
// "example.com/app" covers "example.com/app/sub", not "example.com/application" (test S21).
bool coversPath(std::string_view prefix, std::string_view name);

}  // namespace airlock
