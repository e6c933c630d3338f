// SPDX-License-Identifier: Apache-2.0
// OpenPGP through GPGME and the gpg program, in a private home with exactly the trusted keys.
// Verifier roles authenticate and inspect-key, inside their private root (verifier/private_root.h).
//
// gpgme_op_verify succeeds for nearly everything, and its summary is 0 for a good signature by a
// key without owner trust: only what it says about each signature counts, and only for full
// fingerprints of the key ring.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipc/verify_messages.h"
#include "verifier/authenticate/packets.h"
#include "verifier/source.h"

namespace airlock::verifier {

// Writes gpg.conf into `home`, an empty directory that nobody else reaches, and binds GPGME to
// /usr/bin/gpg in it. gpg's clock never says less than `notBefore` (seconds since 1970; test S09).
Result<void> prepareGnuPg(const std::string& home, std::int64_t notBefore);

// One verdict for each of `signatures`, in their order; `data` is read once, to its end, if any of
// them can be checked at all.  Behind a signature that is bad the others are E_SIG_UNCHECKED,
// because gpg stops there.  An error is a trusted key that is not what its fingerprint says
// (E_KEY), or GnuPG not doing its work. After prepareGnuPg().
Result<std::vector<ipc::SignatureVerdict>> verifyOpenPgp(
    const std::string& home, std::span<const ipc::TrustedKey> keys,
    std::span<const SignaturePacket> signatures, Source& data);

// The facts of the one public key in `file` (armored or binary), as GnuPG computes them.  E_KEY
// otherwise. After prepareGnuPg().
Result<ipc::KeyFacts> inspectOpenPgpKey(const std::string& home, std::string_view file);

}  // namespace airlock::verifier
