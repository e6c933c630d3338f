# SPDX-License-Identifier: Apache-2.0
# One job and one answer per airlock-verify process, over fd 3.
@0xb7254bf79336d85c;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";

# Sent once by whoever started the role: the helper, or the CLI for a user's own store.  Checked: one job, the role's
# own kind, exactly the descriptors named below.  Anything else: the role answers Failure and exits.
struct VerifyJob {
  union {
    unset @0 :Void;           # so that an empty message asks for nothing; refused
    authenticate @1 :AuthenticateJob;
    inflate @2 :InflateJob;
    unpack @3 :UnpackJob;
    check @4 :CheckJob;
    inspectKey @5 :InspectKeyJob;
    render @6 :RenderJob;     # of the role unpack
    extract @7 :ExtractJob;
    layer @8 :LayerJob;       # of the role unpack
    describe @9 :DescribeJob;
    vouch @10 :VouchJob;      # of the role authenticate
  }
}

# Descriptors: 0 the signed file (a pipe with its bytes, or the file), 1 the signature, 2 the sealed KeyBundle.
struct AuthenticateJob {
  notBefore @0 :Int64;        # seconds since 1970: the clock is not believed when it says less
}
# Descriptors: 0 compressed bytes (file or pipe), 1 a pipe for the inflated ones.
struct InflateJob {
  most @0 :UInt64;            # bytes that may come out; one more ends the job with Failure
  layer @1 :Bool;             # of an OCI image: several compressed streams may follow each other
}
# Descriptors: 0 the tar (a pipe), 1 the empty file for the EROFS image, 2 an empty file for the manifest.
struct UnpackJob {}
# Descriptors: 0 the sealed RenderPlan, 1 the empty file for the EROFS image, 2 an empty file for the role's own use, then
# the tar (a pipe) of each image of the plan, in its order.
struct RenderJob {
  images @0 :UInt32;          # how many tars there are
}
# Descriptors: 0 the tar of a layer (a pipe), 1 the empty file for its EROFS image, then the EROFS images of the layers
# below it, the nearest first, where the sender was asked for them.
struct LayerJob {
  bottom @0 :Bool;            # nothing is below
  lowers @1 :UInt32;
  skip @2 :List(UInt32);      # entries that are not read, in rising order
}
# Descriptors: 0 the manifest of an OCI image, 1 its config, 2 an empty file for appc's manifest, 3 the index that it was
# chosen from, with hasIndex: it must name the manifest.  The digest is the sender's own, of the bytes in 0.
struct DescribeJob {
  name @0 :Text;
  labels @1 :List(Types.Label);
  manifest @2 :Data;          # 32 bytes
  hasIndex @3 :Bool;
}
# Descriptors: 0 the sealed OciSignatures, 1 the sealed KeyBundle.  Which of the signatures are of this manifest or index, for
# this repository, by which of the keys?
struct VouchJob {
  signed @0 :List(Data);      # 32 bytes each: digests of the manifest, and of the index if there is one
  name @1 :Text;              # of the image: the repository that it was signed for
  version @2 :Text;           # tag, or empty
  notBefore @3 :Int64;        # as in AuthenticateJob
}
# Descriptors: 0 the EROFS image.
struct CheckJob {
  layer @0 :Bool;             # of an OCI image: it may have whiteouts and opaque directories
}
# Descriptors: 0 a pipe for the tree (ipc/tree_stream.h), then the EROFS images, the topmost first.
struct ExtractJob {
  layers @0 :UInt32;          # how many there are; 0 of an older sender: one
}
# Descriptors: 0 a key file: OpenPGP, minisign, or a PEM public key.
struct InspectKeyJob {}

# Sent once by the role, no descriptors.  Hostile: the role has read foreign bytes.  The receiver checks that the answer
# is of the job's kind, that fingerprints are among those it gave, and computes every digest itself.  Failure, silence,
# a broken frame and the wrong kind all end the import with nothing kept.
struct VerifyReply {
  union {
    unset @0 :Void;           # refused
    failure @1 :Types.Failure;
    authenticated @2 :Authenticated;
    inflated @3 :Inflated;
    unpacked @4 :Unpacked;
    checked @5 :Checked;
    keyFacts @6 :KeyFacts;
    rendered @7 :Rendered;
    extracted @8 :Extracted;
    layered @9 :Layered;
    described @10 :Described;
  }
}

