# SPDX-License-Identifier: Apache-2.0
# What the CLI asks of airlock-fetch, and what it hears back.
@0x97613dd4df76eecf;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";

# Sent once by the CLI that started the fetcher.  Checked: one job and exactly its descriptors; else Failure.
struct FetchJob {
  union {
    unset @0 :Void;           # refused
    image @1 :FetchImageJob;
    keys @2 :FetchKeysJob;
    oci @3 :FetchOciJob;
  }
}
# Part of every job.
struct FetchOptions {
  allowHttp @0 :Bool;
  skipTlsCheck @1 :Bool;
  proxy @2 :Data;             # as https_proxy had it, or empty
  noProxy @3 :Data;
  mostBytes @4 :UInt64;       # of the image
  credentials @5 :List(Credential);
}
# Part of FetchOptions: what one host is told, over TLS alone.  Never in an event.
struct Credential {
  host @0 :Text;              # "example.com" or "example.com:8443", lower case; without a port: 443
  user @1 :Data;              # or the id of an access key
  secret @2 :Data;            # password, token, secret access key
  region @3 :Text;            # aws
  union {
    unset @4 :Void;           # refused
    basic @5 :Void;
    bearer @6 :Void;
    aws @7 :Void;             # Signature Version 4 for s3
    identity @8 :Void;        # secret is an identity token: a token server takes it for a password
  }
}
# Descriptors: 0 the partial file of the image (written from resumeFrom on), 1 an empty file for the signature; 2 a CA
# bundle, when hasCaBundle.
struct FetchImageJob {
  options @0 :FetchOptions;
  hasCaBundle @1 :Bool;
  name @2 :Text;              # discover this name …
  labels @3 :List(Types.Label);
  url @4 :Text;               # … or take this URL (and name is empty)
  signatureUrl @5 :Text;      # "": derived from the image's
  wantSignature @6 :Bool;
  knownUrl @7 :Text;          # resume and cache apply only if the URL found is this one
  resumeFrom @8 :UInt64;
  resumeTag @9 :Data;         # header values are bytes
  cachedTag @10 :Data;
}
# Descriptors: 0 an empty file for the keys, concatenated; 1 a CA bundle, when hasCaBundle.
struct FetchKeysJob {
  options @0 :FetchOptions;
  hasCaBundle @1 :Bool;
  prefix @2 :Text;            # discover keys for it …
  url @3 :Text;               # … or take this URL
}
# Descriptors: 0 an empty file for the documents, one behind the other; then the archive, when that is the source; then a
# CA bundle, when hasCaBundle; then of each endpoint its CA bundle, its client certificate and the key of that, as its
# flags say.  Files of a layout and of a directory of signatures are asked for one by one (OciFileWanted).
struct FetchOciJob {
  options @0 :FetchOptions;   # mostBytes: of one layer; credentials as for other jobs, and those of token servers' users
  hasCaBundle @1 :Bool;
  source :union {
    unset @2 :Void;           # refused
    registry @3 :List(OciEndpoint);  # in this order; the last one is the registry itself
    layout @4 :Void;
    ociArchive @5 :Void;
    dockerArchive @6 :Void;
  }
  tag @7 :Text;               # or, of a local source, the reference; empty: its only image
  digest @8 :Data;            # of the manifest or index; empty: what the tag names
  platform @9 :OciPlatform;
  wantSigstore @10 :Bool;     # cosign's tag, and the bundles that refer to the image
  lookasides @11 :List(Text); # URLs of the place of this repository's simple signatures
  lookasideDirectories @12 :UInt8;  # that the CLI has, beside those URLs
  knownDigest @13 :Data;      # of a manifest that the caller has; empty: none
  requestedName @14 :Text;    # the repository as the user meant it: part of a lookaside's path
}
# Part of FetchOciJob.
struct OciEndpoint {
  host @0 :Text;              # "example.com:5000", lower case
  repository @1 :Text;
  allowHttp @2 :Bool;
  skipTlsCheck @3 :Bool;
  hasCaBundle @4 :Bool;       # trusted beside the job's
  hasClientCertificate @5 :Bool;
}
# In Go's names ("linux", "arm64", "v8").
struct OciPlatform {
  os @0 :Text;
  architecture @1 :Text;
  variant @2 :Text;
}
# Sent by the CLI in answer to OciDocuments: layers that it lacks, with a regular file open for writing for each, in the
# same order.  As many messages as it takes; the last one says so.
struct FetchLayers {
  layers @0 :List(WantedLayer);
  last @1 :Bool;
}
# Part of FetchLayers.
struct WantedLayer {
  index @0 :UInt32;           # in OciDocuments
  resumeFrom @1 :UInt64;      # so many bytes are in the file already; they are hashed first
}
# Sent by the CLI in answer to OciFileWanted, with a regular file open for reading, or why there is none.
struct OfferedFile {
  union {
    unset @0 :Void;           # refused
    file @1 :Void;
    failure @2 :Types.Failure;
  }
}

