// SPDX-License-Identifier: Apache-2.0
#include "cli/stream_modes.h"

#include <array>
#include <utility>

#include "base/log.h"

namespace airlock::cli {

namespace {

using ipc::StreamMode;

constexpr std::string_view kAnnotation = "coreos.com/rkt/stage2/";
constexpr std::array<std::pair<StreamMode, std::string_view>, 4> kNames = {
    std::pair(StreamMode::Null, "null"), std::pair(StreamMode::Log, "log"),
    std::pair(StreamMode::Stream, "stream"), std::pair(StreamMode::Tty, "tty")};

}  // namespace

Result<StreamMode> parseStreamMode(std::string_view text) {
  for (const auto& [mode, name] : kNames)
    if (name == text) return mode;
  return refuse(ErrorKind::Invalid, "E_FLAG", "invalid stream mode " + quoted(text),
                "It is null, log, stream, tty or interactive");
}

void noteStreams(const StreamModes& modes, std::vector<image::Annotation>& annotations) {
  for (const auto& [stream, mode] :
       {std::pair("stdin", modes.input), std::pair("stdout", modes.output),
        std::pair("stderr", modes.errors)}) {
    for (const auto& [each, name] : kNames)
      if (each == mode)
        annotations.push_back({std::string(kAnnotation) + stream, std::string(name)});
  }
}

StreamModes streamModesOf(const std::vector<image::Annotation>& annotations) {
  const auto modeOf = [&](std::string_view stream) {
    const auto value =
        image::annotationValue(annotations, std::string(kAnnotation) + std::string(stream));
    return parseStreamMode(value).value_or(StreamMode::Inherit);
  };
  return {modeOf("stdin"), modeOf("stdout"), modeOf("stderr")};
}

std::vector<std::string> endpointsOf(const StreamModes& modes) {
  std::vector<std::string> endpoints;
  if (modes.input == StreamMode::Stream) endpoints.emplace_back("stdin");
  if (modes.output == StreamMode::Stream) endpoints.emplace_back("stdout");
  if (modes.errors == StreamMode::Stream) endpoints.emplace_back("stderr");
  if (modes.input == StreamMode::Tty) endpoints.emplace_back("tty-in");
  if (modes.output == StreamMode::Tty || modes.errors == StreamMode::Tty)
    endpoints.emplace_back("tty-out");
  return endpoints;
}

}  // namespace airlock::cli
