// SPDX-License-Identifier: Apache-2.0
#include <string_view>

#include "base/log.h"
#include "sandbox/confine.h"
#include "sandbox/credentials.h"
#include "stage1/container/run.h"

int main(int argc, char** argv) {
  airlock::sandbox::refuseEmptyArguments(argc);
  if (const auto open = airlock::sandbox::ensureStandardDescriptors(); !open) {
    return airlock::stage1::kFailedCode;
  }
  const std::string_view entry = argc == 2 ? argv[1] : "";
  if (entry == "run") return airlock::stage1::runPod();
  if (entry == "app") return airlock::stage1::runAddedApp();
  if (entry == "enter") return airlock::stage1::enterPod();
  airlock::log(airlock::LogLevel::Error, "stage1",
               "usage: airlock-stage1-container run|app|enter, started by airlock-helper only");
  return 64;
}
