// SPDX-License-Identifier: Apache-2.0
// What an export has besides quote, log and record, held against what the log says of it.
// airlock-attest.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "attest/evidence.h"
#include "attest/history.h"
#include "base/result.h"

namespace airlock::attest {

// The manifest of each OCI image in the evidence is the one that the image is called by, and the
// index that it was chosen from names it.  Returns how many manifests.  E_ATTEST_IMAGE
Result<std::size_t> checkManifests(const Evidence& evidence);

// The policy files in the evidence are those of the last policy record, if there are any.
// E_ATTEST_FILES
Result<bool> checkPolicyFiles(const Evidence& evidence, const History& history);

struct KeyFiles {
  std::size_t count = 0;
  bool contents = false;  // their bytes are what was measured, and not their names alone
  bool logs = false;      // keys of transparency logs are among them
};
// The files of trusted keys in the evidence are those of the last trust record: each key that it
// names, and no other; where it has their digest, byte for byte.  E_ATTEST_KEYS
Result<KeyFiles> checkKeyFiles(const Evidence& evidence, const History& history);

// All of these.
struct CheckedFiles {
  std::string detail;
  std::vector<std::string> notes;  // what could not be checked
};
Result<CheckedFiles> checkExportedFiles(const Evidence& evidence, const History& history);

}  // namespace airlock::attest
