# SPDX-License-Identifier: Apache-2.0
# What the store keeps on disk about an image and a pod: files, in the frame of messages.  One of them is on its way
# to the disk: LayersTaken.
@0xbc05b4411f47c0a2;
using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("airlock::ipc::wire");
using Types = import "types.capnp";

# Written by the store's owner alone (root's helper, or a user for an own store), read by everyone.  Digests are checked
# against the files they name when those are used.  A record that does not decode is reported and its image not used.
struct CatalogRecord {
  image @0 :Data;
  name @1 :Text;
  labels @2 :List(Types.Label);
  tree @3 :Data;
  treeBytes @4 :UInt64;
  blob @5 :Data;
  blobBytes @6 :UInt64;
  manifest @7 :Data;
  manifestBytes @8 :UInt64;
  hasSignature @9 :Bool;
  signers @10 :List(Types.Signer);  # empty: imported without verification
  rule @11 :Text;
  origin @12 :Text;
  importerUid @13 :UInt32;
  importedAt @14 :Int64;      # nanoseconds since 1970
  verity @15 :Bool;           # for older engines: there is a verityDigest
  latest @16 :Bool;
  verityDigest @17 :Data;     # 32 bytes, or empty: no fs-verity at import, or imported by an older engine
  dependencies @18 :List(Dependency);  # that the tree was rendered with, in appc's order
  layers @19 :List(StoredLayer);  # of an OCI image, the bottom one first; then `tree` is of the list of their trees
  config @20 :Data;           # of an OCI image: 32 bytes
  index @21 :Data;            # of an OCI image that was chosen from one: 32 bytes, else empty
}
# Part of CatalogRecord and of TakenLayer.
struct StoredLayer {
  blob @0 :Data;              # 32 bytes: the layer's digest in the manifest
  blobBytes @1 :UInt64;
  tree @2 :Data;
  treeBytes @3 :UInt64;
  verityDigest @4 :Data;
  hangsOnPlace @5 :Bool;      # its tree is of use above the same layers alone
}
# Sent once by a copy of the importing process that has taken layers to the process it is a copy of: believed like it.
# No descriptors.  Failure: the image is not imported.
struct LayersTaken {
  union {
    unset @0 :Void;           # refused
    failure @1 :Types.Failure;
    taken @2 :List(TakenLayer);
  }
}
# Part of LayersTaken.  A place that is not named waits for the layers below it.
struct TakenLayer {
  place @0 :UInt32;           # in the manifest
  layer @1 :StoredLayer;
}
# Part of CatalogRecord: an image as it was when another one was rendered with it.
struct Dependency {
  image @0 :Data;
  name @1 :Text;
  labels @2 :List(Types.Label);
  signers @3 :List(Types.Signer);
  rule @4 :Text;
  depth @5 :UInt32;           # 1: of the image itself; else of the nearest one before it that has one less
}

# Written by the helper before the pod starts, read by everyone.  A record that does not decode makes the pod a broken
# one: listed as such and collected as garbage.
struct PodRecord {
  pod @0 :Data;
  ownerUid @1 :UInt32;
  firstUid @2 :UInt32;
  createdAt @3 :Int64;        # nanoseconds since 1970
  network @4 :Text;
  apps @5 :List(PodApp);
  layers @6 :List(Types.Layer);
  measured @7 :Text;
  rule @8 :Text;
  cgroup @9 :Data;            # below the v2 mount, or empty
  selinux @10 :Text;          # label of its processes, or empty
  machine @11 :Text;          # its name with machined, or why it has none; empty: no systemd here
  unit @12 :Text;             # of systemd, that the pod ends with
  name @13 :Text;             # that it can be called by instead of its UUID, or empty
}
# Part of PodRecord.
struct PodApp {
  name @0 :Text;
  image @1 :Data;
  imageName @2 :Text;
}
