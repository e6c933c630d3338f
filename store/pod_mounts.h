// SPDX-License-Identifier: Apache-2.0
// What a pod's apps see as files: roots of read-only images under what they write, and volumes, all
// as detached mounts that appear in nobody's mount table.  Helper only: needs CAP_SYS_ADMIN, and a
// mount namespace of its own.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/peer.h"
#include "ipc/pod_spec.h"
#include "ipc/records.h"
#include "store/pod_place.h"
#include "store/store.h"
#include "store/uid_ranges.h"

namespace airlock::store {

// A tmpfs on the store's mnt folder, in this mount namespace: where layers are attached while they
// are stacked.
Result<Fd> makeScratch(const Store& store);

// The root of one app: the image's EROFS tree, ids shifted by `podIds` (a mapping of image ids to
// the pod's range), under an overlay whose upper directory is in the pod directory.  A read-only
// bind would not do: a pod's root could make a mount that it owns writable again
// (docs/decisions/0004).
Result<Fd> makeAppRoot(FdRef scratch, std::size_t index, std::span<const Fd> trees, FdRef podIds,
                       const PodPlace& place, const AppName& app);

// What an app has left, for reading: what it wrote in the directory `dir` of its pod over its
// image, as two read-only layers.
Result<Fd> makeExportRoot(FdRef scratch, std::span<const Fd> trees, FdRef podIds, FdRef dir,
                          const AppName& app, const std::string& imageLabel);

// Whose files a host volume has, on the host: root's are shown with all their ids, a user's with
// these.
struct VolumeOwner {
  uid_t uid;
  gid_t gid;
};
// A host directory or file as the caller opened it.  For root's volumes the ids 0 to 65535 are the
// pod's; for a user's, that user is the pod's root and nobody else exists.
Result<Fd> makeHostVolume(FdRef hostMounts, FdRef source, const ipc::VolumeSpec& volume,
                          VolumeOwner owner, UidRange range);

// An empty directory of the pod, with the asked owner and mode.
Result<Fd> makeEmptyVolume(const PodPlace& place, const ipc::VolumeSpec& volume);

// What the mounts of a pod, or of an app that is added to one, are made of.
struct MountSources {
  const ipc::PodSpec& spec;
  std::span<const std::vector<Fd>> trees;  // of the apps' images, in order
  std::span<const Fd> volumes;             // of the host, as the caller opened them, in order
  const ipc::Peer& caller;
  FdRef hostMounts;
  FdRef podIds;  // the pod's user namespace
  PodPlace files;
  gid_t logGroup;  // which may read the logs
};
// All of the contract, under their numbers in stage1: the status directory, roots, volumes, and
// where streams are kept the directory for logs and the attach socket.
Result<std::vector<std::pair<int, Fd>>> makeMounts(const Store& store, const MountSources& from);

}  // namespace airlock::store
