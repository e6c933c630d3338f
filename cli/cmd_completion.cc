// SPDX-License-Identifier: Apache-2.0
// airlock completion
#include <string>
#include <vector>

#include "base/log.h"
#include "cli/command.h"
#include "cli/completion_script.h"
#include "cli/options.h"
#include "cli/text_output.h"

namespace airlock::cli {

Result<int> completion(const Options&, const std::vector<std::string>& arguments) {
  const auto shells = TRY(parseFlags(arguments, {}));
  if (shells.size() != 1) {
    return refuse(ErrorKind::Invalid, "E_USAGE", "must specify a shell for completion",
                  "There is: bash");
  }
  if (shells.front() != "bash") {
    return refuse(ErrorKind::Unsupported, "E_USAGE",
                  "unsupported shell type " + airlock::quoted(shells.front()), "There is: bash");
  }
  std::string script = kBashCompletion;
  const std::string end = "complete -F _airlock airlock";
  const std::size_t last = script.rfind(end);
  if (last != script.npos)
    script.replace(last, end.size(), "complete -F _airlock " + programName());
  out(script);
  return 0;
}

}  // namespace airlock::cli
