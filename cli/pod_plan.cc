// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_plan.h"

#include <algorithm>
#include <functional>

#include "base/limits.h"
#include "base/log.h"
#include "cli/in_message.h"
#include "cli/stream_modes.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

using image::EnvironmentVariable;

void setVariable(std::vector<EnvironmentVariable>& environment,
                 const EnvironmentVariable& variable) {
  const auto there = std::ranges::find(environment, variable.name, &EnvironmentVariable::name);
  if (there != environment.end()) {
    there->value = variable.value;
  } else {
    environment.push_back(variable);
  }
}

void setEntries(std::map<std::string, std::string>& entries,
                const std::map<std::string, std::string>& later) {
  for (const auto& [key, value] : later) entries[key] = value;
}

// What an image says of its app, or what one without an app starts from.
image::App appOf(const image::ImageManifest& manifest) {
  image::App app;
  app.user = app.group = "0";
  return manifest.app ? *manifest.app : app;
}

Result<void> requireExec(const image::App& app, const std::string& imageName) {
  if (!app.exec.empty()) return {};
  return refuse(ErrorKind::Invalid, "E_EXEC",
                "image \"" + imageName + "\" has an empty \"exec\" (try --exec=BINARY)");
}

const image::Volume* findVolume(const image::PodManifest& pod, const AppName& name) {
  const auto found = std::ranges::find(pod.volumes, name, &image::Volume::name);
  return found == pod.volumes.end() ? nullptr : &*found;
}

bool isMounted(const image::RuntimeApp& app, const std::string& target) {
  return std::ranges::any_of(
      app.mounts, [&](const image::Mount& mount) { return absoluteTarget(mount.path) == target; });
}

Result<AppName> addImplicitVolume(PodPlan& plan, const AppName& app,
                                  const image::MountPoint& point) {
  plan.warnings.push_back("warning: no volume specified for mount point \"" + point.name.text() +
                          "\", implicitly creating an \"empty\" volume. This volume will be "
                          "removed when the pod is garbage-collected.");
  AppName name = TRY(AppName::parse(app.text() + "-" + point.name.text()));
  if (findVolume(plan.manifest, name) == nullptr) {
    constexpr std::uint32_t mode = 0755;
    plan.manifest.volumes.push_back({.name = name,
                                     .kind = image::Volume::Kind::Empty,
                                     .source = {},
                                     .readOnly = {},
                                     .recursive = {},
                                     .mode = mode,
                                     .uid = 0,
                                     .gid = 0});
  }
  return name;
}

// Every mount names a volume that there is, and every mount point has a mount: the pod's volume of
// its name, or an empty one.
Result<void> completeMounts(PodPlan& plan, std::size_t index, const image::App& app) {
  image::RuntimeApp& runtime = plan.manifest.apps[index];
  for (const image::Mount& mount : runtime.mounts) {
    if (mount.appVolume || findVolume(plan.manifest, mount.volume) != nullptr) continue;
    return refuse(ErrorKind::Invalid, "E_VOLUME",
                  "dangling mount point \"" + printable(mount.path) + "\": volume \"" +
                      mount.volume.text() + "\" not found",
                  "Define it with --volume=" + mount.volume.text() + ",kind=...");
  }
  for (const image::MountPoint& point : app.mountPoints) {
    const std::string target = absoluteTarget(point.path);
    if (isMounted(runtime, target)) continue;
    const AppName volume = findVolume(plan.manifest, point.name) != nullptr
                               ? point.name
                               : TRY(addImplicitVolume(plan, runtime.name, point));
    runtime.mounts.push_back({volume, target, std::nullopt});
  }
  return {};
}

class Planner {
 public:
  Planner(const PodArguments& arguments, const Surroundings& surroundings)
      : arguments_(arguments), surroundings_(surroundings) {}

  Result<PodPlan> plan(std::span<const ChosenImage> images) {
    if (images.size() != arguments_.apps.size())
      return fail(ErrorKind::Invalid, "an image is missing");
    image::PodManifest& pod = plan_.manifest;
    pod.acVersion = std::string(image::kAppcVersion);
    pod.annotations.push_back({std::string(kMutable), arguments_.sandbox ? "true" : "false"});
    for (const image::Annotation& annotation : arguments_.annotations)
      pod.annotations.push_back(annotation);
    pod.userAnnotations = arguments_.userAnnotations;
    pod.userLabels = arguments_.userLabels;
    pod.volumes = arguments_.volumes;
    pod.ports = arguments_.ports;
    if (arguments_.noOverlay) {
      plan_.warnings.push_back(
          "warning: --no-overlay changes nothing: images are mounted read-only, and what an app "
          "writes goes over them");
    }
    for (std::size_t i = 0; i < images.size(); ++i) TRY(addApp(arguments_.apps[i], images[i]));
    if (arguments_.detach) leaveCaller(pod);
    TRY(image::checkPodManifest(pod));
    return std::move(plan_);
  }

