// SPDX-License-Identifier: Apache-2.0
// Decides whether a file is signed by a trusted key.  Verifier roles authenticate and inspect-key.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/verify_messages.h"

namespace airlock::verifier {

// True for at least one "good" and no "E_SIG_BAD" (S04, S05): a bad signature in the name of a
// trusted key is evidence of tampering, while one by an unknown, expired or revoked key is worth
// nothing.
bool accepts(std::span<const ipc::SignatureVerdict> verdicts);

// Reads the whole of `data` once if any signature can be checked, and does not read it otherwise:
// the writer of a pipe must bear EPIPE.  `home` is an empty directory that nobody else reaches.
// E_SIG_KIND when `signature` is no detached signature (E_SIG_KIND also for legacy minisign); E_KEY
// when a trusted key file is not what its name says.
Result<ipc::Authenticated> authenticate(FdRef data, std::string_view signature,
                                        const std::vector<ipc::TrustedKey>& keys,
                                        std::int64_t notBefore, const std::string& home);

// The facts of an OpenPGP, minisign or PEM public key.  E_KEY when it is no such thing.
Result<ipc::KeyFacts> inspectKey(std::string_view file, const std::string& home);

}  // namespace airlock::verifier