# Answer to AuthenticateJob.  accepted: at least one good signature, and no bad one by a trusted key.
struct Authenticated {
  accepted @0 :Bool;
  signatures @1 :List(SignatureVerdict);
}
# What one signature is worth.  Part of Authenticated.
struct SignatureVerdict {
  code @0 :Text;              # "good", or the E_SIG_… that says why not
  fingerprint @1 :Text;       # of the primary key where known, else the key id that the signature names
  userId @2 :Text;
  hash @3 :Text;
  created @4 :Int64;          # seconds since 1970
  kind @5 :Text;              # ipc/signature_kind.h; empty: of the only kind that its job knows
  detail @6 :Text;            # what is wrong with it, for the refusal alone
  loggedAt @7 :Int64;         # when a trusted transparency log took it in; 0: none was asked
}
# Answer to InflateJob.  The receiver has counted and hashed the bytes itself.
struct Inflated {
  filter @0 :Text;            # "none", "gzip", "bzip2", "xz", "zstd"
  bytesIn @1 :UInt64;
  bytesOut @2 :UInt64;
}
# Answer to UnpackJob.  The name is compared with what was asked for; it never becomes a path.
struct Unpacked {
  name @0 :Text;
  labels @1 :List(Types.Label);
  entries @2 :UInt64;
  dependencies @3 :List(Types.WantedImage);  # of the manifest, in its order
  hasWhitelist @4 :Bool;      # the manifest has a pathWhitelist: its tree has to be rendered
}
# Answer to RenderJob.
struct Rendered {
  entries @0 :UInt64;
}
# Answer to ExtractJob.
struct Extracted {
  entries @0 :UInt64;
}
# Answer to LayerJob.  With entries that later ones replace, or with layers below needed, there is no image: the job is to be
# given again, with these left out or those at hand.
struct Layered {
  entries @0 :UInt64;
  leftOut @1 :UInt64;         # device nodes and FIFOs
  superseded @2 :List(UInt32);
  needsLowers @3 :Bool;
  hangsOnPlace @4 :Bool;      # on other layers the same archive would be another image
}
# Answer to DescribeJob.  The receiver has hashed manifest and config itself.
struct Described {
  config @0 :OciBlob;
  layers @1 :List(OciBlob);   # the bottom one first
  labels @2 :List(Types.Label);
}
# A blob as a manifest names it.  Part of Described.
struct OciBlob {
  digest @0 :Data;            # 32 bytes
  bytes @1 :UInt64;
}
# Answer to CheckJob: the image is exactly what our writer would have written.
struct Checked {}
# Answer to InspectKeyJob.
struct KeyFacts {
  fingerprint @0 :Text;
  subkeys @1 :List(Text);
  userIds @2 :List(Text);
}

# The content of the sealed memfd beside an AuthenticateJob: at most 64 keys and 4 MiB.  Written by the job's sender,
# its seals are checked by the role before the first read.
struct KeyBundle {
  keys @0 :List(TrustedKey);
}
# A key trusted for the image in question, as its file has it.  Part of KeyBundle.
struct TrustedKey {
  fingerprint @0 :Text;
  content @1 :Data;           # at most 1 MiB
  log @2 :Bool;               # of a transparency log: it proves entries, and vouches for no image
}

# The content of the sealed memfd beside a RenderJob: at most 4 MiB.  Written by the store's owner, who has parsed none of
# it; the role has to take the manifests for hostile.
struct RenderPlan {
  images @0 :List(PlannedImage);  # the image itself first, then its dependencies as appc orders them
}
# Part of RenderPlan.
struct PlannedImage {
  manifest @0 :Data;          # at most 1 MiB: its pathWhitelist counts for it and for what it depends on
  depth @1 :UInt32;           # 0 for the first alone; the image before it of one less depends on it
}

# The content of the sealed memfd beside a VouchJob, and of the file that the store keeps: at most 64 signatures and 4 MiB.
# Written by the CLI from what a registry sent: hostile.
struct OciSignatures {
  signatures @0 :List(OciSignature);
}
# Part of OciSignatures.
struct OciSignature {
  content @0 :Data;           # cosign: what was signed; else the whole of it
  annotations @1 :Data;       # JSON object of texts: of cosign the signature, certificate and proof are in it
  union {
    unset @2 :Void;           # refused
    cosign @3 :Void;          # of the tag sha256-….sig
    bundle @4 :Void;          # sigstore's, of the referrers API
    simple @5 :Void;          # of containers: an OpenPGP signed message
  }
}
