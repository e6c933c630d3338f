// SPDX-License-Identifier: Apache-2.0
// Of OpenSSL the SHA-2 routines alone, from its archive (docs/decisions/0041): EVP would bring
// parsers, and a structure on the heap, into every program.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "base/digest.h"

#include <openssl/sha.h>
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <vector>

namespace airlock {

static_assert(sizeof(SHA512_CTX) <= 216);
static_assert(sizeof(crypto_generichash_state) <= 384);
static_assert(sizeof(SHA256_CTX) <= 112);

namespace {
constexpr char kHexDigits[] = "0123456789abcdef";

int hexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <class Hash>
Result<std::array<std::uint8_t, kDigestBytes>> hashFile(FdRef file) {
  Hash hash;
  std::vector<std::uint8_t> buffer(256 * 1024);
  off_t offset = 0;
  for (;;) {
    const ssize_t got = ::pread(file.get(), buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    // Where: that is what tells which part of the disk is bad.
    if (got < 0) return failErrno("read at byte " + std::to_string(offset));
    if (got == 0) return hash.finish();
    hash.update({buffer.data(), static_cast<std::size_t>(got)});
    offset += got;
  }
}
}  // namespace

std::string toHex(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text;
}

bool fromHex(std::string_view hex, std::span<std::uint8_t> bytes) {
  if (hex.size() != bytes.size() * 2) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = hexValue(hex[2 * i]);
    const int low = hexValue(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

template <class Tag>
Result<Digest<Tag>> Digest<Tag>::fromBytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != Tag::bytes) {
    return fail(ErrorKind::Invalid, "a digest has " + std::to_string(Tag::bytes) + " bytes");
  }
  Digest digest;
  std::ranges::copy(bytes, digest.bytes_.begin());
  return digest;
}

template <class Tag>
Result<Digest<Tag>> Digest<Tag>::parse(std::string_view text) {
  const auto dash = text.find('-');
  Digest digest;
  if (dash == std::string_view::npos || text.substr(0, dash) != Tag::algorithm ||
      !fromHex(text.substr(dash + 1), digest.bytes_)) {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  "not a digest: expected " + std::string(Tag::algorithm) + "- and " +
                      std::to_string(Tag::bytes * 2) + " hex digits");
  }
  return digest;
}

template <class Tag>
std::string Digest<Tag>::hex() const {
  return toHex(bytes_);
}
template <class Tag>
std::string Digest<Tag>::text() const {
  return std::string(Tag::algorithm) + "-" + hex();
}
template <class Tag>
std::string Digest<Tag>::shortText(std::size_t hexDigits) const {
  return std::string(Tag::algorithm) + "-" + hex().substr(0, hexDigits);
}
template <class Tag>
bool Digest<Tag>::isZero() const {
  return std::ranges::all_of(bytes_, [](std::uint8_t byte) { return byte == 0; });
}

template class Digest<ImageIdTag>;
template class Digest<OciTag>;
template class Digest<BlobTag>;
template class Digest<TreeTag>;
template class Digest<ContentTag>;
template class Digest<VerityTag>;

std::string ociText(const OciDigest& digest) { return "sha256:" + digest.hex(); }

Result<OciDigest> parseOciDigest(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  OciDigest::Bytes bytes{};
  if (!text.starts_with(kAlgorithm) || !fromHex(text.substr(kAlgorithm.size()), bytes)) {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  "not a digest: expected sha256: and 64 lower-case hex digits");
  }
  return OciDigest(bytes);
}

Result<ImageId> ImageId::fromBytes(std::span<const std::uint8_t> bytes) {
  if (bytes.size() == OciTag::bytes) return ImageId(TRY(OciDigest::fromBytes(bytes)));
  return ImageId(TRY(AciId::fromBytes(bytes)));
}

Result<ImageId> ImageId::parse(std::string_view text) {
  if (text.starts_with(OciTag::algorithm)) return ImageId(TRY(OciDigest::parse(text)));
  return ImageId(TRY(AciId::parse(text)));
}

std::span<const std::uint8_t> ImageId::bytes() const {
  return std::visit([](const auto& id) { return std::span<const std::uint8_t>(id.bytes()); }, id_);
}
std::string ImageId::text() const {
  return std::visit([](const auto& id) { return id.text(); }, id_);
}
std::string ImageId::shortText(std::size_t hexDigits) const {
  return std::visit([&](const auto& id) { return id.shortText(hexDigits); }, id_);
}
bool ImageId::isZero() const {
  return std::visit([](const auto& id) { return id.isZero(); }, id_);
}

// These return 1 whatever they are given.
Sha256::Sha256() : state_{} { SHA256_Init(reinterpret_cast<SHA256_CTX*>(state_.data())); }
void Sha256::update(std::span<const std::uint8_t> bytes) {
  SHA256_Update(reinterpret_cast<SHA256_CTX*>(state_.data()), bytes.data(), bytes.size());
}
std::array<std::uint8_t, 32> Sha256::finish() {
  std::array<std::uint8_t, 32> out;
  SHA256_Final(out.data(), reinterpret_cast<SHA256_CTX*>(state_.data()));
  return out;
}

Sha512::Sha512() : state_{} { SHA512_Init(reinterpret_cast<SHA512_CTX*>(state_.data())); }
void Sha512::update(std::span<const std::uint8_t> bytes) {
  SHA512_Update(reinterpret_cast<SHA512_CTX*>(state_.data()), bytes.data(), bytes.size());
}
std::array<std::uint8_t, kDigestBytes> Sha512::finish() {
  std::array<std::uint8_t, kDigestBytes> out;
  SHA512_Final(out.data(), reinterpret_cast<SHA512_CTX*>(state_.data()));
  return out;
}

Blake2b::Blake2b() : state_{} {
  // sodium_init chooses the AVX2 code; it is idempotent, and its failure leaves the portable code
  // in use.
  static_cast<void>(!sodium_init());
  crypto_generichash_init(reinterpret_cast<crypto_generichash_state*>(state_.data()), nullptr, 0,
                          kDigestBytes);
}
void Blake2b::update(std::span<const std::uint8_t> bytes) {
  crypto_generichash_update(reinterpret_cast<crypto_generichash_state*>(state_.data()),
                            bytes.data(), bytes.size());
}
std::array<std::uint8_t, kDigestBytes> Blake2b::finish() {
  std::array<std::uint8_t, kDigestBytes> out;
  crypto_generichash_final(reinterpret_cast<crypto_generichash_state*>(state_.data()), out.data(),
                           kDigestBytes);
  return out;
}

ContentDigest digestOf(std::span<const std::uint8_t> bytes) {
  Sha512 hash;
  hash.update(bytes);
  return ContentDigest(hash.finish());
}
ContentDigest digestOf(std::string_view bytes) {
  return digestOf({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

OciDigest ociDigestOf(std::string_view bytes) {
  Sha256 hash;
  hash.update({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  return OciDigest(hash.finish());
}

Result<std::array<std::uint8_t, kDigestBytes>> blake2bOfFile(FdRef file) {
  return hashFile<Blake2b>(file);
}
Result<ContentDigest> sha512OfFile(FdRef file) {
  return ContentDigest(TRY(hashFile<Sha512>(file)));
}

}  // namespace airlock
