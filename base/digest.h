// SPDX-License-Identifier: Apache-2.0
// SHA-512, SHA-256, BLAKE2b-512 and fs-verity digests with a type for what they name.  Anyone may
// use it; OpenSSL computes SHA-2, libsodium BLAKE2b.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/fd.h"
#include "base/result.h"

namespace airlock {

inline constexpr std::size_t kDigestBytes = 64;

std::string toHex(std::span<const std::uint8_t> bytes);

// A digest of one kind of thing.  Two kinds do not compare, and none is printed short by accident.
template <class Tag>
class Digest {
 public:
  using Bytes = std::array<std::uint8_t, Tag::bytes>;
  Digest() = default;
  explicit Digest(const Bytes& bytes) : bytes_(bytes) {}
  static Result<Digest> fromBytes(std::span<const std::uint8_t> bytes);
  // The tag's algorithm, a dash and all digits: "sha512-<128 hex>" for an ImageId; exact, lower
  // case.
  static Result<Digest> parse(std::string_view text);

  const Bytes& bytes() const { return bytes_; }
  std::string hex() const;
  std::string text() const;                            // algorithm-hex, whole
  std::string shortText(std::size_t hexDigits) const;  // algorithm-first digits: for display only
  bool isZero() const;

  auto operator<=>(const Digest&) const = default;

 private:
  Bytes bytes_{};
};

struct ImageIdTag {
  static constexpr std::string_view algorithm = "sha512";
  static constexpr std::size_t bytes = kDigestBytes;
};
struct OciTag {
  static constexpr std::string_view algorithm = "sha256";
  static constexpr std::size_t bytes = 32;
};
struct BlobTag {
  static constexpr std::string_view algorithm = "blake2b";
  static constexpr std::size_t bytes = kDigestBytes;
};
struct TreeTag {
  static constexpr std::string_view algorithm = "blake2b";
  static constexpr std::size_t bytes = kDigestBytes;
};
struct ContentTag {
  static constexpr std::string_view algorithm = "sha512";
  static constexpr std::size_t bytes = kDigestBytes;
};
struct VerityTag {
  static constexpr std::string_view algorithm = "sha256";
  static constexpr std::size_t bytes = 32;
};

using AciId = Digest<ImageIdTag>;  // SHA-512 of the uncompressed tar (appc spec, "Image ID")
// SHA-256 of a manifest, config or layer, as it was distributed (OCI image spec, "Digests").
using OciDigest = Digest<OciTag>;
using BlobDigest = Digest<BlobTag>;  // BLAKE2b-512 of an image file as it was downloaded
using TreeDigest = Digest<TreeTag>;  // BLAKE2b-512 of an EROFS image: `b2sum` prints the same
using ContentDigest =
    Digest<ContentTag>;  // SHA-512 of anything else: a manifest, a policy, a program
using VerityDigest = Digest<VerityTag>;  // fs-verity's of a file: `fsverity digest` prints the same

extern template class Digest<ImageIdTag>;
extern template class Digest<OciTag>;
extern template class Digest<BlobTag>;
extern template class Digest<TreeTag>;
extern template class Digest<ContentTag>;
extern template class Digest<VerityTag>;

// "sha256:<64 hex>": how an OCI image and its registry write a digest.
std::string ociText(const OciDigest& digest);
Result<OciDigest> parseOciDigest(std::string_view text);

// What an image is called by for ever: the id of an ACI, or the digest of an OCI image's manifest.
class ImageId {
 public:
  ImageId() = default;
  ImageId(const AciId& id) : id_(id) {}                  // NOLINT(google-explicit-constructor)
  ImageId(const OciDigest& manifest) : id_(manifest) {}  // NOLINT(google-explicit-constructor)
  static Result<ImageId> fromBytes(std::span<const std::uint8_t> bytes);  // 64 or 32
  static Result<ImageId> parse(std::string_view text);  // "sha512-…" or "sha256-…", whole

  std::span<const std::uint8_t> bytes() const;
  std::string hex() const { return toHex(bytes()); }
  std::string text() const;
  std::string shortText(std::size_t hexDigits) const;
  bool isZero() const;
  // The digest of its manifest, where it is an OCI image.
  const OciDigest* oci() const { return std::get_if<OciDigest>(&id_); }

  auto operator<=>(const ImageId&) const = default;

 private:
  std::variant<AciId, OciDigest> id_;
};

// A running hash.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::uint8_t> bytes);
  std::array<std::uint8_t, 32> finish();

 private:
  alignas(64) std::array<std::uint8_t, 112> state_;  // SHA256_CTX
};
class Sha512 {
 public:
  Sha512();
  void update(std::span<const std::uint8_t> bytes);
  std::array<std::uint8_t, kDigestBytes> finish();

 private:
  alignas(64) std::array<std::uint8_t, 216> state_;  // SHA512_CTX
};
class Blake2b {
 public:
  Blake2b();
  void update(std::span<const std::uint8_t> bytes);
  std::array<std::uint8_t, kDigestBytes> finish();

 private:
  alignas(64) std::array<std::uint8_t, 384> state_;  // crypto_generichash_state
};

ContentDigest digestOf(std::span<const std::uint8_t> bytes);
ContentDigest digestOf(std::string_view bytes);

// Digest of a whole regular file, read with pread from offset 0; the file offset does not move.
Result<std::array<std::uint8_t, kDigestBytes>> blake2bOfFile(FdRef file);
Result<ContentDigest> sha512OfFile(FdRef file);
OciDigest ociDigestOf(std::string_view bytes);

// Exact lower-case hex of `bytes.size() * 2` digits, or false.
bool fromHex(std::string_view hex, std::span<std::uint8_t> bytes);

}  // namespace airlock
