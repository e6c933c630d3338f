// SPDX-License-Identifier: Apache-2.0
// From a pod manifest and its images to what the helper is asked to run.  Everything in the
// manifest is either in the request or refused by name.  run, prepare and run-prepared.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sealed.h"
#include "cli/metadata_client.h"
#include "cli/pod_arguments.h"
#include "cli/pod_plan.h"
#include "ipc/helper_messages.h"

namespace airlock::cli {

struct PodRequest {
  ipc::RunRequest request;
  std::vector<Fd> volumes;            // of Host volumes, in order, opened with the caller's rights
  std::vector<Sealed> filters;        // of apps with hasExtraFilter, in order
  std::vector<std::size_t> sockets;   // of all apps, in order: which of Surroundings::sockets
  std::vector<std::string> warnings;  // for stderr
  std::vector<std::string> notes;     // the same with --debug only
  std::optional<MetadataEntry> metadata;  // --mds-register, of a pod that has been prepared
};

// `manifest` is a planned one; of `start` only what is of a start counts.  One image for each app,
// in order.
Result<PodRequest> requestPod(const image::PodManifest& manifest,
                              std::span<const ChosenImage> images, const PodArguments& start,
                              const Surroundings& surroundings);

// planPod() and requestPod(), with the warnings of both.
Result<PodRequest> buildPodRequest(const PodArguments& arguments,
                                   std::span<const ChosenImage> images,
                                   const Surroundings& surroundings);

}  // namespace airlock::cli
