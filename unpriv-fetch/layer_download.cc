// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/layer_download.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"
#include "unpriv-fetch/blob_file.h"

namespace airlock::fetch {
namespace {

// What docker and podman do; more gains nothing on one line, and a registry counts connections.
constexpr std::size_t kAtOnce = 3;
constexpr int kBarrenTries = 3;  // in a row that bring not one byte

// One layer, over as many requests as it takes.
class LayerDownload {
 public:
  LayerDownload(const LayerFile& wanted, LayerBoard& board)
      : wanted_(wanted),
        board_(&board),
        blob_(wanted.file, wanted.layer.digest, wanted.layer.size) {}

  Result<void> run(std::vector<Registry>& registries) {
    TRY(blob_.resume(wanted_.resumeFrom));
    TRY(tell());
    bool inherited = blob_.position() > 0;  // bytes of an earlier process
    for (;;) {
      TRY(complete(registries));
      Result<void> finished = blob_.finish();
      if (finished) return board_->done(wanted_.index);
      if (!std::exchange(inherited, false)) return finished;
      TRY(board_->note("cannot use cached partial download of layer " +
                       wanted_.layer.digest.shortText(12)));
      TRY(blob_.restart());
    }
  }

 private:
  Result<void> complete(std::vector<Registry>& registries) {
    for (std::size_t i = 0;; ++i) {
      Result<void> got = from(registries[i]);
      if (got || i + 1 == registries.size() || board_->stopped()) return got;
      TRY(blob_.restart());  // what a mirror sent may be the reason
      TRY(board_->note("mirror " + quoted(registries[i].host()) +
                       " does not have it: " + got.error().text()));
    }
  }

  Result<void> from(Registry& registry) {
    int barren = 0;
    while (blob_.position() < blob_.size()) {
      const std::uint64_t before = blob_.position();
      std::vector<std::string> headers;
      if (before > 0) headers.push_back("Range: bytes=" + std::to_string(before) + "-");
      const Body body{.begin = [&](const Response& response) { return begin(response); },
                      .take = [&](std::string_view bytes) -> Result<void> {
                        TRY(blob_.take(bytes));
                        return tell();
                      }};
      const auto response = registry.get("blobs/" + ociText(blob_.digest()), headers, body, true);
      if (response && blob_.position() < blob_.size() && !std::exchange(again_, false))
        return blob_.finish();
      if (response) continue;
      const std::string& code = response.error().code();
      const bool broken = code == "E_SHORT" || code == "E_TIMEOUT" || code == "E_CONNECT";
      if (!broken) return fail(response.error());
      barren = blob_.position() > before ? 0 : barren + 1;
      if (barren == kBarrenTries) return fail(response.error());
    }
    return {};
  }

  Result<bool> begin(const Response& response) {
    switch (response.status) {
      case 200: {
        TRY(blob_.restart());
        const auto length = TRY(bodyLength(response.headers));
        if (length && *length != blob_.size()) return otherSize(*length);
        return true;
      }
      case 206: {
        const ContentRange range = TRY(contentRange(response.headers));
        if (range.total != blob_.size()) return otherSize(range.total);
        if (range.first != blob_.position() || blob_.position() == 0) {
          return refuse(ErrorKind::Invalid, "E_RANGE",
                        quoted(response.url.authority()) + " sent a layer from byte " +
                            std::to_string(range.first) + " on, not from " +
                            std::to_string(blob_.position()));
        }
        return true;
      }
      case 416:
        if (blob_.position() == 0) return badStatus(response);
        TRY(blob_.restart());
        again_ = true;
        return false;
      default:
        return badStatus(response);
    }
  }

  std::unexpected<Error> otherSize(std::uint64_t size) const {
    return refuse(ErrorKind::Invalid, "E_DIGEST",
                  "layer " + ociText(blob_.digest()) + " is served with " + std::to_string(size) +
                      " bytes, and its manifest names " + std::to_string(blob_.size()));
  }

  Result<void> tell() {
    const std::uint64_t before = std::exchange(told_, blob_.position());
    return board_->advance(before, told_);
  }

  const LayerFile& wanted_;
  LayerBoard* board_;
  BlobFile blob_;
  std::uint64_t told_ = 0;
  bool again_ = false;  // the last answer was no part of the layer, and is asked for anew
};

}  // namespace

Result<void> downloadLayers(const std::vector<Registry>& registries, std::span<LayerFile> wanted,
                            LayerBoard& board) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::optional<Error>> errors(std::min(kAtOnce, wanted.size()));
  const auto work = [&](std::optional<Error>& error) {
    std::vector<Registry> own;
    for (const Registry& registry : registries) {
      Result<Registry> copy = registry.another();
      if (!copy) {
        error = std::move(copy.error());
        return board.stop();
      }
      own.push_back(std::move(*copy));
    }
    for (std::size_t i = next++; i < wanted.size() && !board.stopped(); i = next++) {
      const Result<void> done = LayerDownload(wanted[i], board).run(own);
      if (done) continue;
      error = done.error();
      return board.stop();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::optional<Error>& error : errors) threads.emplace_back([&] { work(error); });
  }
  std::optional<Error> first;
  for (std::optional<Error>& error : errors) {
    if (error && (!first || first->code() == "E_STOPPED")) first = std::move(error);
  }
  if (first) return fail(std::move(*first));
  return board.finish();
}

}  // namespace airlock::fetch
