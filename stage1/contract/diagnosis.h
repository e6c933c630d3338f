// SPDX-License-Identifier: Apache-2.0
// Why an app did not start, in words that help whoever made its image.  Every stage1 flavour.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "stage1/contract/confinement.h"
#include "stage1/contract/launch.h"

namespace airlock::stage1 {

// `root` is the app's root, looked into only to tell a missing program from a missing interpreter.
Error explainFailure(FdRef root, const LaunchPlan& plan, const StartFailure& failure);

// The program that the kernel would start for the file at `path`: after "#!" of a script
// (execve(2)), or PT_INTERP of an ELF file of this machine (elf(5)).  An empty text: it needs none.
// nullopt: it cannot be told.
std::optional<std::string> interpreterOf(FdRef root, const std::string& path);

}  // namespace airlock::stage1
