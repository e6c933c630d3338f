// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/openpgp.h"

#include <fcntl.h>
#include <gpgme.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <ctime>
#include <memory>
#include <optional>
#include <set>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::verifier {

namespace {

constexpr const char* kGpg = "/usr/bin/gpg";
constexpr unsigned kMinimumRsaBits = 2048;

struct ContextEnd {
  void operator()(gpgme_ctx_t context) const { ::gpgme_release(context); }
};
using Context = std::unique_ptr<gpgme_context, ContextEnd>;
struct DataEnd {
  void operator()(gpgme_data_t data) const { ::gpgme_data_release(data); }
};
using Data = std::unique_ptr<gpgme_data, DataEnd>;

Result<void> check(gpgme_error_t error, std::string_view what) {
  if (error == GPG_ERR_NO_ERROR) return {};
  char text[128] = {};
  ::gpgme_strerror_r(error, text, sizeof text);
  return fail(ErrorKind::Failed, std::string(what) + ": " + text);
}

std::string lower(const char* text) {
  std::string result(text == nullptr ? "" : text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

Result<Context> openContext(const std::string& home) {
  gpgme_ctx_t raw = nullptr;
  TRY(check(::gpgme_new(&raw), "open GPGME"));
  Context context(raw);
  TRY(check(::gpgme_set_protocol(raw, GPGME_PROTOCOL_OpenPGP), "OpenPGP in GPGME"));
  TRY(check(::gpgme_ctx_set_engine_info(raw, GPGME_PROTOCOL_OpenPGP, kGpg, home.c_str()),
            "bind GPGME to /usr/bin/gpg"));
  ::gpgme_set_offline(raw, 1);
  return context;
}

Result<Data> memoryData(std::string_view bytes) {
  gpgme_data_t raw = nullptr;
  TRY(check(::gpgme_data_new_from_mem(&raw, bytes.data(), bytes.size(), 0), "lend bytes to GPGME"));
  return Data(raw);
}

// --- the key ring
// ---------------------------------------------------------------------------------------------------

struct RingKey {
  std::string fingerprint;  // lower-case hex
  bool revoked = false;
  bool expired = false;
  bool canSign = false;
  bool strong = false;
};
struct RingEntry {
  RingKey primary;
  std::vector<RingKey> subkeys;
  std::vector<std::string> userIds;
};
using Ring = std::vector<RingEntry>;

bool isStrong(const gpgme_subkey_t key) {
  if (key->pubkey_algo == GPGME_PK_RSA || key->pubkey_algo == GPGME_PK_RSA_S) {
    return key->length >= kMinimumRsaBits;
  }
  return key->pubkey_algo == GPGME_PK_ECDSA || key->pubkey_algo == GPGME_PK_EDDSA;
}

RingKey ringKey(const gpgme_subkey_t key) {
  return {.fingerprint = lower(key->fpr),
          .revoked = key->revoked != 0 || key->invalid != 0 || key->disabled != 0,
          .expired = key->expired != 0,
          .canSign = key->can_sign != 0,
          .strong = isStrong(key)};
}

RingEntry ringEntry(const gpgme_key_t key) {
  RingEntry entry{.primary = ringKey(key->subkeys), .subkeys = {}, .userIds = {}};
  entry.primary.revoked = entry.primary.revoked || key->revoked != 0 || key->invalid != 0;
  entry.primary.expired = entry.primary.expired || key->expired != 0;
  for (gpgme_subkey_t subkey = key->subkeys->next; subkey != nullptr; subkey = subkey->next) {
    entry.subkeys.push_back(ringKey(subkey));
  }
  for (gpgme_user_id_t user = key->uids; user != nullptr; user = user->next) {
    if (entry.userIds.size() == limits::kUserIds) break;
    if (user->revoked != 0 || user->uid == nullptr) continue;
    entry.userIds.push_back(std::string(user->uid).substr(0, limits::kUserIdBytes));
  }
  return entry;
}

Result<Ring> listRing(gpgme_ctx_t context) {
  Ring ring;
  TRY(check(::gpgme_op_keylist_start(context, nullptr, 0), "list the key ring"));
  for (;;) {
    gpgme_key_t key = nullptr;
    const gpgme_error_t error = ::gpgme_op_keylist_next(context, &key);
    if (::gpgme_err_code(error) == GPG_ERR_EOF) return ring;
    TRY(check(error, "list the key ring"));
    if (key->subkeys != nullptr) ring.push_back(ringEntry(key));
    ::gpgme_key_unref(key);
  }
}

Result<Ring> importKeys(gpgme_ctx_t context, const std::string& packets) {
  const Data data = TRY(memoryData(packets));
  TRY(check(::gpgme_op_import(context, data.get()), "import the keys"));
  return listRing(context);
}

// The ring holds what the bundle says and nothing else: fingerprints are compared whole (S18, S19).
Result<Ring> trustedRing(gpgme_ctx_t context, std::span<const ipc::TrustedKey> keys) {
  std::string packets;
  std::set<std::string> expected;
  for (const ipc::TrustedKey& key : keys) {
    if (key.fingerprint.kind() != KeyFingerprint::Kind::OpenPgp) continue;
    packets += TRY(inContext(parseKeyFile(key.content), "trusted key " + key.fingerprint.text()));
    expected.insert(key.fingerprint.text());
  }
  if (expected.empty()) return Ring();
  Ring ring = TRY(importKeys(context, packets));
  std::set<std::string> found;
  for (const RingEntry& entry : ring) found.insert(entry.primary.fingerprint);
  for (const std::string& fingerprint : expected) {
    if (!found.contains(fingerprint)) {
      return refuse(ErrorKind::Invalid, "E_KEY",
                    "the file of trusted key " + fingerprint +
                        " holds another key, or one that GnuPG cannot use",
                    "Remove the file, and trust the key again with: airlock trust");
    }
  }
  if (found != expected) {
    return refuse(ErrorKind::Invalid, "E_KEY",
                  "a trusted key file holds a key that its name does not name");
  }
  return ring;
}

struct Found {
  const RingEntry* entry;
  const RingKey* key;  // the primary or a subkey
};

// By full fingerprint, or by the key id that ends it.
std::optional<Found> findKey(const Ring& ring, std::string_view issuer) {
  if (issuer.size() != 16 && issuer.size() != 40) return std::nullopt;
  for (const RingEntry& entry : ring) {
    if (entry.primary.fingerprint.ends_with(issuer)) return Found{&entry, &entry.primary};
    for (const RingKey& subkey : entry.subkeys) {
      if (subkey.fingerprint.ends_with(issuer)) return Found{&entry, &subkey};
    }
  }
  return std::nullopt;
}

// --- verdicts
// -------------------------------------------------------------------------------------------------------

bool acceptedHash(std::uint8_t algorithm) {
  constexpr std::uint8_t kSha256 = 8;
  constexpr std::uint8_t kSha384 = 9;
  constexpr std::uint8_t kSha512 = 10;
  return algorithm == kSha256 || algorithm == kSha384 || algorithm == kSha512;
}

// What the packet alone says; empty: GnuPG has to look.
std::string judgePacket(const SignaturePacket& packet, const std::optional<Found>& signer) {
  constexpr std::uint8_t kDsa = 17;
  constexpr std::uint8_t kElgamal = 16;
  constexpr std::uint8_t kElgamalBoth = 20;
  if (!signer) return "E_SIG_NOKEY";
  if (packet.unknownCritical) return "E_SIG_KIND";
  if (!acceptedHash(packet.hashAlgorithm)) return "E_SIG_HASH";
  if (packet.publicKeyAlgorithm == kDsa || packet.publicKeyAlgorithm == kElgamal ||
      packet.publicKeyAlgorithm == kElgamalBoth) {
    return "E_SIG_WEAK_KEY";
  }
  return {};
}

// What the key says about a signature that is right in itself; "good" when nothing is against it.
std::string judgeKey(const Found& signer) {
  const bool isSubkey = signer.key != &signer.entry->primary;
  if (signer.entry->primary.revoked) return "E_SIG_REVOKED";
  if (signer.entry->primary.expired) return "E_SIG_KEY_EXPIRED";
  if (isSubkey && (signer.key->revoked || signer.key->expired)) return "E_SIG_SUBKEY";
  if (!signer.key->canSign) return "E_SIG_USAGE";
  if (!signer.key->strong || !signer.entry->primary.strong) return "E_SIG_WEAK_KEY";
  return "good";
}

std::string judge(const _gpgme_signature& signature, const Ring& ring, const Found& issuer) {
  // The fingerprint of a good signature's key is what GnuPG verified with, not what the packet
  // claims.
  const std::optional<Found> maker = findKey(ring, lower(signature.fpr));
  const bool whole = signature.fpr != nullptr && lower(signature.fpr).size() == 40;
  const std::string fromKey = judgeKey(maker ? *maker : issuer);
  switch (::gpgme_err_code(signature.status)) {  // 500 codes: the rest is a failure to check
    case GPG_ERR_NO_ERROR:
      if (!maker || !whole) return "E_SIG_NOKEY";
      if (fromKey != "good") return fromKey;
      return signature.wrong_key_usage != 0 ? "E_SIG_USAGE" : "good";
    case GPG_ERR_BAD_SIGNATURE:
      return "E_SIG_BAD";
    case GPG_ERR_SIG_EXPIRED:
      return "E_SIG_EXPIRED";
    case GPG_ERR_KEY_EXPIRED:
      return fromKey == "good" ? "E_SIG_KEY_EXPIRED" : fromKey;
    case GPG_ERR_CERT_REVOKED:
      return fromKey == "good" ? "E_SIG_REVOKED" : fromKey;
    case GPG_ERR_WRONG_KEY_USAGE:
      return "E_SIG_USAGE";
    case GPG_ERR_DIGEST_ALGO:
      return "E_SIG_HASH";
    default:
      // GnuPG does not look for a key among those that may not sign: its "no key" then means that.
      return fromKey == "good" ? "E_SIG_KIND" : fromKey;
  }
}

// --- feeding
// --------------------------------------------------------------------------------------------------------

struct Feed {
  Source& source;
  std::optional<Error> error;
};

extern "C" ssize_t airlockReadSigned(void* handle, void* buffer, size_t size) {
  Feed& feed = *static_cast<Feed*>(handle);
  auto got = feed.source.read(std::span(static_cast<std::uint8_t*>(buffer), size));
  if (got) return static_cast<ssize_t>(*got);
  feed.error = std::move(got.error());
  errno = EIO;
  return -1;
}

// GnuPG's word on each of the packets in `signatures`, which are `count`; on fewer when the last of
// them is bad.
Result<std::vector<const _gpgme_signature*>> runVerify(gpgme_ctx_t context,
                                                       const std::string& signatures,
                                                       std::size_t count, Source& source) {
  const Data detached = TRY(memoryData(signatures));
  Feed feed{source, std::nullopt};
  gpgme_data_cbs callbacks{
      .read = airlockReadSigned, .write = nullptr, .seek = nullptr, .release = nullptr};
  gpgme_data_t raw = nullptr;
  TRY(check(::gpgme_data_new_from_cbs(&raw, &callbacks, &feed), "lend the image to GPGME"));
  const Data signedData(raw);
  // 512 bytes by default.
  const std::string bufferSize = std::to_string(limits::kSignedBuffer);
  TRY(check(::gpgme_data_set_flag(raw, "io-buffer-size", bufferSize.c_str()),
            "size GPGME's buffer"));
  const gpgme_error_t error = ::gpgme_op_verify(context, detached.get(), signedData.get(), nullptr);
  if (feed.error) return fail(std::move(*feed.error));
  const gpgme_verify_result_t result = ::gpgme_op_verify_result(context);
  std::vector<const _gpgme_signature*> reported;
  if (result != nullptr) {
    for (gpgme_signature_t one = result->signatures; one != nullptr; one = one->next)
      reported.push_back(one);
  }
  // In batch mode gpg ends at a bad signature; that one decides the whole anyway (S05).
  const bool stopped = !reported.empty() && reported.size() < count &&
                       ::gpgme_err_code(reported.back()->status) == GPG_ERR_BAD_SIGNATURE;
  if (reported.size() != count && !stopped) {
    TRY(check(error, "verify with gpg"));
    return refuse(ErrorKind::Invalid, "E_SIG_KIND",
                  "gpg judged " + std::to_string(reported.size()) + " of " + std::to_string(count) +
                      " signatures");
  }
  return reported;
}

}  // namespace

Result<void> prepareGnuPg(const std::string& home, std::int64_t notBefore) {
  std::string config =
      "batch\nno-tty\nno-greeting\nno-autostart\ndisable-dirmngr\nno-auto-key-locate\n"
      "no-auto-key-retrieve\nno-auto-check-trustdb\ntrust-model always\nno-random-seed-file\n"
      "import-options self-sigs-only\nlock-never\n"
      "weak-digest MD5\nweak-digest SHA1\nweak-digest RIPEMD160\n";
  // A clock that was set back would bring expired keys to life again.
  if (std::time(nullptr) < notBefore) {
    config += "faked-system-time " + std::to_string(notBefore) + "\n";
  }
  const Fd file = TRY(sys::openPath(home + "/gpg.conf", O_WRONLY | O_CREAT | O_EXCL, 0600));
  TRY(sys::writeAll(file, config));
  // Without gpgconf GPGME starts one program instead of five, and believes no configuration of the
  // host.
  if (::gpgme_set_global_flag("disable-gpgconf", "1") != 0) {
    return fail(ErrorKind::Unsupported, "GPGME cannot do without gpgconf");
  }
  if (::gpgme_check_version(nullptr) == nullptr) return fail(ErrorKind::Unsupported, "no GPGME");
  return check(::gpgme_set_engine_info(GPGME_PROTOCOL_OpenPGP, kGpg, home.c_str()),
               "bind GPGME to /usr/bin/gpg");
}

Result<std::vector<ipc::SignatureVerdict>> verifyOpenPgp(
    const std::string& home, std::span<const ipc::TrustedKey> keys,
    std::span<const SignaturePacket> signatures, Source& data) {
  const Context context = TRY(openContext(home));
  const Ring ring = TRY(trustedRing(context.get(), keys));
  std::vector<ipc::SignatureVerdict> verdicts;
  std::vector<std::size_t> open;  // those that GnuPG has to judge
  std::string packets;
  for (const SignaturePacket& packet : signatures) {
    const std::optional<Found> signer = findKey(ring, packet.issuer);
    ipc::SignatureVerdict verdict{.code = judgePacket(packet, signer),
                                  .fingerprint = packet.issuer,
                                  .userId = {},
                                  .hash = hashName(packet.hashAlgorithm),
                                  .created = packet.created};
    if (signer) {
      verdict.fingerprint = signer->entry->primary.fingerprint;
      if (!signer->entry->userIds.empty()) verdict.userId = signer->entry->userIds.front();
    }
    if (verdict.code.empty()) {
      open.push_back(verdicts.size());
      packets += serialize(packet);
    }
    verdicts.push_back(std::move(verdict));
  }
  if (open.empty()) return verdicts;
  const auto reported = TRY(runVerify(context.get(), packets, open.size(), data));
  for (std::size_t at = 0; at < open.size(); ++at) {
    ipc::SignatureVerdict& verdict = verdicts[open[at]];
    if (at >= reported.size()) {
      verdict.code = "E_SIG_UNCHECKED";
      continue;
    }
    const std::optional<Found> issuer = findKey(ring, signatures[open[at]].issuer);
    verdict.code = judge(*reported[at], ring, *issuer);
    if (verdict.code != "good") continue;
    // The key that is credited is the one that verified.
    const std::optional<Found> maker = findKey(ring, lower(reported[at]->fpr));
    verdict.fingerprint = maker->entry->primary.fingerprint;
  }
  return verdicts;
}

Result<ipc::KeyFacts> inspectOpenPgpKey(const std::string& home, std::string_view file) {
  const std::string packets = TRY(parseKeyFile(file));
  const Context context = TRY(openContext(home));
  const Ring ring = TRY(importKeys(context.get(), packets));
  if (ring.size() != 1) {
    return refuse(ErrorKind::Invalid, "E_KEY",
                  "GnuPG cannot use this key: it has no user id with a valid signature of its own",
                  "A key whose own signatures use SHA-1 has to be renewed by its owner");
  }
  ipc::KeyFacts facts{.fingerprint = TRY(KeyFingerprint::parse(ring.front().primary.fingerprint)),
                      .subkeys = {},
                      .userIds = ring.front().userIds};
  for (const RingKey& subkey : ring.front().subkeys) {
    if (facts.subkeys.size() == limits::kSubkeys) break;
    facts.subkeys.push_back(subkey.fingerprint);
  }
  return facts;
}

}  // namespace airlock::verifier
