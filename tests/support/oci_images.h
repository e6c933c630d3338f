// SPDX-License-Identifier: Apache-2.0
// OCI images made layer by layer, and imported as the CLI does it.  Tests only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "ipc/verify_messages.h"
#include "tests/support/engine.h"

namespace airlock::test {

struct OciTestLayer {
  std::string path;  // of the file, compressed
  std::string mediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
};
struct OciTestImage {
  std::string manifest;  // JSON
  std::string config;
  std::string index;  // JSON, or empty
  std::vector<OciTestLayer> layers;
  ImageId id() const { return ociDigestOf(manifest); }
};

// A layer of what the script leaves in its directory, packed there by `archiver` and compressed.
OciTestLayer makeOciLayer(const std::string& path, const std::string& script,
                          const std::string& compress = "gzip -nc");
// One of Debian's static busybox and links for its applets.
OciTestLayer makeBusyboxLayer(const std::string& path);
// `config` is the inner object of an image configuration, `{"Entrypoint": […], …}`.
OciTestImage makeOciImage(std::vector<OciTestLayer> layers, const std::string& config = "{}");

struct OciImportOptions {
  std::string name = "registry.test/tools/busybox";
  std::string version = "1.35";
  std::vector<ipc::OciSignature> signatures;
  bool skipSignature = false;
  StartOptions start;
  // What is sent in the place of a layer, by its number; or that nothing more is sent.
  std::optional<std::pair<std::uint32_t, std::string>> instead;
  std::optional<std::size_t> stopAfter;
};
struct OciReply {
  Reply reply;                        // the last one
  std::vector<std::uint32_t> wanted;  // layers that were asked for
};
OciReply importOci(const Engine& engine, const OciTestImage& image,
                   const OciImportOptions& options = {});

}  // namespace airlock::test
