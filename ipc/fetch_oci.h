// SPDX-License-Identifier: Apache-2.0
// What the CLI and airlock-fetch say to each other about a Docker or OCI image: first its documents
// and signatures, then those of its layers that the CLI wants.  The answers are hostile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "ipc/failure.h"

namespace airlock::ipc {

// One place that may have the image: a mirror, or the registry itself.
struct OciEndpoint {
  std::string host;  // "example.com:5000", lower case
  std::string repository;
  bool allowHttp = false;
  bool skipTlsCheck = false;
  bool hasCaBundle = false;           // trusted beside the job's
  bool hasClientCertificate = false;  // shown to this host alone
};
// In Go's names ("linux", "arm64", "v8").
struct OciPlatform {
  std::string os;
  std::string architecture;
  std::string variant;
  bool operator==(const OciPlatform&) const = default;
};

// Where the image is: endpoints in the order in which they are asked, the registry itself last; a
// layout whose files are asked for; or an archive that comes with the job.
struct FromRegistry {
  std::vector<OciEndpoint> endpoints;
};
struct FromLayout {};
struct FromOciArchive {};
struct FromDockerArchive {};
using OciOrigin = std::variant<FromRegistry, FromLayout, FromOciArchive, FromDockerArchive>;

struct OciAttachment {
  enum class Kind {
    Cosign,          // a simple signing payload; signature, certificate … are in the annotations
    SigstoreBundle,  // application/vnd.dev.sigstore.bundle.v0.3+json
    SimpleSigning,   // an OpenPGP message that has the payload in it
  };
  Kind kind = Kind::Cosign;
  bool ofIndex = false;  // of the index that the manifest was chosen from
  std::uint64_t bytes = 0;
  std::uint64_t annotationBytes = 0;  // of a JSON object of texts
};
struct OciLayer {
  OciDigest digest;
  std::uint64_t size = 0;
  std::string mediaType;
  bool operator==(const OciLayer&) const = default;
};
// In the job's file stand, one behind the other: the index, the manifest, the config, and of each
// attachment its content and its annotations.
struct OciDocuments {
  OciDigest manifestDigest;
  std::optional<OciDigest> indexDigest;  // nullopt: the manifest was not chosen from an index
  std::string mediaType;                 // of the manifest
  std::uint64_t indexBytes = 0;
  std::uint64_t manifestBytes = 0;
  std::uint64_t configBytes = 0;
  std::vector<OciAttachment> attachments;
  std::vector<OciLayer> layers;  // as the manifest has them, the lowest first
  OciPlatform platform;          // of the config
  std::string sourceName;        // what a local source calls the image, or empty
};
// The source still has what the job's knownDigest names.
struct OciUnchanged {
  OciDigest manifestDigest;
  std::optional<OciDigest> indexDigest;
};
// This layer is in its file, whole, and has its digest.
struct OciLayerDone {
  std::uint32_t index = 0;
};
struct OciDone {};

// A file of what the caller named, which may be readable for the caller alone.  No path: the CLI
// knows where it is.
struct LayoutVersionFile {};  // oci-layout
struct LayoutIndexFile {};    // index.json
struct LayoutBlob {           // blobs/sha256/…
  OciDigest digest;
};
struct SimpleSignatureFile {  // REPOSITORY@sha256=…/signature-N
  std::uint8_t place = 0;     // of FetchOciJob::lookasideDirectories
  OciDigest digest;
  std::uint8_t number = 1;
};
struct OciFileWanted {
  std::variant<LayoutVersionFile, LayoutIndexFile, LayoutBlob, SimpleSignatureFile> file;
};
// The CLI's answer: with a regular file open for reading, or why there is none.
struct OfferedFile {
  std::optional<Failure> failure;
};
Result<std::string> encode(const OfferedFile& offered);
Result<OfferedFile> decodeOfferedFile(std::string_view bytes);

struct WantedLayer {
  std::uint32_t index = 0;       // in OciDocuments::layers
  std::uint64_t resumeFrom = 0;  // so many bytes are in the file already; they are hashed first
};
// The CLI's answer to OciDocuments, in as many messages as it takes: a regular file open for
// writing for each layer, in the same order.
struct FetchLayers {
  std::vector<WantedLayer> layers;
  bool last = true;
};
Result<std::string> encode(const FetchLayers& wanted);
Result<FetchLayers> decodeFetchLayers(std::string_view bytes);

}  // namespace airlock::ipc
