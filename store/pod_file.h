// SPDX-License-Identifier: Apache-2.0
// What the helper writes about a pod, and reads back.  Helper only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/helper_messages.h"
#include "store/pod_dir.h"
#include "store/pod_label.h"
#include "store/store.h"
#include "store/uid_ranges.h"

namespace airlock::store {

// A pidfd of the pod's PID 1, certain to be that process: E_NOT_RUNNING when it has ended.
Result<Fd> openPodProcess(const Pod& pod);
// The process whose namespaces this app is in: the pod's PID 1, or the supervisor of an added one.
Result<Fd> openProcessOf(const Pod& pod, const AppName& app);
// The spec that this app was started with, as its sealed bytes.
Result<std::string> readSpec(const Pod& pod, const AppName& app);

// What is the pod's alone as long as its files are there.
struct PodNumbers {
  UidRange range;
  PodLabel label;
};
// Of a new pod, whose name is taken too; or those that a prepared one has already.
Result<PodNumbers> takeNumbers(FdRef top, const PodDirectory& pods, const PodDirectory::Embryo& pod,
                               const std::optional<AppName>& name, const LabelPolicy& policy);
// Gives back uid range, SELinux categories and name of a pod whose files are gone.
Result<void> releaseNumbers(FdRef top, const ipc::PodRecord& record);

// The images of a pod's apps, in order; E_NOT_FOUND names the one that is not in the store.
Result<std::vector<ipc::CatalogRecord>> findImages(const Store& store, const ipc::PodSpec& spec);
// What a record says of the apps.
std::vector<ipc::PodApp> appsOf(const ipc::PodSpec& spec,
                                const std::vector<ipc::CatalogRecord>& images);

// E_STATE when the request is not about the pod as it was prepared: its manifest, apps and images.
Result<void> checkPrepared(const PodDirectory::Embryo& pod, const ipc::RunRequest& request);
// Takes away what a start of this prepared pod left that came to nothing.
Result<void> clearStart(const PodDirectory::Embryo& pod);

struct PodFiles {
  const ipc::PodRecord& record;
  std::string_view manifest;  // for this group: an environment may hold secrets
  gid_t group;
  std::string_view spec;
};
// Each whole, in the place of the one before.
Result<void> writePodFiles(FdRef dir, const PodFiles& files);
// Who the pod's PID 1, or an added app's supervisor, is: for openPodProcess and openProcessOf.
Result<void> writePid(FdRef dir, pid_t pid);
// The pod's cgroup, as its record or the note of a start that came to nothing has it; "": none.
std::string cgroupOf(const Pod& pod);

// What a crash between two steps left: embryos nobody holds, uid ranges, categories and names of
// pods that are gone.
Result<void> sweepLeftovers(FdRef top, const PodDirectory& pods);

}  // namespace airlock::store
