// SPDX-License-Identifier: Apache-2.0
// Where an app's streams lead, as people and rkt's annotations say it.  The pod commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/pod_manifest.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {

// "null", "log", "stream" or "tty"; E_FLAG.
Result<ipc::StreamMode> parseStreamMode(std::string_view text);

struct StreamModes {
  ipc::StreamMode input = ipc::StreamMode::Inherit;
  ipc::StreamMode output = ipc::StreamMode::Inherit;
  ipc::StreamMode errors = ipc::StreamMode::Inherit;
  bool isLogged() const { return output == ipc::StreamMode::Log || errors == ipc::StreamMode::Log; }
};
// Adds rkt's coreos.com/rkt/stage2/{stdin,stdout,stderr} for what is not the caller's.
void noteStreams(const StreamModes& modes, std::vector<image::Annotation>& annotations);
// What such annotations say; what they do not say is the caller's.
StreamModes streamModesOf(const std::vector<image::Annotation>& annotations);

// What can be attached to, as rkt names it: "stdin", "stdout", "stderr" where they are streams,
// "tty-in" and "tty-out" where they are a terminal.
std::vector<std::string> endpointsOf(const StreamModes& modes);

}  // namespace airlock::cli
