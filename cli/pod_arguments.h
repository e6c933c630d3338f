// SPDX-License-Identifier: Apache-2.0
// rkt's grammar of `run` and `prepare`: [pod flags] IMAGE [app flags] [-- ARGS [---]] [IMAGE ...];
// of `app sandbox`: [pod flags]; of `app add`: POD IMAGE [app flags] [-- ARGS].
// Nothing is looked up here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/name_files.h"
#include "cli/obtain_image.h"
#include "image/isolators.h"
#include "image/manifest.h"
#include "image/pod_manifest.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {

struct AppArguments {
  std::string image;      // as typed
  std::string signature;  // file, or empty
  std::optional<AppName> name;
  std::optional<std::string> exec;
  std::optional<std::string> user;
  std::optional<std::string> group;
  std::optional<std::vector<std::uint32_t>> supplementaryGids;
  std::optional<std::string> workingDirectory;
  bool readOnlyRootFs = false;
  bool notify = false;  // it says when it is ready, whatever its image says
  std::vector<image::EnvironmentVariable> environment;
  std::vector<image::Mount> mounts;
  std::vector<image::Isolator> isolators;  // each overrides what the image says of its kind
  bool capabilitiesRetained = false;
  bool capabilitiesRemoved = false;
  std::optional<ipc::StreamMode> input;  // --stdin; "interactive" is the pod's
  std::optional<ipc::StreamMode> output;
  std::optional<ipc::StreamMode> errors;
  std::vector<image::Annotation> annotations;
  std::map<std::string, std::string> userAnnotations;
  std::map<std::string, std::string> userLabels;
  std::vector<std::string> arguments;  // appended to exec
};

struct PodArguments {
  // Of a start: what the pod's manifest does not say.
  bool interactive = false;
  bool detach = false;
  bool sandbox = false;  // no app: they are added later
  ipc::Network network = ipc::Network::Loopback;
  std::string networkName = "default";  // as typed
  std::string hostname;
  NameFiles nameFiles;
  bool mdsRegister = false;      // with the metadata service
  std::string journal = "auto";  // "auto", "off" or the name of a journal namespace

  std::string target;       // the running pod that the one app is added to
  std::string uuidFile;     // that the UUID is written to
  std::string podManifest;  // file: the pod is exactly this, and nothing below is given
  bool quiet = false;
  bool noOverlay = false;
  std::string stage1;  // the flag that chose it
  std::optional<AppName> podName;
  bool inheritEnvironment = false;
  std::vector<image::EnvironmentVariable> environment;  // --set-env
  std::vector<std::string> environmentFiles;
  std::vector<image::Volume> volumes;
  std::vector<image::Mount> mounts;  // for every app
  std::vector<image::ExposedPort> ports;
  std::vector<image::Annotation> annotations;
  std::map<std::string, std::string> userAnnotations;
  std::map<std::string, std::string> userLabels;
  PullPolicy pullPolicy = PullPolicy::New;
  bool pullPolicyGiven = false;
  std::vector<AppArguments> apps;  // at least one, but with podManifest
};

enum class PodVerb { Run, Prepare, Sandbox, Add };
Result<PodArguments> parsePodArguments(const std::vector<std::string>& arguments,
                                       PodVerb verb = PodVerb::Run);

}  // namespace airlock::cli
