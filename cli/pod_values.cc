// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_values.h"

#include <algorithm>

#include "base/limits.h"
#include "cli/in_message.h"
#include "image/quantity.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

// The parts of "a,b=c,d=e" as (key, value); a part without '=' has an empty key.
std::vector<std::pair<std::string, std::string>> splitPairs(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::string& part : splitText(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) {
      pairs.emplace_back("", std::move(part));
    } else {
      pairs.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    }
  }
  return pairs;
}

Result<void> checkVolume(const image::Volume& volume) {
  const bool ofEmpty = volume.mode || volume.uid || volume.gid;
  if (volume.kind == image::Volume::Kind::Empty) {
    if (!volume.source.empty()) return badFlag("source for empty volume should be empty");
    if (volume.recursive) return badFlag("recursive does not go with kind=empty");
    return {};
  }
  if (volume.source.empty()) return badFlag("source for host volume cannot be empty");
  if (volume.source[0] != '/') return badFlag("source for host volume must be absolute path");
  if (ofEmpty) return badFlag("mode, uid and gid for host volume should not be set");
  return {};
}

}  // namespace

Result<bool> readBoolean(std::string_view key, std::string_view text) {
  const auto value = parseBoolean(text);
  if (!value)
    return badFlag(std::string(key) + "=" + printable(text) + " is neither true nor false");
  return *value;
}

Result<image::Volume> parseVolume(const std::string& text) {
  const auto pairs = splitPairs(text);
  std::optional<AppName> name;
  bool hasKind = false;
  for (const auto& [key, value] : pairs) {
    if (key.empty() || key == "name") name = TRY(AppName::parse(value));
  }
  if (!name)
    return badFlag("the volume has no name", "NAME,kind=host,source=PATH or NAME,kind=empty");
  image::Volume volume{.name = *name,
                       .kind = {},
                       .source = {},
                       .readOnly = {},
                       .recursive = {},
                       .mode = {},
                       .uid = {},
                       .gid = {}};
  for (const auto& [key, value] : pairs) {
    if (key.empty() || key == "name") continue;
    if (key == "kind") {
      hasKind = value == "host" || value == "empty";
      if (!hasKind)
        return badFlag("unrecognized volume kind: should be one of \"empty\", \"host\"");
      volume.kind = value == "host" ? image::Volume::Kind::Host : image::Volume::Kind::Empty;
    } else if (key == "source") {
      volume.source = value;
    } else if (key == "readOnly") {
      volume.readOnly = TRY(readBoolean(key, value));
    } else if (key == "recursive") {
      volume.recursive = TRY(readBoolean(key, value));
    } else if (key == "mode") {
      volume.mode = TRY(parseFlagNumber<std::uint32_t>(value, 8));
      if (*volume.mode > limits::kModeMax)
        return badFlag("mode " + printable(value) + " is too large");
    } else if (key == "uid" || key == "gid") {
      const auto id = TRY(parseFlagNumber<std::uint32_t>(value));
      if (id > limits::kImageIdMax) return badFlag(key + " " + value + " is not one of a pod");
      (key == "uid" ? volume.uid : volume.gid) = id;
    } else {
      return badFlag("unknown volume parameter " + airlock::quoted(key));
    }
  }
  if (!hasKind) return badFlag("the volume has no kind", "kind=host or kind=empty");
  TRY(checkVolume(volume));
  return volume;
}

Result<image::Mount> parseMount(const std::string& text) {
  std::optional<AppName> volume;
  std::string target;
  for (const auto& [key, value] : splitPairs(text)) {
    if (key == "volume") {
      volume = TRY(AppName::parse(value));
    } else if (key == "target") {
      target = value;
    } else {
      return badFlag("unknown mount parameter " + airlock::quoted(key.empty() ? value : key),
                     "volume=NAME,target=PATH");
    }
  }
  if (!volume) return badFlag("the mount names no volume", "volume=NAME,target=PATH");
  if (target.empty()) return badFlag("the mount has no target", "volume=NAME,target=PATH");
  if (target[0] != '/')
    return badFlag("target " + airlock::quoted(target) + " is not an absolute path");
  return image::Mount{*volume, std::move(target), std::nullopt};
}

Result<image::Isolator> parseSeccomp(const std::string& text) {
  image::SeccompFilter filter;
  bool hasMode = false;
  for (auto& [key, value] : splitPairs(text)) {
    if (key == "mode") {
      if (hasMode) return badFlag("mode is given twice");
      hasMode = value == "retain" || value == "remove";
      if (!hasMode)
        return badFlag("unknown mode " + airlock::quoted(value), "mode=retain or mode=remove");
      filter.mode = value == "retain" ? image::SeccompFilter::Mode::Retain
                                      : image::SeccompFilter::Mode::Remove;
    } else if (key == "errno") {
      filter.errnoName = value;
    } else if (key.empty() && !value.empty()) {
      filter.names.push_back(value);
    } else {
      return badFlag("unknown seccomp parameter " + airlock::quoted(key));
    }
  }
  if (!hasMode) return badFlag("missing mode", "mode=retain or mode=remove");
  if (filter.names.empty()) return badFlag("empty syscalls list");
  return image::seccompIsolator(filter);
}

Result<image::EnvironmentVariable> parseEnvironment(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return badFlag("environment variable must be specified as name=value");
  }
  image::EnvironmentVariable variable{text.substr(0, equals), text.substr(equals + 1)};
  TRY(image::checkEnvironmentName(variable.name));
  return variable;
}

Result<std::vector<image::EnvironmentVariable>> parseEnvironmentFile(const std::string& text) {
  std::vector<image::EnvironmentVariable> variables;
  int number = 0;
  for (std::string& line : splitText(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line[start] == '#' || line[start] == ';') continue;
    variables.push_back(
        TRY(inMessage(parseEnvironment(line.substr(start)), "line " + std::to_string(number))));
  }
  return variables;
}

}  // namespace airlock::cli
