// SPDX-License-Identifier: Apache-2.0
// Translates a containers policy (containers-policy.json(5)) into policy lines and trusted keys.
// CLI only, `config import-policy-json`.
//
// What is written never lets more in than the policy did: a scope that cannot be said in our terms
// becomes a denial, and is named with the reason.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"

namespace airlock::cli {

struct ContainersPolicy {
  struct Key {
    std::string directory;  // below the configuration root: "trustedkeys/prefix.d/NAME"
    KeyFingerprint fingerprint;
    std::string content;  // empty: takes the key of a wider scope away here
  };
  struct Left {
    std::string what;  // "docker registry.example/team"
    std::string why;
  };
  std::string lines;  // of the policy file
  std::vector<Key> keys;
  std::vector<Left> left;
};

// What the translation asks of the host; the parser itself reads no file.
struct PolicySources {
  std::function<Result<std::string>(const std::string& path)> readKey;
  // The fingerprint of the one key in a file (a verifier process says it).
  std::function<Result<KeyFingerprint>(const std::string& content)> fingerprintOf;
};

// `who` is whom the policy is for, as a policy line names them ("root", "group:airlock"). E_IMPORT:
// the file is not a containers policy, or says something that we do not know.
Result<ContainersPolicy> translateContainersPolicy(std::string_view json, const std::string& who,
                                                   const PolicySources& sources);

}  // namespace airlock::cli
