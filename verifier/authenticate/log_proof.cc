// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/log_proof.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "verifier/authenticate/armor.h"
#include "verifier/authenticate/json_members.h"

namespace airlock::verifier {

using image::Json;

namespace {

constexpr std::size_t kDeepestTree = 63;
constexpr std::size_t kEntrySigners = 8;  // of one envelope

std::unexpected<Error> notProved(std::string why) {
  return refuse(ErrorKind::Denied, "E_SIG_LOG", std::move(why));
}

// What the readers of members refuse is, here, an entry that proves nothing.
template <class T>
Result<T> asLog(Result<T> read) {
  if (read) return read;
  return notProved("its entry of a transparency log is malformed: " + read.error().message());
}

std::string encodeBase64(std::string_view bytes) {
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  ::sodium_bin2base64(text.data(), text.size(),
                      reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                      sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();  // its NUL
  return text;
}

std::span<const std::uint8_t> spanOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Result<TreeHash> treeHash(std::string_view bytes) {
  TreeHash hash;
  if (bytes.size() != hash.size()) return notUnderstood("a hash of its proof has a wrong length");
  std::ranges::copy(spanOf(bytes), hash.begin());
  return hash;
}

TreeHash hashLeaf(std::string_view leaf) {
  constexpr std::uint8_t kLeaf[] = {0};
  Sha256 hash;
  hash.update(kLeaf);
  hash.update(spanOf(leaf));
  return hash.finish();
}

TreeHash hashPair(const TreeHash& left, const TreeHash& right) {
  constexpr std::uint8_t kNode[] = {1};
  Sha256 hash;
  hash.update(kNode);
  hash.update(left);
  hash.update(right);
  return hash.finish();
}

bool isLogId(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

Result<InclusionProof> parseInclusion(const Json& from) {
  InclusionProof proof{
      .index = TRY(numberMember(from, "logIndex")),
      .size = TRY(numberMember(from, "treeSize")),
      .root = TRY(treeHash(TRY(bytesMember(from, "rootHash")))),
      .path = {},
      .checkpoint = TRY(textMember(TRY(objectMember(from, "checkpoint")), "envelope"))};
  // ProtoJSON leaves an empty list out: that of a tree with one leaf.
  if (!from.contains("hashes")) return proof;
  const Json& hashes = TRY(listMember(from, "hashes", kDeepestTree));
  for (const Json& hash : hashes) {
    if (!hash.is_string()) return notUnderstood("a hash of its proof is no text");
    proof.path.push_back(TRY(treeHash(TRY(readBase64(hash.get_ref<const std::string&>())))));
  }
  return proof;
}

Result<LogEntry> readCosignBundle(std::string_view json) {
  const Json document = TRY(parseSigned(json, "the bundle"));
  const Json& payload = TRY(objectMember(document, "Payload"));
  LogEntry entry{.body = TRY(bytesMember(payload, "body")),
                 .integratedTime = TRY(numberMember(payload, "integratedTime")),
                 .index = TRY(numberMember(payload, "logIndex")),
                 .logId = TRY(textMember(payload, "logID")),
                 .promise = TRY(bytesMember(document, "SignedEntryTimestamp")),
                 .inclusion = {}};
  if (!isLogId(entry.logId)) return notUnderstood("its logID is none");
  return entry;
}

Result<LogEntry> readBundleEntry(const Json& from) {
  LogEntry entry{
      .body = TRY(bytesMember(from, "canonicalizedBody")),
      .integratedTime =
          from.contains("integratedTime") ? TRY(numberMember(from, "integratedTime")) : 0,
      .index = from.contains("logIndex") ? TRY(numberMember(from, "logIndex")) : 0,
      .logId = toHex(spanOf(TRY(bytesMember(TRY(objectMember(from, "logId")), "keyId")))),
      .promise = {},
      .inclusion = {}};
  if (!isLogId(entry.logId)) return notUnderstood("its logId is none");
  if (from.contains("inclusionPromise")) {
    entry.promise =
        TRY(bytesMember(TRY(objectMember(from, "inclusionPromise")), "signedEntryTimestamp"));
  }
  if (from.contains("inclusionProof"))
    entry.inclusion = TRY(parseInclusion(TRY(objectMember(from, "inclusionProof"))));
  return entry;
}

// RFC 8785 of the four members: their names in order, no white space, and no text in them that has
// to be escaped.
std::string promised(const LogEntry& entry) {
  return "{\"body\":\"" + encodeBase64(entry.body) +
         "\",\"integratedTime\":" + std::to_string(entry.integratedTime) + ",\"logID\":\"" +
         entry.logId + "\",\"logIndex\":" + std::to_string(entry.index) + "}";
}

// A signed note: text, an empty line, lines "— NAME BASE64" whose bytes are a hint of 4 and the
// signature of the text.  The text: origin, size, root, and what we do not read.
Result<void> checkCheckpoint(const InclusionProof& proof, const PublicKey& log) {
  const auto end = proof.checkpoint.find("\n\n");
  if (end == std::string::npos) return notProved("the log's checkpoint is no signed note");
  const std::string_view note = std::string_view(proof.checkpoint).substr(0, end + 1);
  std::string_view text = note;
  takeLine(text);
  if (takeLine(text) != std::to_string(proof.size) ||
      takeLine(text) != encodeBase64(std::string_view(
                            reinterpret_cast<const char*>(proof.root.data()), proof.root.size()))) {
    return notProved("the log's checkpoint is of another tree");
  }
  std::string_view lines = std::string_view(proof.checkpoint).substr(end + 2);
  for (std::size_t count = 0; !lines.empty() && count < kEntrySigners; ++count) {
    const std::string_view line = takeLine(lines);
    const auto signature = readBase64(line.substr(std::min(line.rfind(' '), line.size() - 1) + 1));
    constexpr std::size_t kHint = 4;
    if (line.starts_with("\u2014 ") && signature && signature->size() > kHint &&
        log.verifies(note, std::string_view(*signature).substr(kHint))) {
      return {};
    }
  }
  return notProved("the log's checkpoint is not signed by the log");
}

// A hash of the entry as the log has it: {"algorithm":"sha256","value":"<hex>"}.
Result<bool> isHashOf(const Json& hash, const Logged& logged) {
  const std::string algorithm = TRY(textMember(hash, "algorithm"));
  const std::string value = TRY(textMember(hash, "value"));
  Sha256 own;
  own.update(spanOf(logged.document));
  const std::string expected =
      logged.documentDigest ? logged.documentDigest->hex() : toHex(own.finish());
  return algorithm == "sha256" && value == expected;
}

Result<bool> isBySigner(const Json& owner, std::string_view key, const Logged& logged) {
  const auto parsed = PublicKey::parse(TRY(bytesMember(owner, key)));
  return parsed && parsed->fingerprint() == logged.signer.get();
}

// The kinds hashedrekord and rekord, 0.0.1.
Result<bool> recordsDocument(const Json& spec, const Logged& logged) {
  const Json& data = TRY(objectMember(spec, "data"));
  const Json& signature = TRY(objectMember(spec, "signature"));
  return TRY(isHashOf(TRY(objectMember(data, "hash")), logged)) &&
         TRY(bytesMember(signature, "content")) == logged.signature &&
         TRY(isBySigner(TRY(objectMember(signature, "publicKey")), "content", logged));
}

// The kind dsse, 0.0.1.
Result<bool> recordsEnvelope(const Json& spec, const Logged& logged) {
  if (!TRY(isHashOf(TRY(objectMember(spec, "payloadHash")), logged))) return false;
  const Json& signatures = TRY(listMember(spec, "signatures", kEntrySigners));
  for (const Json& one : signatures) {
    if (TRY(bytesMember(one, "signature")) == logged.signature &&
        TRY(isBySigner(one, "verifier", logged)))
      return true;
  }
  return false;
}

Result<bool> records(const std::string& body, const Logged& logged) {
  const Json document = TRY(parseSigned(body, "its body"));
  const std::string kind = TRY(textMember(document, "kind"));
  const std::string version = TRY(textMember(document, "apiVersion"));
  const Json& spec = TRY(objectMember(document, "spec"));
  if (version == "0.0.1" && kind == "dsse" && logged.envelope) return recordsEnvelope(spec, logged);
  if (version == "0.0.1" && (kind == "hashedrekord" || kind == "rekord") && !logged.envelope)
    return recordsDocument(spec, logged);
  return notUnderstood("its kind is " + airlock::quoted(kind) + " " + airlock::quoted(version));
}

}  // namespace

Result<LogEntry> parseCosignBundle(std::string_view json) { return asLog(readCosignBundle(json)); }

Result<LogEntry> parseBundleEntry(const Json& entry) { return asLog(readBundleEntry(entry)); }

std::optional<TreeHash> rootOf(std::string_view leaf, const InclusionProof& proof) {
  if (proof.index < 0 || proof.index >= proof.size) return std::nullopt;
  auto node = static_cast<std::uint64_t>(proof.index);
  auto last = static_cast<std::uint64_t>(proof.size) - 1;
  TreeHash hash = hashLeaf(leaf);
  for (const TreeHash& sibling : proof.path) {
    if (last == 0) return std::nullopt;
    if ((node & 1) != 0 || node == last) {
      hash = hashPair(sibling, hash);
      while ((node & 1) == 0 && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = hashPair(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  if (last != 0) return std::nullopt;
  return hash;
}

Result<std::int64_t> verifyLogEntry(const LogEntry& entry, std::span<const PublicKey> logs,
                                    const Logged& logged) {
  const auto log = std::ranges::find_if(logs, [&](const PublicKey& key) {
    return key.fingerprint().text() == "sha256-" + entry.logId;
  });
  if (log == logs.end())
    return notProved("it is in a transparency log that is not trusted: sha256-" + entry.logId);
  if (entry.promise.empty() && !entry.inclusion)
    return notProved("its entry has neither the log's promise nor a proof");
  if (!entry.promise.empty() && !log->verifies(promised(entry), entry.promise))
    return notProved("the promise to take it in is not the log's");
  if (entry.inclusion) {
    if (rootOf(entry.body, *entry.inclusion) != entry.inclusion->root)
      return notProved("its entry is not in the tree that the proof is of");
    TRY(checkCheckpoint(*entry.inclusion, *log));
  }
  if (!TRY(asLog(records(entry.body, logged))))
    return notProved("the log's entry is of another signature");
  return entry.integratedTime;
}

}  // namespace airlock::verifier
