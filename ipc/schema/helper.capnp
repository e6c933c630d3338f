# SPDX-License-Identifier: Apache-2.0
# What airlock-helper can be asked, and its answers: one connection, one request.
@0xe60ea2b75c3dbe1f;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";
using Pod = import "pod.capnp";
using Attest = import "attest.capnp";

# Sent by the CLI, once per connection.  Hostile until checked.  No field that the kernel can tell (uid, pid, cgroup), no
# path and no URL that anything would be opened by.  Checked for each: frame, shape, exact number and kind of
# descriptors, then policy.  On any failure: one Failure, every descriptor closed, no state changed.
struct HelperRequest {
  union {
    unset @0 :Void;           # refused
    import @1 :ImportRequest;
    run @2 :RunRequest;
    enter @3 :EnterRequest;
    stop @4 :StopRequest;
    removePod @5 :RemovePodRequest;
    collectGarbage @6 :CollectGarbageRequest;
    removeImage @7 :RemoveImageRequest;
    verifyImage @8 :VerifyImageRequest;
    explain @9 :ExplainRequest;
    report @10 :ReportRequest;
    attach @11 :AttachRequest;
    export @12 :ExportRequest;
    collectImages @13 :CollectImagesRequest;
    openImage @14 :OpenImageRequest;
    importOci @15 :ImportOciRequest;
    attest @16 :Attest.AttestRequest;
  }
}

# Descriptors, all sealed: 0 the manifest, 1 the config, 2 OciSignatures (ipc/schema/verify.capnp); 3 the index that the
# manifest was chosen from, when hasIndex.  Answer: LayersWanted, when the image may be kept; then the sender gives each of
# those with one OciLayerFile, in any order, and hears Imported.  Nothing is kept before the last of them has come.
struct ImportOciRequest {
  name @0 :Text;              # of the repository
  labels @1 :List(Types.Label);
  origin @2 :Text;            # for the record only
  hasIndex @3 :Bool;
  skipSignature @4 :Bool;     # only if policy grants it
}
# Over the connection of an ImportOciRequest.  Descriptors: 0 the layer as it was distributed, a regular file or a pipe.
# Checked: it is one of those wanted, it has not come before, and its bytes have the digest.
struct OciLayerFile {
  index @0 :UInt32;           # in the manifest
}

# Descriptors: 0 the image file or a pipe with its bytes; 1 the signature, when hasSignature.  Answer: Imported, or
# DependenciesMissing.  Both that and Failure leave the store as it was.
struct ImportRequest {
  name @0 :Text;              # what was asked for; "": the manifest's own name counts
  labels @1 :List(Types.Label);
  origin @2 :Text;            # for the record only
  hasSignature @3 :Bool;
  skipSignature @4 :Bool;     # only if policy grants it
}
# Descriptors: 0, 1, 2 the standard streams; then one per Host volume in order; then one sealed BPF program per app with
# hasExtraFilter; then for each app its sockets, in order; then for each app its own input, output and errors.  Checked
# beyond number: a socket is a bound TCP or UDP one, as its SocketSpec says, and a TCP one listens.  Policy is asked
# whether sockets of the host's network may pass, and counts any other IP socket among the descriptors as one.
# Answer: Started; Prepared with `prepare`, where nothing is measured, mounted or started and the streams are dropped.
# Failure leaves no pod, and a prepared one as it was.  With `prepared` beyond all this: the pod is prepared, the caller
# owns it or policy lets them at any, and manifest, apps and images are the prepared ones, byte for byte.  With `sandbox`
# the same of one app: `prepare` adds it to the running pod, without it it is started as it was added.
struct RunRequest {
  pod @0 :Pod.PodSpec;
  podManifest @1 :Text;       # JSON, at most 48 KiB; stored and measured as bytes, never parsed
  name @2 :Text;              # of the pod, unique among those that exist; "": none; ignored with `prepared`
  prepare @3 :Bool;           # not started yet: kept for a request with `prepared`
  prepared @4 :Data;          # the id of the prepared pod that is meant; empty: a new one
  sandbox @5 :Data;           # the running sandbox that the app of `pod` is added to, or with `prepare` false started in
}
# Descriptors: 0, 1, 2 the standard streams.  Answer: Entered.  Checked: the pod is running and the caller may enter it.
struct EnterRequest {
  pod @0 :Data;
  enter @1 :Pod.EnterSpec;
}
# No descriptors.  Answer: Attached.  Checked: as for an EnterRequest; what is not kept by PID 1 is refused.
struct AttachRequest {
  pod @0 :Data;
  attach @1 :Pod.AttachSpec;
}
# Descriptors: 0 the file that the image is written to; 1 its manifest, a sealed memfd; 2 a pipe that says "ok" at the end,
# or what went wrong.  Answer: Done, when the writing has begun.  Checked: the pod has exited, and the caller may remove it.
struct ExportRequest {
  pod @0 :Data;
  app @1 :Text;
}
# No descriptors.  Answer: Done.
struct StopRequest {
  pod @0 :Data;
  force @1 :Bool;
  app @2 :Text;               # this added app of a sandbox alone; "": the pod
}
# No descriptors.  Answer: Done.  A running pod, or app, is refused.
struct RemovePodRequest {
  pod @0 :Data;
  app @1 :Text;               # this added app of a running sandbox alone; "": the pod
}
# No descriptors.  Answer: Collected.
struct CollectGarbageRequest {
  graceSeconds @0 :UInt64;
  expirePreparedSeconds @1 :UInt64;
  markOnly @2 :Bool;
}
# No descriptors.  Answer: Done.  An image in use is refused.
struct RemoveImageRequest {
  image @0 :Data;
}
# No descriptors.  Answer: ImageVerified.
struct VerifyImageRequest {
  image @0 :Data;
}
# No descriptors.  Answer: ImagesCollected.  Checked for each image: the caller may remove it, no pod uses it and no image
# that stays was rendered with it.
struct CollectImagesRequest {
  graceSeconds @0 :UInt64;    # for which an image is kept after it was used
}
# No descriptors.  Answer: ImageOpened.  Checked: the caller may run the image, and so read all of it.
struct OpenImageRequest {
  image @0 :Data;
  tree @1 :Bool;              # the trees that run, EROFS images, the topmost first; else the files as they came
}
# "Would it be allowed?": the decision of the real request, and nothing else happens.  No descriptors.  Answer:
# Explained.  Checked: only root may ask for another user.
struct ExplainRequest {
  union {
    unset @0 :Void;           # refused
    import @1 :ImportRequest;
    run @2 :RunRequest;
  }
  hasAsUser @3 :Bool;
  asUser @4 :UInt32;          # 0 when hasAsUser is false
}
# No descriptors.  Answer: Reported.
struct ReportRequest {}

