// SPDX-License-Identifier: Apache-2.0
// Takes rkt's configuration and trusted keys over.  CLI only, `config import-rkt`.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace airlock::cli {

// What would be done, all of it checked.
struct RktImport {
  struct File {
    std::string from;       // absolute
    std::string directory;  // below the target: "auth.d", "trustedkeys/prefix.d/example.com"
    std::string name;
    std::string content;
    unsigned mode;
    std::string what;  // "credentials", "trusted key for …"
  };
  struct Left {
    std::string path;
    std::string why;
  };
  std::vector<File> files;  // to be written, in this order
  std::vector<std::string> alreadyThere;
  std::vector<Left> left;  // what has no counterpart here
};

// Reads `from` (such as /etc/rkt) and what `target` has by now.  E_IMPORT with the reason when a
// file cannot be understood, a key is not the one that its name says, or `target` says something
// else already: then nothing is to be done at all.
Result<RktImport> planRktImport(const std::string& from, const std::string& target);

// Writes the files; when one cannot be written, those before it are taken away again.
Result<void> carryOut(const RktImport& plan, const std::string& target);

}  // namespace airlock::cli
