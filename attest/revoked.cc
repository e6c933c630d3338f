// SPDX-License-Identifier: Apache-2.0
#include "attest/revoked.h"

#include <algorithm>
#include <vector>

#include "attest/refusal.h"
#include "base/digest.h"
#include "base/log.h"
#include "tpm/hash.h"

namespace airlock::attest {

namespace {

constexpr std::string_view kFingerprint = "sha256-";
constexpr std::string_view kSpaces = " \t\r";

std::unexpected<Error> badEntry(std::string_view entry) {
  return refuse(
      ErrorKind::Invalid, "E_ATTEST_REVOKED_LIST",
      airlock::quoted(entry) + " is neither a key's fingerprint nor its name",
      "a line is sha256- and 64 digits, or 000b and 64 digits: airlock attest revoke prints both");
}

std::string lowered(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return result;
}

bool isHex(std::string_view text, std::size_t bytes) {
  std::vector<std::uint8_t> decoded(bytes);
  return fromHex(text, decoded);
}

// TPM2B_NAME's content: the hash's number, and its digest.
bool isName(std::string_view text) {
  std::vector<std::uint8_t> algorithm(2);
  if (text.size() < 4 || !fromHex(text.substr(0, 4), algorithm)) return false;
  const tpm::HashAlgorithm* hash =
      tpm::findHash(static_cast<std::uint16_t>(algorithm[0] << 8 | algorithm[1]));
  return hash != nullptr && isHex(text.substr(4), hash->bytes);
}

std::string hexOf(std::string_view bytes) {
  return toHex(std::vector<std::uint8_t>(bytes.begin(), bytes.end()));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

}  // namespace

Result<void> RevokedKeys::add(std::string_view entry) {
  const std::string text = lowered(entry);
  if (text.starts_with(kFingerprint) &&
      isHex(std::string_view(text).substr(kFingerprint.size()), 32)) {
    fingerprints_.insert(text);
    return {};
  }
  if (!isName(text)) return badEntry(entry);
  names_.insert(text);
  return {};
}

Result<RevokedKeys> RevokedKeys::parse(std::string_view text) {
  RevokedKeys keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::string_view entry = trimmed(line.substr(0, line.find('#')));
    if (!entry.empty()) TRY(inContext(keys.add(entry), "line " + std::to_string(number)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return keys;
}

Result<void> RevokedKeys::expectNot(const TrustedKey& key) const {
  if (!names_.empty() && !key.area) {
    return refuse(
        ErrorKind::Invalid, "E_ATTEST_REVOKED_LIST",
        "keys are revoked by their names, and the name of the key of this evidence is not "
        "known: it was given as PEM",
        "list fingerprints (sha256-...), or give --ak the key's ak.pub");
  }
  std::string listed = key.key.fingerprint();
  if (!fingerprints_.contains(listed)) {
    if (!key.area) return {};
    listed = hexOf(key.area->name);
    if (!names_.contains(listed)) return {};
  }
  return refuseEvidence("E_ATTEST_REVOKED",
                        "the key of the evidence is revoked: " + listed + " is in the list",
                        "enroll that host again, with a new key: airlock attest init --force");
}

}  // namespace airlock::attest