# Sent by the helper; the CLI checks that the other end is root.  Progress any number of times, then one other reply.
# A broken frame ends the command with an error; the helper's work may still have been done.
struct HelperReply {
  union {
    unset @0 :Void;           # refused
    failure @1 :Types.Failure;
    progress @2 :Progress;
    imported @3 :Imported;
    started @4 :Started;
    entered @5 :Entered;
    done @6 :Done;
    collected @7 :Collected;
    imageVerified @8 :ImageVerified;
    explained @9 :Explained;
    reported @10 :Reported;
    attached @11 :Attached;
    dependenciesMissing @12 :DependenciesMissing;
    imagesCollected @13 :ImagesCollected;
    imageOpened @14 :ImageOpened;
    prepared @15 :Prepared;
    layersWanted @16 :LayersWanted;
    attested @17 :Attest.Attested;
  }
}

# No descriptors.
struct Progress {
  step @0 :Text;
  done @1 :UInt64;
  total @2 :UInt64;           # 0: unknown
}
# Answer to ImportRequest.  No descriptors.
struct Imported {
  image @0 :Data;
  name @1 :Text;
  labels @2 :List(Types.Label);
  signers @3 :List(Types.Signer);  # empty: not verified
  alreadyThere @4 :Bool;
}
# Answer to ImportRequest: an image that may be kept and needs others, which the store does not have.  No descriptors.
struct DependenciesMissing {
  images @0 :List(Types.WantedImage);
}
# Answer to CollectImagesRequest.  No descriptors.
struct ImagesCollected {
  removed @0 :List(RemovedImage);
  more @1 :Bool;              # there are more than fit into one answer: ask again
}
# Part of ImagesCollected.
struct RemovedImage {
  image @0 :Data;
  name @1 :Text;
}
# Answer to ImportOciRequest, before the last one.  No descriptors.
struct LayersWanted {
  layers @0 :List(UInt32);    # by their number in the manifest, rising; may be none
}
# Answer to OpenImageRequest.  Descriptors: the files, open for reading.  Of an ACI one; of an OCI image its layers' trees,
# or its manifest, config, index if there is one, and layers, the bottom one first.
struct ImageOpened {}
# Answer to RunRequest.  Descriptors: 0 a pidfd of the pod's PID 1, 1 the leash.
struct Started {
  pod @0 :Data;
  layers @1 :List(Types.Layer);
}
# Answer to RunRequest with `prepare`.  No descriptors.
struct Prepared {
  pod @0 :Data;
}
# Answer to EnterRequest.  Descriptors: 0 a pidfd of the entering process, 1 its leash.
struct Entered {}
# Answer to AttachRequest.  Descriptors: 0 a connection to the pod's PID 1, which speaks as ipc/pod_spec.h says.
struct Attached {}
# Answer to StopRequest, RemovePodRequest, RemoveImageRequest and ExportRequest.  No descriptors.
struct Done {}
# Answer to CollectGarbageRequest.  No descriptors.  The ids of each list stand one behind the other, 16 bytes each.
struct Collected {
  marked @0 :Data;
  waiting @1 :Data;
  removed @2 :Data;
  problems @3 :List(Text);    # at most 64, the last of them says how many more
  expired @4 :Data;           # prepared for too long, now garbage
  aborted @5 :Data;           # never prepared to the end, now garbage
}
# Answer to VerifyImageRequest.  No descriptors.
struct ImageVerified {
  treeIntact @0 :Bool;
  signatureHolds @1 :Bool;
  detail @2 :Text;
}
# Answer to ExplainRequest.  No descriptors.
struct Explained {
  allowed @0 :Bool;
  rule @1 :Text;
  reasons @2 :List(Text);
}
# Answer to ReportRequest.  Descriptors: 0 the measurement log, open for reading, when hasLog.
struct Reported {
  layers @0 :List(Types.Layer);
  tpm @1 :Text;               # "hardware", "software" or "none"
  pcr @2 :UInt32;
  banks @3 :List(Types.PcrBank);
  measureMode @4 :Text;       # "require", "log", "off"
  hasLog @5 :Bool;
}
