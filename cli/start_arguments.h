// SPDX-License-Identifier: Apache-2.0
// What is said when a pod starts, and its manifest does not keep: the flags of run-prepared, which
// run has, too.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cli/pod_arguments.h"
#include "cli/pod_flags.h"

namespace airlock::cli {

struct StartArguments {
  PodArguments pod;      // only what is of a start
  std::string uuidFile;  // that names the pod
  std::vector<std::string> operands;
};
Result<StartArguments> parseStartArguments(const std::vector<std::string>& arguments);

// `pod` outlives the set.
void addStartFlags(FlagSet& flags, PodArguments& pod);
// `prepare` and `app add` would lose them; `instead` is the command that takes them.
void refuseStartFlags(FlagSet& flags, const char* instead);
// What does not go together.
Result<void> checkStart(const PodArguments& pod);

}  // namespace airlock::cli
