// SPDX-License-Identifier: Apache-2.0
// --format=json|json-pretty, and --json for every command.  The pod commands.
#pragma once

#include "base/log.h"
#include "cli/command.h"
#include "cli/pod_flags.h"
#include "image/json.h"

namespace airlock::cli {

enum class OutputFormat { Text, Json, JsonPretty };

inline OutputFormat formatOf(const Options& options) {
  return options.json ? OutputFormat::Json : OutputFormat::Text;
}

inline image::JsonStyle styleOf(OutputFormat format) {
  return format == OutputFormat::Json ? image::JsonStyle::Compact : image::JsonStyle::Pretty;
}

inline void addFormatFlag(FlagSet& flags, OutputFormat& format) {
  flags.value("format", [&format](const std::string& value) -> Result<void> {
    if (value != "json" && value != "json-pretty" && !value.empty()) {
      return refuse(ErrorKind::Invalid, "E_FLAG", "unknown format " + airlock::quoted(value),
                    "--format=json or --format=json-pretty");
    }
    format = value.empty()     ? OutputFormat::Text
             : value == "json" ? OutputFormat::Json
                               : OutputFormat::JsonPretty;
    return {};
  });
}

}  // namespace airlock::cli
