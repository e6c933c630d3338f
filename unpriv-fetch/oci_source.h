// SPDX-License-Identifier: Apache-2.0
// Where a Docker or OCI image comes from: a registry, a layout, an archive.  The fetcher only.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "image/oci_manifest.h"
#include "ipc/fetch_oci.h"
#include "unpriv-fetch/events.h"

namespace airlock::fetch {

// A signature that was found, with its content.
struct FoundAttachment {
  ipc::OciAttachment::Kind kind = ipc::OciAttachment::Kind::Cosign;
  bool ofIndex = false;
  std::string content;
  std::string annotations;  // a JSON object of texts, or empty
};

// A layer that the CLI wants, and the file for it.
struct LayerFile {
  std::uint32_t index = 0;
  image::OciDescriptor layer;
  std::uint64_t resumeFrom = 0;
  Fd file;
};

// What the threads that get layers have in common: progress in one line, and an end for all when
// one fails.
class LayerBoard {
 public:
  LayerBoard(Events& events, std::uint64_t total) : events_(&events), total_(total) {}

  // The layer has `position` bytes, `before` of which were told already.  E_STOPPED: another one
  // has failed.
  Result<void> advance(std::uint64_t before, std::uint64_t position);
  Result<void> note(std::string text);
  Result<void> done(std::uint32_t index);
  void stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }
  Result<void> finish();  // the last line of progress

 private:
  std::mutex mutex_;
  Events* events_;
  std::uint64_t total_;
  std::uint64_t sum_ = 0;
  std::atomic<bool> stopped_ = false;
};

class OciSource {
 public:
  virtual ~OciSource() = default;

  struct Root {
    std::string text;         // a manifest or an index, not checked yet
    std::string contentType;  // what the source says that it is, or empty
    std::string name;         // what the source calls it, or empty
  };
  virtual Result<Root> root() = 0;
  // A document of that digest and size, both checked; of at most `most` bytes.
  virtual Result<std::string> document(const image::OciDescriptor& which, std::size_t most,
                                       bool isManifest) = 0;
  // Signatures of the manifest or index of that digest.
  virtual Result<std::vector<FoundAttachment>> signatures(const OciDigest& digest) = 0;
  // Each checked; board.done() for each.
  virtual Result<void> layers(std::span<LayerFile> wanted, LayerBoard& board) = 0;
};

}  // namespace airlock::fetch
