// SPDX-License-Identifier: Apache-2.0
// One streaming decompressor for each filter that an image may have.  verifier/inflate.cc alone.
#pragma once

#include <bzlib.h>
#include <isa-l/igzip_lib.h>
#include <lzma.h>
#include <zstd.h>

#include <cstdint>
#include <memory>
#include <span>
#include <variant>

#include "base/result.h"

namespace airlock::verifier {

// What one call of step() did: bytes used from the input, bytes written to the output.
struct Step {
  std::size_t used = 0;
  std::size_t made = 0;
  bool ended = false;  // the stream is whole and its checksum is right; nothing more may follow
};

std::unexpected<Error> corrupt(const char* filter);
std::unexpected<Error> needsTooMuchMemory(const char* filter);

class CopyDecoder {
 public:
  static constexpr const char* kName = "none";
  Result<Step> step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out);
};

class GzipDecoder {
 public:
  static constexpr const char* kName = "gzip";
  static Result<GzipDecoder> make();
  Result<Step> step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out);

 private:
  std::unique_ptr<inflate_state> state_;
};

class Bzip2Decoder {
 public:
  static constexpr const char* kName = "bzip2";
  static Result<Bzip2Decoder> make();
  Result<Step> step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out);

 private:
  struct End {
    void operator()(bz_stream* stream) const;
  };
  std::unique_ptr<bz_stream, End> stream_;
};

class XzDecoder {
 public:
  static constexpr const char* kName = "xz";
  static Result<XzDecoder> make();
  Result<Step> step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out);

 private:
  struct End {
    void operator()(lzma_stream* stream) const;
  };
  std::unique_ptr<lzma_stream, End> stream_;
};

class ZstdDecoder {
 public:
  static constexpr const char* kName = "zstd";
  static Result<ZstdDecoder> make();
  Result<Step> step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out);

 private:
  struct End {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  std::unique_ptr<ZSTD_DCtx, End> context_;
};

using Decoder = std::variant<CopyDecoder, GzipDecoder, Bzip2Decoder, XzDecoder, ZstdDecoder>;

// The decoder for a file that begins with `head` (limits::kFilterHead bytes, or all there are).
// E_FILTER when it is no image.
Result<Decoder> chooseDecoder(std::span<const std::uint8_t> head);

}  // namespace airlock::verifier
