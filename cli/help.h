// SPDX-License-Identifier: Apache-2.0
// airlock help, in the sections and with the TABs of rkt's.  CLI only.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/command.h"

namespace airlock::cli {

// Of the whole program.
std::string generalHelp(std::span<const Command> commands);
// Of one command, and the longer ones that begin like it ("trust" and "trust list").
std::string commandHelp(const Command& command, std::span<const Command> commands);
// Of commands that share their first word ("image").
std::string groupHelp(std::string_view group, std::span<const Command> commands);

}  // namespace airlock::cli
