// SPDX-License-Identifier: Apache-2.0
// One job and one answer per verifier process.  The job is sent by whoever started it (the helper,
// or the CLI for a user's own store); the answer is hostile: the role has read foreign bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/failure.h"
#include "ipc/signature_kind.h"
#include "ipc/wanted_image.h"

namespace airlock::ipc {

// A key trusted for the image in question, as its file has it.
struct TrustedKey {
  KeyFingerprint fingerprint;
  std::string content;
  bool log = false;  // of a transparency log: it proves entries, and vouches for no image
};
// The sealed memfd that carries keys: at most limits::kTrustedKeys and limits::kSealedBytes.
Result<std::string> encodeKeyBundle(const std::vector<TrustedKey>& keys);
Result<std::vector<TrustedKey>> decodeKeyBundle(std::string_view bytes);

// Descriptors: 0 the signed file (a pipe with its bytes, or the file), 1 the signature, 2 the
// sealed key bundle.
struct AuthenticateJob {
  std::int64_t notBefore =
      0;  // seconds since 1970: the clock is not believed when it says less (test S09)
};
// Descriptors: 0 compressed bytes (file or pipe), 1 a pipe for the inflated ones.
struct InflateJob {
  std::uint64_t most = 0;  // bytes that may come out
  bool layer = false;      // of an OCI image: several streams may follow each other
};
// Descriptors: 0 the tar (a pipe), 1 the empty file for the EROFS image, 2 an empty file for the
// manifest.
struct UnpackJob {};
// Descriptors: 0 the sealed render plan, 1 the empty file for the EROFS image, 2 an empty file for
// the role's own use, then the tar (a pipe) of each image of the plan.
struct RenderJob {
  std::uint32_t images = 0;
};
// Descriptors: 0 the tar of a layer (a pipe), 1 the empty file for its EROFS image, then the EROFS
// images of the layers below it, the nearest first, where they were asked for.
struct LayerJob {
  bool bottom = false;  // nothing is below
  std::uint32_t lowers = 0;
  std::vector<std::uint32_t> skip;  // entries that are not read, in rising order
};
// Descriptors: 0 the manifest of an OCI image, 1 its config, 2 an empty file for appc's manifest, 3
// the index that it was chosen from, with hasIndex.
struct DescribeJob {
  ImageName name;
  std::vector<Label> labels;
  OciDigest manifest;  // the sender's own, of the bytes in 0
  bool hasIndex = false;
};
// Descriptors: 0 the sealed signatures, 1 the sealed key bundle.
struct VouchJob {
  std::vector<OciDigest> digests;  // of the manifest, and of its index: what may have been signed
  ImageName name;                  // the repository that it was signed for
  std::string version;
  std::int64_t notBefore = 0;  // as in AuthenticateJob
};
// Descriptors: 0 the EROFS image.
struct CheckJob {
  bool layer = false;
};
// Descriptors: 0 a key file (OpenPGP, armored or binary; a minisign public key; a PEM public
// key), for `airlock trust` to show.
struct InspectKeyJob {};

// Descriptors: 0 a pipe for the tree (ipc/tree_stream.h), then the EROFS images, the topmost first.
struct ExtractJob {
  std::uint32_t layers = 1;
};

using VerifyJob = std::variant<AuthenticateJob, InflateJob, UnpackJob, CheckJob, InspectKeyJob,
                               RenderJob, ExtractJob, LayerJob, DescribeJob, VouchJob>;

// What was found beside an OCI image, or in it: the sealed memfd of a VouchJob, and the store's
// file.  At most limits::kOciAttachments and limits::kSealedBytes; hostile.
struct OciSignature {
  enum class Kind : std::uint8_t {
    Cosign,  // of the tag sha256-….sig
    Bundle,  // sigstore's, of the referrers API
    Simple   // of containers: an OpenPGP signed message
  };
  Kind kind = Kind::Cosign;
  std::string content;      // cosign: what was signed; of the others the whole of it
  std::string annotations;  // JSON: of cosign the signature, certificate and proof are in it
  bool operator==(const OciSignature&) const = default;
};
Result<std::string> encodeOciSignatures(const std::vector<OciSignature>& signatures);
Result<std::vector<OciSignature>> decodeOciSignatures(std::string_view bytes);

// The sealed memfd that says how a tree is made of several images: at most limits::kDependencies +
// 1 and limits::kSealedBytes.  Manifests are bytes that its writer has not parsed.
struct PlannedImage {
  std::string manifest;
  std::uint32_t depth = 0;  // of the first alone 0; each next one is at most one deeper
};
Result<std::string> encodeRenderPlan(const std::vector<PlannedImage>& images);
Result<std::vector<PlannedImage>> decodeRenderPlan(std::string_view bytes);

// What one signature in the file is worth.
struct SignatureVerdict {
  std::string
      code;  // "good", or why not: E_SIG_BAD, E_SIG_NOKEY, E_SIG_EXPIRED, E_SIG_KEY_EXPIRED,
             // E_SIG_REVOKED, E_SIG_SUBKEY, E_SIG_HASH, E_SIG_KIND, E_SIG_USAGE, E_SIG_WEAK_KEY,
             // E_SIG_UNCHECKED (behind a bad one, where gpg stops); of an OCI image also, each for
             // a signature that is right in itself: E_SIG_DIGEST (of another manifest),
             // E_SIG_IDENTITY (of another repository or tag), E_SIG_LOG (a transparency log is
             // trusted for the name, and there is no valid proof by it)
  std::string
      fingerprint;  // of the primary key where known, else the key id that the signature names
  std::string userId;
  std::string hash;  // "SHA512"
  std::int64_t created = 0;
  SignatureKind kind = SignatureKind::Unsaid;
  std::string detail;         // what is wrong, for the refusal
  std::int64_t loggedAt = 0;  // when a trusted transparency log took it in; 0: none was asked
};
struct Authenticated {
  bool accepted = false;  // at least one good signature, and no bad one by a trusted key (S04, S05)
  std::vector<SignatureVerdict> signatures;
};
struct Inflated {
  std::string filter;  // "none", "gzip", "bzip2", "xz", "zstd"
  std::uint64_t bytesIn = 0;
  std::uint64_t bytesOut = 0;
};
struct Unpacked {
  ImageName name;
  std::vector<Label> labels;
  std::uint64_t entries = 0;
  std::vector<WantedImage> dependencies;  // of the manifest, in its order
  bool hasWhitelist = false;              // of paths: its tree has to be rendered
};
struct Rendered {
  std::uint64_t entries = 0;
};
struct Extracted {
  std::uint64_t entries = 0;
};
struct Layered {
  std::uint64_t entries = 0;
  std::uint64_t leftOut = 0;  // device nodes and FIFOs
  std::vector<std::uint32_t>
      superseded;             // not empty: there is no image, it must be done without them
  bool needsLowers = false;   // there is no image: it must be done with these at hand
  bool hangsOnPlace = false;  // on other layers the same archive would be another image
};
struct OciBlob {
  OciDigest digest;
  std::uint64_t bytes = 0;
  bool operator==(const OciBlob&) const = default;
};
struct Described {
  OciBlob config;
  std::vector<OciBlob> layers;  // the bottom one first
  std::vector<Label> labels;
};
struct Checked {};
struct KeyFacts {
  KeyFingerprint fingerprint;
  std::vector<std::string> subkeys;  // fingerprints, 40 hex digits
  std::vector<std::string> userIds;
};

using VerifyReply = std::variant<Failure, Authenticated, Inflated, Unpacked, Checked, KeyFacts,
                                 Rendered, Extracted, Layered, Described>;

Result<std::string> encode(const VerifyJob& job);
Result<VerifyJob> decodeVerifyJob(std::string_view bytes);
Result<std::string> encode(const VerifyReply& reply);
Result<VerifyReply> decodeVerifyReply(std::string_view bytes);

}  // namespace airlock::ipc
