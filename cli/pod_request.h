// SPDX-License-Identifier: Apache-2.0
// From arguments and images to what the helper is asked to run, and the pod manifest that says it
// in appc's words.  run.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/sealed.h"
#include "cli/command.h"
#include "cli/pod_arguments.h"
#include "cli/service_variables.h"
#include "ipc/helper_messages.h"
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
};

struct PodRequest {
  ipc::RunRequest request;
  std::vector<Fd> volumes;            // of Host volumes, in order, opened with the caller's rights
  std::vector<Sealed> filters;        // of apps with hasExtraFilter, in order
  std::vector<std::size_t> sockets;   // of all apps, in order: which of Surroundings::sockets
  std::vector<std::string> warnings;  // for stderr
  std::vector<std::string> notes;     // the same with --debug only
};

// One image for each app of `arguments`, in order.
Result<PodRequest> buildPodRequest(const PodArguments& arguments,
                                   std::span<const ChosenImage> images,
                                   const Surroundings& surroundings);

// "K=V" of environ(7); what appc does not allow as a name is left out.
std::vector<image::EnvironmentVariable> environmentOf(const char* const* environ);

}  // namespace airlock::cli
