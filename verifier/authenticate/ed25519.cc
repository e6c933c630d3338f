// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/ed25519.h"

#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/digest.h"
#include "base/limits.h"
#include "verifier/authenticate/armor.h"

namespace airlock::verifier {

namespace {

constexpr std::string_view kUntrusted = "untrusted comment: ";
constexpr std::string_view kTrusted = "trusted comment: ";
constexpr std::string_view kPlain = "Ed";  // of a key, and of a legacy signature
constexpr std::string_view kPrehashed = "ED";

std::unexpected<Error> notASignature(std::string why) {
  return refuse(ErrorKind::Invalid, "E_SIG_KIND", "not a minisign signature: " + why,
                "Make one with: minisign -S -m IMAGE");
}
std::unexpected<Error> notAKey(std::string why) {
  return refuse(ErrorKind::Invalid, "E_KEY", "not a minisign public key: " + why);
}

template <std::size_t N>
std::array<std::uint8_t, N> takeBytes(std::string_view& bytes) {
  std::array<std::uint8_t, N> result;
  std::memcpy(result.data(), bytes.data(), N);
  bytes.remove_prefix(N);
  return result;
}

// minisign reads the id as a little-endian number and prints that.
std::string printedId(const std::array<std::uint8_t, 8>& id) {
  std::array<std::uint8_t, 8> reversed = id;
  std::ranges::reverse(reversed);
  return "minisign-" + toHex(reversed);
}

bool verifies(std::span<const std::uint8_t, 64> signature, std::string_view message,
              const MinisignKey& key) {
  return ::crypto_sign_verify_detached(signature.data(),
                                       reinterpret_cast<const std::uint8_t*>(message.data()),
                                       message.size(), key.key.data()) == 0;
}

std::string_view asText(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Result<KeyFingerprint> MinisignKey::fingerprint() const {
  return KeyFingerprint::parse(printedId(id));
}

std::string MinisignSignature::keyFingerprint() const { return printedId(keyId); }

std::int64_t MinisignSignature::created() const {
  constexpr std::string_view kTimestamp = "timestamp:";
  if (!trustedComment.starts_with(kTimestamp)) return 0;
  std::int64_t seconds = 0;
  const char* end = trustedComment.data() + trustedComment.size();
  std::from_chars(trustedComment.data() + kTimestamp.size(), end, seconds);
  return std::max<std::int64_t>(seconds, 0);
}

bool looksLikeMinisign(std::string_view file) { return file.starts_with("untrusted comment:"); }

Result<MinisignKey> parseMinisignKey(std::string_view file) {
  if (file.size() > limits::kKeyFileBytes) return notAKey("the file is too large");
  if (!takeLine(file).starts_with(kUntrusted)) return notAKey("its first line is no comment");
  auto decoded = readBase64(takeLine(file));
  if (!decoded) return notAKey(decoded.error().message());
  if (!file.empty()) return notAKey("it has more than two lines");
  std::string_view bytes = *decoded;
  if (bytes.size() != 2 + 8 + 32) return notAKey("its length is wrong");
  if (!bytes.starts_with(kPlain)) return notAKey("its algorithm is not Ed25519");
  bytes.remove_prefix(2);
  MinisignKey key;
  key.id = takeBytes<8>(bytes);
  key.key = takeBytes<32>(bytes);
  return key;
}

Result<MinisignSignature> parseMinisignSignature(std::string_view file) {
  if (file.size() > limits::kSignatureBytes) return notASignature("the file is too large");
  if (!takeLine(file).starts_with(kUntrusted)) return notASignature("its first line is no comment");
  auto decoded = readBase64(takeLine(file));
  if (!decoded) return notASignature(decoded.error().message());
  std::string_view comment = takeLine(file);
  if (!comment.starts_with(kTrusted)) return notASignature("its third line is no trusted comment");
  comment.remove_prefix(kTrusted.size());
  auto global = readBase64(takeLine(file));
  if (!global) return notASignature(global.error().message());
  if (!file.empty()) return notASignature("it has more than four lines");

  std::string_view bytes = *decoded;
  if (bytes.size() != 2 + 8 + 64 || global->size() != 64)
    return notASignature("its length is wrong");
  if (bytes.starts_with(kPlain)) {
    return refuse(
        ErrorKind::Invalid, "E_SIG_KIND",
        "the minisign signature is of the legacy kind, which does not hash the file first",
        "Sign again with: minisign -S -H -m IMAGE");
  }
  if (!bytes.starts_with(kPrehashed)) return notASignature("its algorithm is not Ed25519");
  bytes.remove_prefix(2);
  MinisignSignature result;
  result.keyId = takeBytes<8>(bytes);
  result.signature = takeBytes<64>(bytes);
  result.trustedComment = comment;
  std::string_view globalBytes = *global;
  result.globalSignature = takeBytes<64>(globalBytes);
  return result;
}

Result<ipc::SignatureVerdict> verifyMinisign(const MinisignSignature& signature,
                                             std::span<const ipc::TrustedKey> keys, Source& data) {
  ipc::SignatureVerdict verdict{.code = "E_SIG_NOKEY",
                                .fingerprint = signature.keyFingerprint(),
                                .userId = {},
                                .hash = "BLAKE2b-512",
                                .created = signature.created()};
  const auto trusted = std::ranges::find_if(keys, [&](const ipc::TrustedKey& key) {
    return key.fingerprint.text() == verdict.fingerprint;
  });
  if (trusted == keys.end()) return verdict;
  const MinisignKey key = TRY(parseMinisignKey(trusted->content));
  if (TRY(key.fingerprint()) != trusted->fingerprint) {
    return refuse(ErrorKind::Invalid, "E_KEY",
                  "the file of trusted key " + trusted->fingerprint.text() + " holds another key");
  }
  Blake2b hash;
  std::vector<std::uint8_t> buffer(limits::kInflateBuffer);
  while (const std::size_t got = TRY(data.read(buffer))) hash.update(std::span(buffer).first(got));
  const auto digest = hash.finish();
  const std::string covered = std::string(asText(signature.signature)) + signature.trustedComment;
  const bool good = verifies(signature.signature, asText(digest), key) &&
                    verifies(signature.globalSignature, covered, key);
  verdict.code = good ? "good" : "E_SIG_BAD";
  return verdict;
}

}  // namespace airlock::verifier
