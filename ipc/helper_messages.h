// SPDX-License-Identifier: Apache-2.0
// What the helper can be asked, and its answers.  Sent by the CLI; every field is hostile until the
// helper has checked it.  No field that the kernel can tell (uid, pid, cgroup), no path and no URL
// that anything would be opened by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/attest_messages.h"
#include "ipc/failure.h"
#include "ipc/pod_spec.h"
#include "ipc/signature_kind.h"
#include "ipc/wanted_image.h"

namespace airlock::ipc {

// Descriptors: 0 the image file or a pipe with its bytes; 1 the signature, when hasSignature.
struct ImportRequest {
  std::optional<ImageName> name;  // what was asked for; without it the manifest's own name counts
  std::vector<Label> labels;      // that the manifest must have
  std::string origin;             // where it came from, for the record only
  bool hasSignature = false;
  bool skipSignature = false;  // --insecure-options=image: only if policy grants it
};

// Descriptors: 0, 1, 2 the standard streams; then one per Host volume in order; then one sealed BPF
// program per app with hasExtraFilter; then each app's sockets; then each app's own streams.
struct RunRequest {
  PodSpec pod;              // id is ignored
  std::string podManifest;  // JSON for `cat-manifest`; stored and measured as bytes, never parsed
  std::optional<AppName> name;        // of the pod; ignored with `prepared`
  bool prepare = false;               // keep it for a later request, start nothing
  std::optional<PodId> prepared;      // the prepared pod that is to be started
  std::optional<PodId> sandbox = {};  // the pod that the one app here is added to, or started in
};

// Descriptors: 0, 1, 2 the standard streams.
struct EnterRequest {
  PodId pod;
  EnterSpec enter;
};
// No descriptors.
struct AttachRequest {
  PodId pod;
  AttachSpec attach;
};
// Descriptors: 0 the file that the image is written to; 1 its manifest, sealed; 2 a pipe for how it
// ended.
struct ExportRequest {
  PodId pod;
  AppName app;
};
struct StopRequest {
  PodId pod;
  bool force = false;
  std::optional<AppName> app = {};  // that was added to the pod: it alone
};
struct RemovePodRequest {
  PodId pod;
  std::optional<AppName> app = {};  // likewise
};
struct CollectGarbageRequest {
  std::uint64_t graceSeconds = 1800;
  std::uint64_t expirePreparedSeconds = 86400;
  bool markOnly = false;
};
struct RemoveImageRequest {
  ImageId image;
};
struct VerifyImageRequest {
  ImageId image;
};
// Every image that was not used for so long, that no pod uses and that the caller may remove.
struct CollectImagesRequest {
  std::uint64_t graceSeconds = 86400;
};
// The image file as it came, or the tree that runs, for reading.
struct OpenImageRequest {
  ImageId image;
  bool tree = false;
};
// "Would it be allowed?": the same decision as the real request takes, and nothing else happens.
struct ExplainRequest {
  std::variant<ImportRequest, RunRequest> what;
  std::optional<std::uint32_t> asUser;  // root may ask for somebody else
};
struct ReportRequest {};  // which layers this host enforces, and the TPM register with its log

// Descriptors: 0 the manifest, 1 the config, 2 the sealed signatures; 3 the index, when hasIndex.
// The layers follow: OciLayerFile.
struct ImportOciRequest {
  ImageName name;
  std::vector<Label> labels;
  std::string origin;
  bool hasIndex = false;
  bool skipSignature = false;  // only if policy grants it
};
// Over the same connection.  Descriptors: 0 the layer, a regular file or a pipe.
struct OciLayerFile {
  std::uint32_t index = 0;  // in the manifest
};
Result<std::string> encode(const OciLayerFile& layer);
Result<OciLayerFile> decodeOciLayerFile(std::string_view bytes);

using HelperRequest =
    std::variant<ImportRequest, RunRequest, EnterRequest, StopRequest, RemovePodRequest,
                 CollectGarbageRequest, RemoveImageRequest, VerifyImageRequest, ExplainRequest,
                 ReportRequest, AttachRequest, ExportRequest, CollectImagesRequest,
                 OpenImageRequest, ImportOciRequest, AttestRequest>;

// --- replies
// ------------------------------------------------------------------------------------------------------
struct Signer {
  KeyFingerprint fingerprint;
  std::string userId;  // "Joe Packager <joe@example.com>", from the key; escape before showing
  SignatureKind kind = SignatureKind::Unsaid;
  bool operator==(const Signer&) const = default;
};
struct Imported {
  ImageId image;
  ImageName name;
  std::vector<Label> labels;
  std::vector<Signer> signers;  // empty: not verified
  bool alreadyThere = false;
};
// The answer to an import that could have succeeded: these are to be imported first.
struct DependenciesMissing {
  std::vector<WantedImage> images;
};
struct RemovedImage {
  ImageId image;
  std::string name;
};
struct ImagesCollected {
  std::vector<RemovedImage> removed;
  bool more = false;  // more could be removed than one answer can name: ask again
};
struct LayersWanted {                 // of an ImportOciRequest; not the last answer to it
  std::vector<std::uint32_t> layers;  // by their number in the manifest, rising
};
// Descriptors: the files.
struct ImageOpened {};
// A layer of protection and whether it holds, as told to the user and written into the pod's
// record.
struct Layer {
  std::string name;  // "seccomp", "selinux", "cgroup", "measurement", "content", …
  bool enforced = false;
  std::string detail;  // why not, or how
  bool operator==(const Layer&) const = default;
};
// Descriptors: 0 a pidfd of the pod's PID 1, 1 the leash.
struct Started {
  PodId pod;
  std::vector<Layer> layers;
};
struct Prepared {  // of a RunRequest with `prepare`
  PodId pod;
};
// Descriptors: 0 a pidfd of the entering process, 1 its leash.
struct Entered {};
// Descriptors: 0 a connection to PID 1 of the pod.
struct Attached {};
struct Done {};  // stop, remove, export
struct Collected {
  std::vector<PodId> marked;   // exited, now in exited-garbage
  std::vector<PodId> waiting;  // still within the grace period
  std::vector<PodId> removed;
  std::vector<std::string> problems;  // one line per pod that could not be removed; the others were
  std::vector<PodId> expired;         // prepared for too long, now garbage
  std::vector<PodId> aborted;         // never prepared to the end, now garbage
};
struct ImageVerified {
  bool treeIntact = false;      // the EROFS image has the digest of its catalog record
  bool signatureHolds = false;  // the kept file and signature still verify with the keys of today
  std::string detail;
};
struct Explained {
  bool allowed = false;
  std::string rule;  // "/etc/airlock/policy.d/20-site.policy:4: allow group:airlock run …"
  std::vector<std::string> reasons;
};
struct PcrBank {
  std::string algorithm;  // "sha256"
  std::string value;      // hex
  bool operator==(const PcrBank&) const = default;
};
// Descriptors: 0 the measurement log, open for reading, when hasLog.
struct Reported {
  std::vector<Layer> layers;
  std::string tpm;  // "hardware", "software" or "none"
  std::uint32_t pcr = 0;
  std::vector<PcrBank> banks;
  std::string measureMode;  // "require", "log", "off"
  bool hasLog = false;
};
struct Progress {
  std::string step;  // "verify", "unpack", …
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: unknown
};

// Progress may come any number of times; every other reply is the last one.
using HelperReply = std::variant<Failure, Progress, Imported, Started, Entered, Done, Collected,
                                 ImageVerified, Explained, Reported, Attached, DependenciesMissing,
                                 ImagesCollected, ImageOpened, Prepared, LayersWanted, Attested>;

Result<std::string> encode(const HelperRequest& request);
Result<HelperRequest> decodeHelperRequest(std::string_view bytes);
Result<std::string> encode(const HelperReply& reply);
Result<HelperReply> decodeHelperReply(std::string_view bytes);

}  // namespace airlock::ipc
