# SPDX-License-Identifier: Apache-2.0
# What is asked of the keys of the TPM, and the answer: from the CLI to the helper, and the same from it to airlock-measure.
@0xb7c1f0d25e8a4963;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";

# Hostile until checked, in the helper and again in airlock-measure.  A quote is for whom policy lets (the verb `attest`),
# everything else is root's.  Descriptors: for each password that is said to be there the read end of a pipe that holds it, the
# owner's first.  So none stands in a message, or in the memory of the helper, which passes them on unread.
struct AttestRequest {
  union {
    unset @0 :Void;           # refused
    quote @1 :QuoteRequest;
    init @2 :InitRequest;     # make an attestation key, where there is none
    enroll @3 :Void;          # tell the public parts of the keys, and the certificate
    activate @4 :ActivateRequest;
    revoke @5 :Void;          # remove the attestation key
  }
  hasOwnerPassword @6 :Bool;        # of the TPM's owner hierarchy; never beside a quote
  hasEndorsementPassword @7 :Bool;
}
struct QuoteRequest {
  nonce @0 :Data;             # 16 to 64 bytes, quoted as they are
  selection @1 :List(PcrSelection);  # empty: the usual one.  The register of the log is always in it, in every bank
}
struct PcrSelection {
  algorithm @0 :Text;         # "sha256"
  registers @1 :UInt32;       # bit n: register n, 0 to 23; not 0
}
struct InitRequest {
  rotate @0 :Bool;            # replace the key that there is
}
struct ActivateRequest {
  challenge @0 :Data;         # a file of tpm2_makecredential, at most 2 KiB
}

# Sent by airlock-measure, no descriptors; passed on by the helper with descriptors: 0 the measurement log, when logBytes
# is not 0; then the firmware's, when hasFirmwareLog.  The files are for whoever asked: nothing on the way looks into them.
struct Attested {
  files @0 :List(AttestedFile);
  facts @1 :List(Types.NamedText);   # for display: "tpm", "attestation key", …
  anchor @2 :Text;            # "hardware" or "software"
  logBytes @3 :UInt64;        # so much of the log replays to what was quoted
  hasFirmwareLog @4 :Bool;    # set by the helper
}
struct AttestedFile {
  name @0 :Text;              # one of those of docs/measurement.md, "Keys" and "Evidence"
  content @1 :Data;           # at most 16 KiB
}
