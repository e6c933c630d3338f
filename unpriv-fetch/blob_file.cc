// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/blob_file.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::fetch {
namespace {

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { ::EVP_MD_CTX_free(context); }
};

std::span<const std::uint8_t> octets(std::string_view bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

std::unexpected<Error> otherContent(std::string_view what) {
  return refuse(ErrorKind::Invalid, "E_DIGEST", std::string(what) + " is not what its digest names",
                "nothing of it was kept; try again, and tell whoever runs the source");
}

}  // namespace

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, ContextDeleter> context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  state_->context.reset(::EVP_MD_CTX_new());
  if (!state_->context || ::EVP_DigestInit_ex(state_->context.get(), ::EVP_sha256(), nullptr) != 1)
    state_->context.reset();
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

// Without a context the digest is the zero one, which nothing has: it fails closed.
void Sha256::update(std::string_view bytes) {
  if (state_->context && ::EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1)
    state_->context.reset();
}
OciDigest Sha256::finish() {
  OciDigest::Bytes bytes{};
  unsigned length = 0;
  if (!state_->context || ::EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &length) != 1 ||
      length != bytes.size()) {
    return OciDigest();
  }
  return OciDigest(bytes);
}

OciDigest sha256Of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

Result<void> checkBlob(std::string_view bytes, const OciDigest& digest, std::uint64_t size,
                       std::string_view what) {
  if (bytes.size() != size) {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  std::string(what) + " has " + std::to_string(bytes.size()) + " bytes, not " +
                      std::to_string(size));
  }
  if (sha256Of(bytes) != digest) return otherContent(what);
  return {};
}

Result<void> BlobFile::resume(std::uint64_t bytes) {
  TRY(restart());
  std::vector<std::uint8_t> buffer(limits::kInflateBuffer);
  const std::uint64_t most = std::min(bytes, size_);
  while (position_ < most) {
    const auto wanted = std::min<std::uint64_t>(buffer.size(), most - position_);
    const std::size_t got = TRY(
        sys::readAt(file_, std::span(buffer).first(static_cast<std::size_t>(wanted)), position_));
    if (got == 0) break;
    hash_.update({reinterpret_cast<const char*>(buffer.data()), got});
    position_ += got;
  }
  return {};
}

// What is in the file stays until it is written over, and goes at the end: finish() cuts.
Result<void> BlobFile::restart() {
  hash_ = Sha256();
  position_ = 0;
  return {};
}

Result<void> BlobFile::take(std::string_view bytes) {
  if (bytes.size() > size_ - position_) {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  "layer " + ociText(digest_) + " is longer than the " + std::to_string(size_) +
                      " bytes that its manifest names");
  }
  TRY(sys::writeAt(file_, octets(bytes), position_));
  hash_.update(bytes);
  position_ += bytes.size();
  return {};
}

Result<void> BlobFile::finish() {
  if (position_ != size_) {
    return refuse(ErrorKind::Failed, "E_SHORT",
                  "layer " + ociText(digest_) + " ended after " + std::to_string(position_) +
                      " of " + std::to_string(size_) + " bytes");
  }
  if (hash_.finish() != digest_) return otherContent("layer " + ociText(digest_));
  if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0)
    return failErrno("cut the file of a layer");
  return {};
}

}  // namespace airlock::fetch
