// SPDX-License-Identifier: Apache-2.0
// Passwords of the TPM's hierarchies on their way from root's files to airlock-measure: in no
// argument, environment, message or log.  CLI only.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cli/options.h"
#include "ipc/attest_messages.h"

namespace airlock::cli {

struct PasswordFiles {
  std::string owner;  // a path, "-" for standard input, or nothing
  std::string endorsement;
};
std::vector<Flag> passwordFlags(PasswordFiles& files);

// The request with what belongs beside it: the read end of a pipe for each password, which is then
// in no memory of ours.  A file is the password alone; a newline at its end does not count.
// E_TPM_PASSWORD: a file that everyone can read or write, an empty one, one that is too long.
struct WithPasswords {
  ipc::AttestRequest request;
  std::vector<Fd> pipes;
};
Result<WithPasswords> withPasswords(const PasswordFiles& files, ipc::AttestRequest request);

}  // namespace airlock::cli
