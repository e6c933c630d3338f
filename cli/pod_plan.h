// SPDX-License-Identifier: Apache-2.0
// From arguments and images to the pod manifest, which is the whole truth about a pod: what starts
// it (cli/pod_request.h) looks at nothing else.  run and prepare.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/pod_arguments.h"
#include "cli/service_variables.h"
#include "image/pod_manifest.h"
#include "ipc/records.h"

namespace airlock::cli {

struct ChosenImage {
  ipc::CatalogRecord record;
  std::string manifest;  // the bytes of its manifest
};

struct Surroundings {
  Insecure insecure;
  std::vector<image::EnvironmentVariable> parentEnvironment;  // of the caller, for --inherit-env
  std::vector<image::EnvironmentVariable> fileEnvironment;    // of --set-env-file, in their order
  std::span<const PassedSocket> sockets = {};                 // of the service manager
  std::uint64_t watchdogMicroseconds = 0;
  std::string metadataUrl;  // of the metadata service, where the pod is registered; "": none
};

struct PodPlan {
  image::PodManifest manifest;
  std::vector<std::string> warnings;  // for stderr
};

// One image for each app of `arguments`, in order.
Result<PodPlan> planPod(const PodArguments& arguments, std::span<const ChosenImage> images,
                        const Surroundings& surroundings);
// Of a manifest that somebody wrote (--pod-manifest): its images' ids are written out, and every
// mount point of an app gets a volume.  One image for each app, in order.
Result<PodPlan> planPod(image::PodManifest manifest, std::span<const ChosenImage> images);

// --detach: nobody is there whose streams an app could have, so what is not said otherwise reads
// nothing and writes to its log.
void leaveCaller(image::PodManifest& manifest);

// "K=V" of environ(7); what appc does not allow as a name is left out.
std::vector<image::EnvironmentVariable> environmentOf(const char* const* environ);

// As a mount has it.
std::string absoluteTarget(const std::string& path);

inline constexpr std::string_view kMutable = "coreos.com/rkt/stage1/mutable";
inline constexpr std::string_view kNotifies = "appc.io/executor/supports-systemd-notify";

}  // namespace airlock::cli
