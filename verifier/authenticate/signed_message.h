// SPDX-License-Identifier: Apache-2.0
// An OpenPGP signed message (RFC 4880 section 11.3), as `gpg --sign` writes it and containers uses
// it for its signatures, taken apart by our own strict reading.  Verifier role authenticate;
// fuzzed.
//
// GnuPG never sees the message: what it gets is the signature and the content as a detached pair,
// so that nothing but the one expected shape can be accepted (test S27).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "verifier/authenticate/packets.h"

namespace airlock::verifier {

struct SignedMessage {
  SignaturePacket signature;
  std::string content;  // at most limits::kSignatureBytes
};
// Binary, of one signature: one-pass signature, literal data in binary mode, signature; perhaps in
// one compressed packet (ZIP or ZLIB).  E_SIG_KIND for clear text, armor, bare literal data, a
// detached signature, a nested or second one, and for everything else.
Result<SignedMessage> parseSignedMessage(std::string_view file);

}  // namespace airlock::verifier
