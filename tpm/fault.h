// SPDX-License-Identifier: Apache-2.0
// Points at which a test can have the process die as by kill -9.  The measuring process only;
// fault_absent.cc, which does nothing, is what a release is built with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace airlock::tpm {

// AIRLOCK_FAULT in the environment names this point.
bool isFaultPoint(std::string_view point);
// Kills this process if isFaultPoint(point).
void dieAt(std::string_view point);
// The variables that confinement has to leave in the environment for it.
std::vector<std::string> faultVariables();

}  // namespace airlock::tpm
