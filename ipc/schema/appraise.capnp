# SPDX-License-Identifier: Apache-2.0
# What airlock-attest is asked about evidence that another host has sent, and what came of it.
@0xb83c5f0de1726a49;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";

# Sent once by the CLI that started the process.  Everything that is large or foreign is behind a descriptor.
struct AppraiseJob {
  union {
    unset @0 :Void;           # refused
    verify @1 :VerifyEvidence;
    challenge @2 :MakeChallenge;
    signatures @3 :Void;      # ListSignatures
  }
}
# Descriptors: 0 where the report goes; 1 the evidence, one ustar archive; 2 the keys that are trusted; then, where they
# are said to be there, the fleet policy, the roots of EK certificates, the makers' revocation lists, the list of revoked
# keys, and what the auditor knows of keys and signatures.
struct VerifyEvidence {
  nonce @0 :Data;             # 16 to 64 bytes
  hasPolicy @1 :Bool;
  hasRoots @2 :Bool;
  requireHardware @3 :Bool;
  json @4 :Bool;              # the report: JSON, or text for people
  audit @5 :Bool;             # the audit record, too; the nonce may then be empty: not asked for
  hasTrust @6 :Bool;
  hasCrls @7 :Bool;           # CRLs in PEM, of who signs EK certificates
  hasRevoked @8 :Bool;        # names and fingerprints of attestation keys, a line each
  page @9 :Bool;              # the report: a page for a browser, unless `json`
}
# ListSignatures.  Descriptors: 0 where the list goes, one line of JSON for each image whose signatures can be verified
# again; 1 the evidence.
#
# Descriptors: 0 where the challenge goes; 1 where the secret goes; 2 the EK or its certificate; 3 the AK's public area;
# then the roots of EK certificates, and the makers' revocation lists.
struct MakeChallenge {
  hasRoots @0 :Bool;
  hasCrls @1 :Bool;
}

# Sent once by airlock-attest, no descriptors.
struct AppraiseReply {
  union {
    unset @0 :Void;           # refused
    failure @1 :Types.Failure;
    appraised @2 :Appraised;
  }
}
# The exit status that stands for the verdict; the report has been written.
struct Appraised {
  status @0 :UInt8;
  code @1 :Text;              # E_ATTEST_…; empty: accepted
  text @2 :Text;
}
