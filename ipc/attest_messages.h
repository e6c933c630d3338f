// SPDX-License-Identifier: Apache-2.0
// What is asked of the keys of the TPM, and the answer: from the CLI to the helper, and the same
// from it to airlock-measure.  The helper passes on what it does not look into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace airlock::ipc {

// Persistent handles that the owner of a TPM gives out (TCG Registry of Reserved TPM 2.0 Handles).
inline constexpr std::uint32_t kFirstKeyHandle = 0x81000000;
inline constexpr std::uint32_t kLastKeyHandle = 0x817fffff;
inline constexpr std::uint32_t kDefaultKeyHandle = 0x81018000;

struct PcrSelection {
  std::string algorithm;        // "sha256"
  std::uint32_t registers = 0;  // bit n: register n
};
struct QuoteRequest {
  std::string nonce;                    // 16 to 64 bytes, quoted as they are
  std::vector<PcrSelection> selection;  // empty: 0 to 15.  The log's register is always in it
};
struct InitKeyRequest {  // makes an attestation key, where there is none
  bool rotate = false;   // replaces the one that there is
};
struct EnrollRequest {};  // the public parts of the keys, and the certificate
struct ActivateRequest {
  std::string challenge;  // a file of tpm2_makecredential
};
struct RevokeKeyRequest {};  // removes the attestation key

struct AttestRequest {
  std::variant<QuoteRequest, InitKeyRequest, EnrollRequest, ActivateRequest, RevokeKeyRequest> what;
  // Passwords of the TPM's hierarchies.  Descriptors: the read end of a pipe for each, the owner's
  // first.
  bool hasOwnerPassword = false;
  bool hasEndorsementPassword = false;
  bool isQuote() const { return std::holds_alternative<QuoteRequest>(what); }
  std::size_t passwords() const {
    return (hasOwnerPassword ? 1U : 0U) + (hasEndorsementPassword ? 1U : 0U);
  }
};

struct AttestedFile {
  std::string name;  // "quote.sig": a plain file name
  std::string content;
};
// Descriptors from the helper, none from airlock-measure: the measurement log, when logBytes is not
// 0; then the firmware's log, when hasFirmwareLog.
struct Attested {
  std::vector<AttestedFile> files;
  std::vector<std::pair<std::string, std::string>> facts;  // for display
  std::string anchor;                                      // "hardware" or "software"
  std::uint64_t logBytes = 0;  // so much of the log replays to what was quoted
  bool hasFirmwareLog = false;
};

}  // namespace airlock::ipc