# Sent by the fetcher, no descriptors.  Hostile: it has talked to the network.  Notes, found and progress at any time;
# ociFile asks for an OfferedFile, ociDocuments for FetchLayers, ociLayer follows it; the others end the job.  The CLI escapes every text before showing it, and believes nothing but "these bytes are in the
# files that I opened".  A broken frame ends the fetcher and the command.
struct FetchEvent {
  union {
    unset @0 :Void;           # refused
    failure @1 :Types.Failure;
    note @2 :FetchNote;
    found @3 :FetchFound;
    progress @4 :FetchProgress;
    image @5 :FetchedImage;
    keys @6 :FetchedKeys;
    ociDocuments @7 :OciDocuments;
    ociUnchanged @8 :OciUnchanged;
    ociLayer @9 :OciLayerDone;
    ociDone @10 :Void;
    ociFile @11 :OciFileWanted;
  }
}
# One line for the user.
struct FetchNote {
  text @0 :Text;
}
# What the image will be downloaded from; again with the tag when it begins to come.
struct FetchFound {
  url @0 :Text;
  signatureUrl @1 :Text;
  tag @2 :Data;               # ETag, or Last-Modified: what a later job resumes with
}
# For the progress line.
struct FetchProgress {
  label @0 :Text;
  done @1 :UInt64;
  total @2 :UInt64;           # 0: unknown
}
# Ends a FetchImageJob.
struct FetchedImage {
  url @0 :Text;
  tag @1 :Data;               # ETag, or Last-Modified
  maxAge @2 :Int64;           # seconds
  bytes @3 :UInt64;
  notModified @4 :Bool;
  hasSignature @5 :Bool;
}
# Ends a FetchKeysJob: (URL, size) in the order in which the keys stand in the file.
struct FetchedKeys {
  keys @0 :List(FetchedKey);
}
# Part of FetchedKeys.
struct FetchedKey {
  url @0 :Text;
  bytes @1 :UInt64;
}
# What the image consists of.  In the file, one behind the other: the index, the manifest, the config, and of each
# attachment its content and its annotations.
struct OciDocuments {
  manifestDigest @0 :Data;
  indexDigest @1 :Data;       # empty: the manifest was not chosen from an index
  mediaType @2 :Text;         # of the manifest
  indexBytes @3 :UInt64;
  manifestBytes @4 :UInt64;
  configBytes @5 :UInt64;
  attachments @6 :List(OciAttachment);
  layers @7 :List(OciLayer);  # as the manifest has them, the lowest first
  platform @8 :OciPlatform;   # of the config
  sourceName @9 :Text;        # what a local source calls the image, or empty
}
# Part of OciDocuments: a signature of the manifest or of the index.
struct OciAttachment {
  ofIndex @0 :Bool;
  bytes @1 :UInt64;
  annotationBytes @2 :UInt64; # of a JSON object of texts
  union {
    unset @3 :Void;           # refused
    cosign @4 :Void;          # simple signing payload; signature, certificate … are in the annotations
    sigstoreBundle @5 :Void;  # application/vnd.dev.sigstore.bundle.v0.3+json
    simpleSigning @6 :Void;   # an OpenPGP message that has the payload in it
  }
}
# Part of OciDocuments.
struct OciLayer {
  digest @0 :Data;
  size @1 :UInt64;
  mediaType @2 :Text;
}
# Ends a FetchOciJob: the source still has knownDigest.
struct OciUnchanged {
  manifestDigest @0 :Data;
  indexDigest @1 :Data;
}
# This layer is in its file, whole, and has its digest.
struct OciLayerDone {
  index @0 :UInt32;
}
# A file of what the caller named, which may be readable for the caller alone.  No path: the CLI knows where it is.
struct OciFileWanted {
  union {
    unset @0 :Void;           # refused
    layoutVersion @1 :Void;   # oci-layout
    layoutIndex @2 :Void;     # index.json
    blob @3 :Data;            # blobs/sha256/…
    simpleSignature :group {  # REPOSITORY@sha256=…/signature-N
      place @4 :UInt8;        # of lookasideDirectories
      digest @5 :Data;
      number @6 :UInt8;
    }
  }
}