 private:
  Result<void> addApp(const AppArguments& wanted, const ChosenImage& chosen) {
    const image::ImageManifest manifest = TRY(image::parseImageManifest(chosen.manifest));
    const std::string& imageName = manifest.name.text();
    const AppName name = wanted.name
                             ? *wanted.name
                             : TRY(image::sanitizeAppName(
                                   std::string_view(imageName).substr(imageName.rfind('/') + 1)));
    std::vector<image::RuntimeApp>& apps = plan_.manifest.apps;
    if (std::ranges::find(apps, name, &image::RuntimeApp::name) != apps.end()) {
      return refuse(ErrorKind::Invalid, "E_APP", "error: multiple apps with name " + name.text(),
                    "Give one of them another --name");
    }
    image::App app = TRY(override(manifest, wanted));
    image::RuntimeApp runtime{.name = name,
                              .image = {manifest.name, chosen.record.image.text(), manifest.labels},
                              .app = std::nullopt,
                              .readOnlyRootFs = wanted.readOnlyRootFs,
                              .mounts = {},
                              .annotations = wanted.annotations};
    if (wanted.notify) runtime.annotations.push_back({std::string(kNotifies), "true"});
    constexpr auto caller = ipc::StreamMode::Inherit;
    noteStreams({wanted.input.value_or(caller), wanted.output.value_or(caller),
                 wanted.errors.value_or(caller)},
                runtime.annotations);
    // The app's own before the pod's for the same path.
    for (const auto* mounts : {&wanted.mounts, &arguments_.mounts}) {
      for (const image::Mount& mount : *mounts) {
        if (!isMounted(runtime, mount.path)) runtime.mounts.push_back(mount);
      }
    }
    apps.push_back(std::move(runtime));
    TRY(completeMounts(plan_, apps.size() - 1, app));
    apps.back().app = std::move(app);
    return {};
  }

  // What the image says about its app, changed by the flags.
  Result<image::App> override(const image::ImageManifest& manifest,
                              const AppArguments& wanted) const {
    image::App app = appOf(manifest);
    if (wanted.exec) app.exec = {*wanted.exec};
    TRY(requireExec(app, manifest.name.text()));
    app.exec.insert(app.exec.end(), wanted.arguments.begin(), wanted.arguments.end());
    if (wanted.user) app.user = *wanted.user;
    if (wanted.group) app.group = *wanted.group;
    if (wanted.supplementaryGids) app.supplementaryGids = *wanted.supplementaryGids;
    if (wanted.workingDirectory) app.workingDirectory = *wanted.workingDirectory;
    for (const image::Isolator& isolator : wanted.isolators) {
      image::overrideIsolator(app.isolators, isolator);
    }
    setEntries(app.userAnnotations, wanted.userAnnotations);
    setEntries(app.userLabels, wanted.userLabels);
    std::vector<EnvironmentVariable> environment;
    if (arguments_.inheritEnvironment) environment = surroundings_.parentEnvironment;
    using Variables = std::vector<EnvironmentVariable>;
    const Variables& fromImage = app.environment;
    for (const Variables& later :
         {std::cref(fromImage), std::cref(surroundings_.fileEnvironment),
          std::cref(arguments_.environment), std::cref(wanted.environment)}) {
      for (const EnvironmentVariable& variable : later) setVariable(environment, variable);
    }
    app.environment = std::move(environment);
    TRY(image::checkApp(app));
    return app;
  }

  const PodArguments& arguments_;
  const Surroundings& surroundings_;
  PodPlan plan_;
};

}  // namespace

std::string absoluteTarget(const std::string& path) {
  return path.starts_with('/') ? path : "/" + path;
}

Result<PodPlan> planPod(const PodArguments& arguments, std::span<const ChosenImage> images,
                        const Surroundings& surroundings) {
  return Planner(arguments, surroundings).plan(images);
}

Result<PodPlan> planPod(image::PodManifest manifest, std::span<const ChosenImage> images) {
  TRY(image::requireApps(manifest));
  if (images.size() != manifest.apps.size()) return fail(ErrorKind::Invalid, "an image is missing");
  PodPlan plan{.manifest = std::move(manifest), .warnings = {}};
  for (std::size_t i = 0; i < images.size(); ++i) {
    const image::ImageManifest image = TRY(image::parseImageManifest(images[i].manifest));
    image::RuntimeApp& runtime = plan.manifest.apps[i];
    runtime.image.id = images[i].record.image.text();
    if (!runtime.image.name) runtime.image.name = image.name;
    if (runtime.image.labels.empty()) runtime.image.labels = image.labels;
    if (!runtime.app) runtime.app = appOf(image);
    TRY(inMessage(requireExec(*runtime.app, image.name.text()), "app " + runtime.name.text()));
    TRY(completeMounts(plan, i, *runtime.app));
  }
  TRY(image::checkPodManifest(plan.manifest));
  return plan;
}

void leaveCaller(image::PodManifest& manifest) {
  const auto unless = [](ipc::StreamMode said, ipc::StreamMode otherwise) {
    return said == ipc::StreamMode::Inherit ? otherwise : ipc::StreamMode::Inherit;
  };
  for (image::RuntimeApp& app : manifest.apps) {
    const StreamModes said = streamModesOf(app.annotations);
    noteStreams(
        {unless(said.input, ipc::StreamMode::Null), unless(said.output, ipc::StreamMode::Log),
         unless(said.errors, ipc::StreamMode::Log)},
        app.annotations);
  }
}

std::vector<EnvironmentVariable> environmentOf(const char* const* environ) {
  std::vector<EnvironmentVariable> environment;
  for (; environ != nullptr && *environ != nullptr; ++environ) {
    const std::string_view text = *environ;
    const std::size_t equals = text.find('=');
    if (equals == text.npos || !image::checkEnvironmentName(text.substr(0, equals))) continue;
    setVariable(environment,
                {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))});
  }
  return environment;
}

}  // namespace airlock::cli
