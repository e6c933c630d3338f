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

# Sent by the fetcher, no descriptors.  Hostile: it has talked to the network.  Notes, found and progress at any time; the
# others end the job.  The CLI escapes every text before showing it, and believes nothing but "these bytes are in the
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
