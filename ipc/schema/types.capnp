# SPDX-License-Identifier: Apache-2.0
# Parts that several messages share.  Structs only: an interface would bring the RPC system into every program.
#
# In every file: Text is valid UTF-8 without NUL and at most 4 KiB; Data that stands for a path, an argument or a header
# value is free of NUL; a digest is exactly 64 bytes, a pod's id exactly 16; every list has its limit in base/limits.h.
# What breaks a rule is refused with E_REQUEST (names: E_NAME), what breaks the framing with E_FRAME (docs/ipc.md).
@0x80411b4d60f44bed;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");

# An error as it crosses a boundary, in every reply union.  Sent by whoever answers; no descriptors.  Believed only as
# far as the text shown to the user: code and hint are never acted on.  Shown with control characters escaped.
struct Failure {
  kind @0 :Kind;
  code @1 :Text;      # stable symbol such as E_SIG_BAD, or empty
  message @2 :Text;
  hint @3 :Text;

  enum Kind {
    denied @0;
    invalid @1;
    missing @2;
    busy @3;
    unsupported @4;
    failed @5;
  }
}

# A label of an image.  Names and values are compared with the manifest's, never used as file names.
struct Label {
  name @0 :Text;
  value @1 :Text;
}

# An image that another one asks for, as its manifest has it.  Sent by the role unpack, and by the helper in a refusal;
# compared with what the store has, never made a path of.
struct WantedImage {
  name @0 :Text;
  id @1 :Text;        # what its image id begins with: "sha512-" and 2 to 128 hex digits; "": any image of that name
  labels @2 :List(Label);
  size @3 :UInt64;    # bytes of the image file; 0: not said
}

# Who signed.  The helper copies the fingerprint from its own list of trusted keys; userId comes from the key and is
# for display, after escaping.
struct Signer {
  fingerprint @0 :Text;
  userId @1 :Text;
  kind @2 :Text;      # of its signature (ipc/signature_kind.h); empty: what the fingerprint says
}

# A layer of protection and whether it holds on this host or for this pod.  Sent by the helper.
struct Layer {
  name @0 :Text;
  enforced @1 :Bool;
  detail @2 :Text;
}

# One bank of the measured register.  Sent by airlock-measure, passed on by the helper; for display.
struct PcrBank {
  algorithm @0 :Text;
  value @1 :Text;     # hex
}

# A variable of an app's environment: bytes without NUL, the name not empty and without '='.
struct Variable {
  name @0 :Data;
  value @1 :Data;
}

# A name and what belongs to it, for lists that airlock-measure writes down.
struct NamedText {
  name @0 :Text;
  value @1 :Text;
}
struct NamedDigest {
  name @0 :Text;
  digest @1 :Data;
}
