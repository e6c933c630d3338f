// SPDX-License-Identifier: Apache-2.0
// The files of a host's evidence, out of one uncompressed ustar archive.  airlock-attest.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::attest {

// What vouched for one image.
struct ImageEvidence {
  std::optional<std::string_view> manifest;
  std::optional<std::string_view> ociManifest;
  std::optional<std::string_view> ociIndex;  // that the manifest was chosen from
  std::optional<std::string_view> signature;
  std::optional<std::string_view> record;
};

// Views into the archive.  All of it is a claim of the host until a check says otherwise.
struct Evidence {
  std::optional<std::string_view> quote;                         // TPMS_ATTEST
  std::optional<std::string_view> signature;                     // TPMT_SIGNATURE
  std::optional<std::string_view> registers;                     // "pcrs": canonical JSON
  std::optional<std::string_view> attestationKey;                // "ak.pub": TPM2B_PUBLIC
  std::optional<std::string_view> certificate;                   // "ek.crt": DER
  std::optional<std::string_view> log;                           // "events.cel"
  std::optional<std::string_view> firmwareLog;                   // binary_bios_measurements
  std::optional<std::string_view> kernelCommandLine;             // /proc/cmdline
  std::optional<std::string_view> audit;                         // "audit.jsonl"
  std::map<std::string, ImageEvidence, std::less<>> images;      // by image id
  std::map<std::string, std::string_view, std::less<>> trusted;  // keys in force, by path
  std::map<std::string, std::string_view, std::less<>> policy;   // policy files
};

// Regular files and directories alone, each once, with names that we know; nothing after the two
// empty blocks but zeros.  E_ATTEST_EVIDENCE.
Result<Evidence> readEvidence(std::string_view archive);

}  // namespace airlock::attest
