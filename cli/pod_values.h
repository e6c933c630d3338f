// SPDX-License-Identifier: Apache-2.0
// The values of a pod's flags, read.  run and prepare.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "cli/pod_flags.h"
#include "image/manifest.h"
#include "image/pod_manifest.h"

namespace airlock::cli {

// Decimal digits and a sign where Number has one, and nothing else.
template <class Number>
Result<Number> parseFlagNumber(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return badFlag(airlock::quoted(text) + " is not a number that is allowed here");
  }
  return value;
}
Result<bool> readBoolean(std::string_view key, std::string_view text);

// "NAME,kind=host,source=PATH[,readOnly=B][,recursive=B]",
// "NAME,kind=empty[,readOnly=B][,mode=0755][,uid=N][,gid=N]".
Result<image::Volume> parseVolume(const std::string& text);
// "volume=NAME,target=PATH".
Result<image::Mount> parseMount(const std::string& text);
// "mode=retain|remove[,errno=ENAME],CALL|@GROUP,...".
Result<image::Isolator> parseSeccomp(const std::string& text);
// "NAME=VALUE".
Result<image::EnvironmentVariable> parseEnvironment(const std::string& text);
// Lines NAME=VALUE; empty ones and those that begin with # or ; do not count.
Result<std::vector<image::EnvironmentVariable>> parseEnvironmentFile(const std::string& text);

}  // namespace airlock::cli
