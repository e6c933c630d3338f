# SPDX-License-Identifier: Apache-2.0
# What airlock-measure is told to record, and what it says.
@0xdc96b2bb540a4831;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";
using Attest = import "attest.capnp";

# Sent once by the helper that started the process.  Descriptors: 0 the log directory; 1 the TPM (character device or
# connected socket), when hasTpm; then the passwords of an AttestRequest.  The texts may come from a signed image: they go into canonical JSON and nowhere else.
# Failure: nothing more is recorded, and in mode `require` the helper does not start the pod.
struct MeasureJob {
  mode @0 :Mode;
  pcr @1 :UInt32;             # 0 to 23
  hasTpm @2 :Bool;
  softwareTpm @3 :Bool;
  engine @4 :EngineFacts;
  images @5 :List(ImageFacts);
  event :union {
    none @6 :Void;
    pod @7 :PodFacts;
    enter @8 :EnterFacts;
    abort @9 :AbortFacts;
  }
  readOnly @10 :Bool;         # only report the register
  attest @11 :AttestJob;      # instead of images and event: answered by Attested

  enum Mode {
    require @0;
    log @1;
    off @2;
  }
}
# Something with the keys of the TPM.  A quote is of a log that is whole and leads to the register, or there is none: the
# engine's facts are brought up to date first, as before a pod, and in every mode as if it were `require`.
struct AttestJob {
  request @0 :Attest.AttestRequest;
  keyHandle @1 :UInt32;       # of the attestation key: 0x81000000 to 0x817fffff
  callerUid @2 :UInt32;       # each user gets one quote in a second
}
# The facts of the engine: measured at first use in a boot, and again when one changes.
struct EngineFacts {
  version @0 :Text;
  programs @1 :List(Types.NamedDigest);  # sorted by name
  bootId @2 :Text;
  policy @3 :Data;
  policySummary @4 :Text;     # at most 16 KiB
  trust @5 :Data;
  trusted @6 :List(Types.NamedText);     # (scope, fingerprint)
  layers @7 :List(Types.Layer);
  trustFiles @8 :Data;        # over the key files; of an older sender empty
}
# One image of the pod; recorded once in a boot.
struct ImageFacts {
  image @0 :Data;
  name @1 :Text;
  labels @2 :List(Types.Label);
  tree @3 :Data;
  content @4 :Text;           # "verity:sha256-…", "rehash" or "store-trust"
  signers @5 :List(Text);
  rule @6 :Text;
  origin @7 :Text;
  insecure @8 :Bool;
  dependencies @9 :List(Text);  # "name sha512-…" of each image that the tree was rendered with
  layers @10 :List(Data);     # of an OCI image: 32 bytes each, the bottom one first
}
# A pod is about to start.
struct PodFacts {
  pod @0 :Data;
  manifest @1 :Data;
  spec @2 :Data;
  stage1 @3 :Text;
  stage1Digest @4 :Data;
  apps @5 :List(Types.NamedDigest);      # (app, image id)
  callerUid @6 :UInt32;
  firstUid @7 :UInt32;
  network @8 :Text;
  volumes @9 :List(Text);     # "name:host:ro"
  selinux @10 :Text;          # type of the pod's processes; "": not labelled
  audit @11 :Text;            # "sha256-<hex>" of the line of the audit record that says so; "": there is none
}
# Somebody is about to enter a pod.
struct EnterFacts {
  pod @0 :Data;
  app @1 :Text;
  arguments @2 :Data;         # digest
  callerUid @3 :UInt32;
  audit @4 :Text;             # as in PodFacts
}
# A start that was recorded did not happen.
struct AbortFacts {
  pod @0 :Data;
  reason @1 :Text;
}

# Sent once by airlock-measure, no descriptors.  The helper acts only on "Measured or not"; the values are for display.
struct MeasureReply {
  union {
    unset @0 :Void;           # refused
    failure @1 :Types.Failure;
    measured @2 :Measured;
    attested @3 :Attest.Attested;
  }
}
# The job is done: the records are on disk and, with a TPM, in the register.
struct Measured {
  records @0 :UInt64;
  banks @1 :List(Types.PcrBank);
  anchor @2 :Text;            # "hardware", "software" or "none"
}
