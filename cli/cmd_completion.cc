// SPDX-License-Identifier: Apache-2.0
// airlock completion
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "cli/command.h"
#include "cli/completion_script.h"
#include "cli/options.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

struct Shell {
  const char* name;
  const char* script;
  // Where the script says for which program it is.
  std::vector<const char*> bindings;
};

const Shell* find(const std::string& name) {
  static const Shell shells[] = {
      {"bash", kBashCompletion, {"complete -F _airlock airlock"}},
      {"fish", kFishCompletion, {"complete -c airlock"}},
      {"zsh", kZshCompletion, {"#compdef airlock", "compdef _airlock airlock"}},
  };
  const auto* const found = std::ranges::find(shells, name, &Shell::name);
  return found == std::end(shells) ? nullptr : found;
}

// Completes what this program was called as.
std::string scriptOf(const Shell& shell) {
  constexpr std::string_view kName = "airlock";
  std::string script = shell.script;
  for (const std::string_view binding : shell.bindings) {
    const std::string ours =
        std::string(binding.substr(0, binding.size() - kName.size())) + programName();
    for (std::size_t at = script.find(binding); at != script.npos;
         at = script.find(binding, at + ours.size()))
      script.replace(at, binding.size(), ours);
  }
  return script;
}

}  // namespace

Result<int> completion(const Options&, const std::vector<std::string>& arguments) {
  constexpr const char* kShells = "There are: bash, fish and zsh";
  const auto shells = TRY(parseFlags(arguments, {}));
  if (shells.size() != 1)
    return refuse(ErrorKind::Invalid, "E_USAGE", "must specify a shell for completion", kShells);
  const Shell* shell = find(shells.front());
  if (shell == nullptr) {
    return refuse(ErrorKind::Unsupported, "E_USAGE",
                  "unsupported shell type " + airlock::quoted(shells.front()), kShells);
  }
  out(scriptOf(*shell));
  return 0;
}

}  // namespace airlock::cli
