// SPDX-License-Identifier: Apache-2.0
#include "verifier/decoder.h"

#include <zstd_errors.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "base/limits.h"

namespace airlock::verifier {

std::unexpected<Error> corrupt(const char* filter) {
  return refuse(ErrorKind::Invalid, "E_CORRUPT",
                std::string("the image is damaged: its ") + filter + " data is not valid",
                "Fetch it again");
}
std::unexpected<Error> needsTooMuchMemory(const char* filter) {
  return refuse(ErrorKind::Invalid, "E_MEMLIMIT",
                std::string("the image's ") + filter + " data needs more memory than the " +
                    std::to_string(limits::kInflateMemory / limits::MiB) + " MiB that are allowed",
                "Compress it with a smaller dictionary or window");
}

namespace {
std::unexpected<Error> noMemory(const char* filter) {
  return fail(ErrorKind::Failed, std::string("no memory to decompress ") + filter);
}
// The libraries take pointers to bytes that they do not change.
std::uint8_t* unconst(const std::uint8_t* bytes) { return const_cast<std::uint8_t*>(bytes); }
}  // namespace

Result<Step> CopyDecoder::step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  const std::size_t count = std::min(in.size(), out.size());
  if (count != 0) std::memcpy(out.data(), in.data(), count);
  return Step{.used = count, .made = count, .ended = false};
}

Result<GzipDecoder> GzipDecoder::make() {
  GzipDecoder decoder;
  decoder.state_ = std::make_unique<inflate_state>();
  ::isal_inflate_init(decoder.state_.get());
  decoder.state_->crc_flag = ISAL_GZIP;  // header, CRC-32 and length are checked too
  return decoder;
}

Result<Step> GzipDecoder::step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  state_->next_in = unconst(in.data());
  state_->avail_in = static_cast<std::uint32_t>(in.size());
  state_->next_out = out.data();
  state_->avail_out = static_cast<std::uint32_t>(out.size());
  if (::isal_inflate(state_.get()) < ISAL_DECOMP_OK) return corrupt(kName);
  return Step{.used = in.size() - state_->avail_in,
              .made = out.size() - state_->avail_out,
              .ended = state_->block_state == ISAL_BLOCK_FINISH};
}

void Bzip2Decoder::End::operator()(bz_stream* stream) const {
  ::BZ2_bzDecompressEnd(stream);
  delete stream;
}

Result<Bzip2Decoder> Bzip2Decoder::make() {
  Bzip2Decoder decoder;
  decoder.stream_.reset(new bz_stream{});
  if (::BZ2_bzDecompressInit(decoder.stream_.get(), 0, 0) != BZ_OK) return noMemory(kName);
  return decoder;
}

Result<Step> Bzip2Decoder::step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  stream_->next_in = reinterpret_cast<char*>(unconst(in.data()));
  stream_->avail_in = static_cast<unsigned>(in.size());
  stream_->next_out = reinterpret_cast<char*>(out.data());
  stream_->avail_out = static_cast<unsigned>(out.size());
  const int code = ::BZ2_bzDecompress(stream_.get());
  if (code == BZ_MEM_ERROR) return noMemory(kName);
  if (code != BZ_OK && code != BZ_STREAM_END) return corrupt(kName);
  return Step{.used = in.size() - stream_->avail_in,
              .made = out.size() - stream_->avail_out,
              .ended = code == BZ_STREAM_END};
}

void XzDecoder::End::operator()(lzma_stream* stream) const {
  ::lzma_end(stream);
  delete stream;
}

Result<XzDecoder> XzDecoder::make() {
  XzDecoder decoder;
  decoder.stream_.reset(new lzma_stream(LZMA_STREAM_INIT));
  // An integrity check that liblzma cannot compute is refused, not skipped.
  if (::lzma_stream_decoder(decoder.stream_.get(), limits::kInflateMemory,
                            LZMA_TELL_UNSUPPORTED_CHECK) != LZMA_OK) {
    return noMemory(kName);
  }
  return decoder;
}

Result<Step> XzDecoder::step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  stream_->next_in = in.data();
  stream_->avail_in = in.size();
  stream_->next_out = out.data();
  stream_->avail_out = out.size();
  const lzma_ret code = ::lzma_code(stream_.get(), LZMA_RUN);
  if (code == LZMA_MEMLIMIT_ERROR) return needsTooMuchMemory(kName);
  if (code == LZMA_MEM_ERROR) return noMemory(kName);
  if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) return corrupt(kName);
  return Step{.used = in.size() - stream_->avail_in,
              .made = out.size() - stream_->avail_out,
              .ended = code == LZMA_STREAM_END};
}

Result<ZstdDecoder> ZstdDecoder::make() {
  ZstdDecoder decoder;
  decoder.context_.reset(ZSTD_createDCtx());
  if (!decoder.context_) return noMemory(kName);
  if (ZSTD_isError(ZSTD_DCtx_setParameter(decoder.context_.get(), ZSTD_d_windowLogMax,
                                          limits::kInflateWindowLog))) {
    return fail(ErrorKind::Unsupported, "zstd refuses its window limit");
  }
  return decoder;
}

Result<Step> ZstdDecoder::step(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  ZSTD_inBuffer input{in.data(), in.size(), 0};
  ZSTD_outBuffer output{out.data(), out.size(), 0};
  const std::size_t code = ZSTD_decompressStream(context_.get(), &output, &input);
  if (ZSTD_isError(code)) {
    const ZSTD_ErrorCode error = ZSTD_getErrorCode(code);
    if (error == ZSTD_error_frameParameter_windowTooLarge) return needsTooMuchMemory(kName);
    if (error == ZSTD_error_memory_allocation) return noMemory(kName);
    return corrupt(kName);
  }
  return Step{.used = input.pos, .made = output.pos, .ended = code == 0};
}

Result<Decoder> chooseDecoder(std::span<const std::uint8_t> head) {
  constexpr std::size_t kTarMagic = 257;  // "ustar" in the header of a POSIX or GNU tar
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.starts_with("\x1f\x8b")) return Decoder(TRY(GzipDecoder::make()));
  if (text.starts_with("BZh")) return Decoder(TRY(Bzip2Decoder::make()));
  if (text.starts_with(std::string_view("\xfd"
                                        "7zXZ\0",
                                        6)))
    return Decoder(TRY(XzDecoder::make()));
  if (text.starts_with("\x28\xb5\x2f\xfd")) return Decoder(TRY(ZstdDecoder::make()));
  if (text.size() > kTarMagic && text.substr(kTarMagic).starts_with("ustar")) {
    return Decoder(CopyDecoder());
  }
  return refuse(ErrorKind::Invalid, "E_FILTER",
                "not an image: neither a tar nor one that gzip, bzip2, xz or zstd compressed");
}

}  // namespace airlock::verifier
