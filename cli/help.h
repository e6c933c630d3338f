// SPDX-License-Identifier: Apache-2.0
// airlock help, in the sections and with the TABs of rkt's.  CLI only.
#pragma once

#include <span>
#include <string>

#include "cli/command.h"

namespace airlock::cli {

// Of the whole program.
std::string generalHelp(std::span<const Command> commands);
// Of one command.
std::string commandHelp(const Command& command);

}  // namespace airlock::cli
