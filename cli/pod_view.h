// SPDX-License-Identifier: Apache-2.0
// Pods as list and status show them, in rkt's formats.  The pod commands.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>

#include "base/result.h"
#include "image/json.h"
#include "image/pod_manifest.h"
#include "ipc/records.h"
#include "store/pod_dir.h"

namespace airlock::cli {

// What a running pod uses, as far as its cgroup tells: a number per controller that counts there.
struct PodUsage {
  std::optional<std::uint64_t> memoryBytes;
  std::optional<std::uint64_t> cpuMicroseconds;
  std::optional<std::uint64_t> processes;  // threads count too
};

struct PodView {
  store::Pod pod;
  std::optional<image::PodManifest> manifest;      // nullopt: cannot be read
  std::map<std::string, std::int64_t> finishedAt;  // app -> nanoseconds since 1970
  PodUsage usage;                                  // only of a running pod
};
// Reads what belongs to the pod; what cannot be read is left out.
PodView viewOf(store::Pod pod);
// The bytes of a pod's manifest.
Result<std::string> readPodManifest(const store::Pod& pod);
// The manifest of a pod as it is now, with the apps that were added to it.
Result<image::PodManifest> podManifestOf(const store::Pod& pod);
// The bytes of the manifest that an app was added with: a pod's, with that app alone.
Result<std::string> readAppManifest(const store::AddedApp& app);

// Whether the pod was prepared or run and will not run any more.
bool hasEnded(store::PodState state);
// Whether `list` shows a pod of this state.
bool isListed(store::PodState state);
// What `list` says on stderr of the pods that it cannot read; "" without any.
std::string brokenPods(std::span<const store::Pod> pods);
// The table of `list`, sorted as given.  `now` is in nanoseconds since 1970.  To rkt's columns
// comes one for what only some pods have: a name, and with `full` an SELinux label.
std::string listTable(std::span<const PodView> pods, bool full, bool legend, std::int64_t now);

// The lines of `status`: rkt's, then what protected the pod.  `images` are the records of its apps'
// images, as far as they are still in the store.
std::string statusLines(const PodView& view, std::span<const ipc::CatalogRecord> images);

// rkt's words: "created", "running", "exited", or the pod's state.
std::string appState(const store::Pod& pod, const AppName& app);
image::Json appJson(const PodView& view, const ipc::PodApp& app);
// "2016-01-26 14:23:34.631 +0000 UTC"; nanoseconds since 1970.
std::string shownTime(std::int64_t time);
// One element of `list --format=json`.
image::Json podJson(const PodView& view);
// `status --format=json`: the same, and what protected the pod.
image::Json statusJson(const PodView& view, std::span<const ipc::CatalogRecord> images);

}  // namespace airlock::cli
