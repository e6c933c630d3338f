// SPDX-License-Identifier: Apache-2.0
// Has airlock-fetch get a Docker or OCI image: first its documents, then the layers that are
// wanted.  CLI only.  What comes back is hostile: the fetcher has talked to the network or read a
// file of anybody's; its digests are claims that the store's owner checks again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cli/command.h"
#include "image/oci_platform.h"
#include "image/oci_reference.h"
#include "ipc/fetch_messages.h"

namespace airlock::cli {

struct OciWish {
  // Of a manifest or an index that the store has: when the source's answer is the same, nothing
  // more is fetched.
  std::optional<OciDigest> known;
  image::OciPlatform platform = image::hostPlatform();
  bool sigstore = true;  // cosign's tag, and the bundles that refer to the image
  // http(s) or file URLs below which simple signatures lie, as registries.d of containers names
  // them: URL/REPOSITORY@sha256=HEX/signature-N.
  std::vector<std::string> lookasides;
};

struct OciAttachment {
  ipc::OciAttachment::Kind kind = ipc::OciAttachment::Kind::Cosign;
  bool ofIndex = false;  // signs the index, not the manifest
  std::string content;
  std::string annotations;  // a JSON object of texts, or empty
};
struct OciDocuments {
  OciDigest manifestDigest;              // of `manifest`, checked
  std::optional<OciDigest> indexDigest;  // of `index`, checked
  std::string mediaType;                 // of the manifest
  std::string index;                     // empty: the manifest was not chosen from one
  std::string manifest;
  std::string config;
  std::vector<OciAttachment> attachments;
  std::vector<ipc::OciLayer> layers;  // the lowest first
  image::OciPlatform platform;
  std::string sourceName;  // what a local source calls the image, or empty
};

class OciDownload {
 public:
  using Unchanged = ipc::OciUnchanged;
  OciDownload(OciDownload&&) noexcept;
  OciDownload& operator=(OciDownload&&) = delete;
  ~OciDownload();  // ends the fetcher when it is not done; parts of layers stay for the next time

  static Result<OciDownload> start(const Options& options, const image::RegistryImage& image,
                                   const OciWish& wish);
  static Result<OciDownload> start(const Options& options, const image::LocalOciImage& image,
                                   const OciWish& wish);

  // Once, first.
  Result<std::variant<Unchanged, OciDocuments>> documents();

  // Once, after OciDocuments.  `wanted` are indices of OciDocuments::layers, each at most once;
  // none is allowed.  `onLayer` gets each file, open for reading at offset 0, as soon as it is
  // complete, while others still download; an error of it ends the download.  The file may have no
  // name any more when onLayer returns.  When this returns, the fetcher has exited.
  using OnLayer = std::function<Result<void>(std::size_t index, Fd file)>;
  Result<void> layers(std::span<const std::size_t> wanted, const OnLayer& onLayer);

 private:
  struct State;
  explicit OciDownload(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace airlock::cli
