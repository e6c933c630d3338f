// SPDX-License-Identifier: Apache-2.0
#include "verifier/inflate.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"
#include "verifier/decoder.h"
#include "verifier/source.h"

namespace airlock::verifier {

namespace {

std::unexpected<Error> tooMuch(std::uint64_t most) {
  return refuse(ErrorKind::Invalid, "E_LIMIT",
                "the image is larger than the " + std::to_string(most) +
                    " bytes that are allowed when it is unpacked");
}

class Inflater {
 public:
  Inflater(Source source, FdRef out, const ipc::InflateJob& job)
      : source_(source),
        out_(out.get()),
        most_(job.most),
        severalStreams_(job.layer),
        in_(limits::kInflateBuffer),
        made_(limits::kInflateBuffer) {}

  Result<ipc::Inflated> run() {
    TRY(fillHead());
    Decoder decoder = TRY(chooseDecoder(available()));
    return std::visit([this](auto& one) { return decode(one); }, decoder);
  }

 private:
  std::span<const std::uint8_t> available() const {
    return std::span(in_).subspan(from_, until_ - from_);
  }

  // The magic of a tar is 257 bytes into it, and a pipe may give one byte at a time.
  Result<void> fillHead() {
    while (until_ < limits::kFilterHead) {
      const std::size_t got = TRY(source_.read(std::span(in_).subspan(until_)));
      if (got == 0) return {};
      until_ += got;
    }
    return {};
  }

  // False at the end of the input.
  Result<bool> refill() {
    if (from_ != until_) return true;
    from_ = 0;
    until_ = TRY(source_.read(in_));
    return until_ != 0;
  }

  Result<void> put(std::size_t count) {
    bytesOut_ += count;
    if (bytesOut_ > most_) return tooMuch(most_);
    const std::uint64_t in = source_.size().value_or(source_.consumed());
    if (bytesOut_ / limits::kInflateRatio > in &&
        bytesOut_ - limits::kInflateRatio * in > limits::kInflateSlack) {
      return refuse(ErrorKind::Invalid, "E_RATIO",
                    "the image grows to more than " + std::to_string(limits::kInflateRatio) +
                        " times its size: a decompression bomb");
    }
    return sys::writeAll(FdRef(out_), std::span(made_).first(count));
  }

  template <class D>
  Result<ipc::Inflated> decode(D& decoder) {
    bool full = false;  // the last step filled the output: more may come without more input
    for (;;) {
      if (!full && !TRY(refill())) return finish(D::kName);
      const Step step = TRY(decoder.step(available(), made_));
      from_ += step.used;
      if (step.made != 0) TRY(put(step.made));
      if (step.ended) {
        if (!severalStreams_ || !TRY(refill())) return finishStream(D::kName);
        if constexpr (requires { D::make(); }) decoder = TRY(D::make());
      }
      full = step.made == made_.size();
      if (step.used == 0 && step.made == 0 && from_ != until_) return corrupt(D::kName);
    }
  }

  // The input is at its end without the stream having said so: right for a plain tar alone.
  Result<ipc::Inflated> finish(const char* name) {
    if (name != CopyDecoder::kName) {
      return refuse(ErrorKind::Invalid, "E_TRUNCATED",
                    std::string("the image ends in the middle of its ") + name + " data",
                    "Fetch it again");
    }
    return result(name);
  }

  Result<ipc::Inflated> finishStream(const char* name) {
    if (TRY(refill())) {
      return refuse(ErrorKind::Invalid, "E_TRAILING",
                    std::string("the image has more bytes after the end of its ") + name + " data",
                    "Compress it as one stream, and append nothing");
    }
    return result(name);
  }

  ipc::Inflated result(const char* name) const {
    return {.filter = name, .bytesIn = source_.consumed(), .bytesOut = bytesOut_};
  }

  Source source_;
  int out_;
  std::uint64_t most_;
  bool severalStreams_;
  std::vector<std::uint8_t> in_;
  std::vector<std::uint8_t> made_;
  std::size_t from_ = 0;  // in_[from_, until_) is not used yet
  std::size_t until_ = 0;
  std::uint64_t bytesOut_ = 0;
};

}  // namespace

void warmUpInflate() {
  // liblzma and ISA-L ask the processor once what it can do; an empty stream through each makes
  // them do it now.
  static constexpr std::array<std::uint8_t, 20> kEmptyGzip{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3};
  std::array<std::uint8_t, 64> out;
  if (auto gzip = GzipDecoder::make()) static_cast<void>(gzip->step(kEmptyGzip, out));
  static_cast<void>(XzDecoder::make());
  static_cast<void>(ZstdDecoder::make());
}

Result<ipc::Inflated> inflate(FdRef in, FdRef out, const ipc::InflateJob& job) {
  return Inflater(TRY(Source::from(in)), out, job).run();
}

}  // namespace airlock::verifier
