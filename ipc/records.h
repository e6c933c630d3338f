// SPDX-License-Identifier: Apache-2.0
// What the store keeps on disk about an image and a pod.  Written by the store's owner alone
// (root's helper, or a user for an own store); read by everyone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/failure.h"
#include "ipc/helper_messages.h"

namespace airlock::ipc {

// An image as it was when another one was rendered with it.
struct Dependency {
  ImageId image;
  ImageName name;
  std::vector<Label> labels;
  std::vector<Signer> signers;
  std::string rule;
  std::uint32_t depth = 1;  // 1: of the image itself; else of the nearest before it with one less
  bool operator==(const Dependency&) const = default;
};
// A layer of an OCI image.
struct StoredLayer {
  OciDigest blob;  // as the manifest has it
  std::uint64_t blobBytes = 0;
  TreeDigest tree;
  std::uint64_t treeBytes = 0;
  std::optional<VerityDigest> verity;
  bool hangsOnPlace = false;  // its tree is of use above the same layers alone
  bool operator==(const StoredLayer&) const = default;
};
// A layer that a copy of the importing process has taken.
struct TakenLayer {
  std::uint32_t place = 0;  // in the manifest
  StoredLayer layer;
  bool operator==(const TakenLayer&) const = default;
};
using LayersTaken = std::variant<Failure, std::vector<TakenLayer>>;
Result<std::string> encode(const LayersTaken& taken);
Result<LayersTaken> decodeLayersTaken(std::string_view bytes);

struct CatalogRecord {
  ImageId image;
  ImageName name;
  std::vector<Label> labels;
  TreeDigest tree;
  std::uint64_t treeBytes = 0;
  BlobDigest blob;
  std::uint64_t blobBytes = 0;
  ContentDigest manifest;
  std::uint64_t manifestBytes = 0;
  bool hasSignature = false;
  std::vector<Signer> signers;  // empty: imported without verification
  std::string rule;             // the policy line that let it in
  std::string origin;
  std::uint32_t importerUid = 0;
  std::int64_t importedAt = 0;  // nanoseconds since 1970
  bool latest = false;          // fetched without a version label
  // Of the bytes that were verified at import; what the kernel says of the tree must be the same.
  // None: there was no fs-verity then, or an older engine recorded none.
  std::optional<VerityDigest> verity;
  std::vector<Dependency> dependencies;  // that the tree was rendered with, in appc's order
  // Of an OCI image: the bottom layer first; `tree` is then stackDigest() of them, `blob` is
  // unused.
  std::vector<StoredLayer> layers;
  std::optional<OciDigest> config;
  std::optional<OciDigest> index;  // that the manifest was chosen from
};
// BLAKE2b-512 of the digests of the layers' trees, one behind the other, the bottom one first.
TreeDigest stackDigest(const std::vector<StoredLayer>& layers);
// A file with a tree of an image.
struct StoredTree {
  TreeDigest digest;
  std::optional<VerityDigest> verity;
};
// What a pod of the image is mounted from, the topmost first.
std::vector<StoredTree> treesOf(const CatalogRecord& record);
Result<std::string> encode(const CatalogRecord& record);
Result<CatalogRecord> decodeCatalogRecord(std::string_view bytes);

struct PodApp {
  AppName name;
  ImageId image;
  std::string imageName;
};
struct PodRecord {
  PodId pod;
  std::uint32_t ownerUid = 0;  // who started it
  std::uint32_t firstUid = 0;  // host uid of the pod's root
  std::int64_t createdAt = 0;  // nanoseconds since 1970
  std::string network;         // "none", "host"
  std::vector<PodApp> apps;
  std::vector<Layer> layers;  // what was enforced when it started
  std::string measured;       // "pcr 15, record 7, software TPM", or why not
  std::string rule;           // the policy line that allowed it
  std::string cgroup;         // below the v2 mount, or empty
  std::string selinux;        // label of its processes, or empty
  std::string machine;        // its name with machined, or why it has none; empty: no systemd here
  std::string unit;           // of systemd, that the pod ends with
  std::string name;           // that it can be called by instead of its UUID, or empty
};
Result<std::string> encode(const PodRecord& record);
Result<PodRecord> decodePodRecord(std::string_view bytes);

}  // namespace airlock::ipc
