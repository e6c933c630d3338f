// SPDX-License-Identifier: Apache-2.0
// The command line: global flags, the verb, the flags of one command.  CLI only.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace airlock::cli {

struct CommandLine {
  Options options;
  const Command* command = nullptr;    // nullptr: no verb, or `help`
  std::string group;                   // help about `image`, which alone is no command
  std::vector<std::string> arguments;  // of the command, or of help
  bool help = false;                   // -h, --help or `help`
};

// Reads argv without its first element.  Global flags may stand anywhere before "--"; `enter` takes
// everything after its first operand for the app.  Verbs may be shortened while one remains ("im
// li").  E_VERB for an unknown one, with the nearest as the hint; E_USAGE for a bad flag.
Result<CommandLine> parseCommandLine(std::span<const Command> commands,
                                     const std::vector<std::string>& words);

// "image,http" -> Insecure.  rkt's words; "ondisk" means nothing any more.  E_USAGE for an unknown
// one.
Result<Insecure> parseInsecure(std::string_view list);

// The paths that were given, made absolute; a user's own configuration is added
// ($XDG_CONFIG_HOME/airlock).
Result<void> completePaths(Options& options);

// The flags of one command.
struct Flag {
  enum class Value { None, Required, Optional };  // Optional: only as --name=value
  std::string name;                               // without dashes
  Value value = Value::None;
  std::function<Result<void>(const std::string&)> set;  // "" when it has no value
};
Flag boolFlag(std::string name, bool& into);
Flag textFlag(std::string name, std::string& into);

// Goes through `arguments` in order: flags are set, `operand` hears everything else.  "--" ends the
// flags; with `afterDashes` what follows goes there.  "--name=value", "--name value" and "-n" are
// understood, "--bool=false" too.
Result<void> parseFlags(const std::vector<std::string>& arguments, const std::vector<Flag>& flags,
                        const std::function<Result<void>(const std::string&)>& operand);
// The same with the operands collected.
Result<std::vector<std::string>> parseFlags(const std::vector<std::string>& arguments,
                                            const std::vector<Flag>& flags);

// How the program is called: "airlock", or "rkt" through a link of that name.  Messages use it.
void setProgramName(std::string_view argv0);
const std::string& programName();

}  // namespace airlock::cli
