// SPDX-License-Identifier: Apache-2.0
#include "base/path.h"

#include "base/limits.h"

namespace airlock {

namespace {
bool isComponent(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.size() <= limits::kNameBytes &&
         text.find('/') == text.npos && text.find('\0') == text.npos;
}
}  // namespace

Result<Component> Component::parse(std::string_view text) {
  if (!isComponent(text)) return refuse(ErrorKind::Invalid, "E_PATH", "not a file name");
  return Component(text);
}

Result<BeneathPath> BeneathPath::parse(std::string_view text) {
  if (text.size() > limits::kPathBytes)
    return refuse(ErrorKind::Invalid, "E_PATH", "path too long");
  for (std::string_view rest = text;;) {
    const auto slash = rest.find('/');
    if (!isComponent(rest.substr(0, slash))) {
      return refuse(ErrorKind::Invalid, "E_PATH", "not a plain relative path");
    }
    if (slash == rest.npos) return BeneathPath(text);
    rest.remove_prefix(slash + 1);
  }
}

bool coversPath(std::string_view prefix, std::string_view name) {
  return name.starts_with(prefix) &&
         (prefix.empty() || name.size() == prefix.size() || name[prefix.size()] == '/');
}

}  // namespace airlock
