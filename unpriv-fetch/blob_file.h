// SPDX-License-Identifier: Apache-2.0
// A file that becomes a blob of known size and SHA-256, byte by byte, checked on the way.  The
// fetcher only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"

namespace airlock::fetch {

// A running SHA-256, of OpenSSL: with the processor's instructions for it.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();
  void update(std::string_view bytes);
  OciDigest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
OciDigest sha256Of(std::string_view bytes);

// E_DIGEST unless the bytes have that size and digest.  `what` is for the message (test F05).
Result<void> checkBlob(std::string_view bytes, const OciDigest& digest, std::uint64_t size,
                       std::string_view what);

class BlobFile {
 public:
  BlobFile(FdRef file, const OciDigest& digest, std::uint64_t size)
      : file_(file), digest_(digest), size_(size) {}

  // Reads what an earlier process has left, at most `bytes` of it, so that it counts (test F06:
  // what is gone on from is hashed again).
  Result<void> resume(std::uint64_t bytes);
  Result<void> restart();  // from nothing
  // E_DIGEST for more than `size` bytes; not one of them is written.
  Result<void> take(std::string_view bytes);
  // Once position() is size(): E_DIGEST when the content is another one.
  Result<void> finish();

  std::uint64_t position() const { return position_; }
  std::uint64_t size() const { return size_; }
  const OciDigest& digest() const { return digest_; }

 private:
  FdRef file_;
  OciDigest digest_;
  std::uint64_t size_;
  std::uint64_t position_ = 0;
  Sha256 hash_;
};

}  // namespace airlock::fetch
