// SPDX-License-Identifier: Apache-2.0
#include "cli/mutable_arguments.h"

#include "cli/pod_values.h"

namespace airlock::cli {

namespace {

bool hasVariables(const PodArguments& pod) {
  return pod.inheritEnvironment || !pod.environment.empty() || !pod.environmentFiles.empty();
}

}  // namespace

Result<image::Mount> parseAppVolume(const std::string& text) {
  std::string volume;
  std::string target;
  for (const std::string& part : splitText(text, ',')) {
    if (part.starts_with("target=")) {
      target = part.substr(part.find('=') + 1);
    } else {
      volume += (volume.empty() ? "" : ",") + part;
    }
  }
  if (!target.starts_with('/'))
    return badFlag("the volume needs a target, an absolute path in the app",
                   "name=NAME,kind=host,source=PATH,target=PATH");
  image::Volume own = TRY(parseVolume(volume));
  return image::Mount{own.name, std::move(target), own};
}

void addAppVolumeFlag(FlagSet& flags, PodArguments& pod) {
  flags.value("mnt-volume", [&pod](const std::string& value) -> Result<void> {
    if (pod.apps.empty()) return badFlag("--mnt-volume must follow an image");
    image::Mount mount = TRY(parseAppVolume(value));
    for (const image::Mount& each : pod.apps.back().mounts)
      if (each.volume == mount.volume)
        return badFlag("duplicate volume name \"" + mount.volume.text() + "\"");
    pod.apps.back().mounts.push_back(std::move(mount));
    return {};
  });
}

void refuseForwarding(FlagSet& flags) {
  flags.unavailable("port", "Use --net=host: a pod has no private network in this version");
}

Result<void> checkSandbox(const PodArguments& pod) {
  if (!pod.apps.empty()) {
    return badFlag("a sandbox is started without an image",
                   "Add apps to it when it runs: airlock app add UUID IMAGE");
  }
  if (pod.interactive) return badFlag("a sandbox has no app that a terminal could be for");
  if (pod.mdsRegister)
    return badFlag("--mds-register does not go with a sandbox, whose apps are not known yet");
  if (pod.journal != "auto" && pod.journal != "off")
    return badFlag("a sandbox has no output for a journal", "Its apps have logs: airlock logs");
  if (!pod.volumes.empty() || !pod.mounts.empty() || hasVariables(pod) ||
      !pod.podManifest.empty()) {
    return badFlag("volumes, mounts, variables and manifests are an app's, and a sandbox has none",
                   "Give them to app add");
  }
  return {};
}

Result<void> checkAdded(PodArguments& pod) {
  if (pod.target.empty()) return badFlag("a pod's UUID or name is needed", "app add UUID IMAGE");
  if (pod.apps.size() != 1) return badFlag("must give only one app", "app add UUID IMAGE");
  if (pod.interactive) {
    return badFlag("an app that is added has no terminal of its caller's",
                   "--stdin=tty --stdout=tty, and airlock attach");
  }
  if (!pod.volumes.empty())
    return badFlag("the volumes of a pod are made when it starts", "--mnt-volume is the app's own");
  if (!pod.podManifest.empty() || !pod.ports.empty() || pod.podName || !pod.uuidFile.empty() ||
      !pod.annotations.empty() || !pod.userAnnotations.empty() || !pod.userLabels.empty()) {
    return badFlag("what is said before the image is the pod's, which runs already",
                   "Say it after the image, for the app");
  }
  pod.detach = true;
  return {};
}

}  // namespace airlock::cli
