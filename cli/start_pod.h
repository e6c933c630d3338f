// SPDX-License-Identifier: Apache-2.0
// What run, prepare, run-prepared and the app commands do alike.  Those alone.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "cli/command.h"
#include "cli/pod_arguments.h"
#include "cli/pod_plan.h"
#include "cli/pod_request.h"
#include "cli/service_variables.h"
#include "store/pod_dir.h"

namespace airlock::cli {

struct PlannedPod {
  image::PodManifest manifest;
  std::vector<ChosenImage> images;  // one per app, in order
};
// From images, which are fetched as policy says, or from --pod-manifest, whose images must be in
// the store.  Warns on stderr in the name of `command`.
Result<PlannedPod> planFrom(const Options& options, const PodArguments& wanted,
                            Surroundings& surroundings, const char* command);
// The images of a manifest, by their ids.
Result<std::vector<ChosenImage>> imagesOf(const Options& options,
                                          const image::PodManifest& manifest);

// Asks the helper to start the pod, and stays with it until it ends: its exit code.
Result<int> startAndHold(const Options& options, PodRequest& request, const PodArguments& start,
                         const ServiceVariables& service, const char* command);

// Asks the helper to put the pod on disk without starting it.
Result<PodId> preparePod(const Options& options, PodRequest& request);
// The request of a pod that has been prepared, with what is said at its start; `text` is its
// manifest as it is stored, whose bytes the helper compares.  With --mds-register its apps get the
// URL of the metadata service.
Result<PodRequest> requestPrepared(const Options& options, const PodId& pod,
                                   const std::string& text, std::span<const ChosenImage> images,
                                   const PodArguments& start, Surroundings surroundings);

// E_DENIED when `what` (the pod, or an app of it) has host volumes and is somebody else's: they
// would be opened with our rights, at paths that another wrote and whose links they may change.
Result<void> checkWhoseVolumes(const store::Pod& pod, const image::PodManifest& manifest,
                               const std::string& what);

// The descriptors of a RunRequest with these standard streams, in its order.
std::vector<FdRef> descriptorsOf(const PodRequest& request, std::vector<FdRef> streams,
                                 const ServiceVariables& service);

// Writes the UUID to a file that people and scripts find it in; "": none is wanted.
Result<void> saveUuid(const std::string& path, const PodId& pod);

}  // namespace airlock::cli
