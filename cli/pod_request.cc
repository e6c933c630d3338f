// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_request.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/in_message.h"
#include "cli/options.h"
#include "cli/seccomp_groups.h"
#include "cli/stream_modes.h"
#include "image/capabilities.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

using image::EnvironmentVariable;

constexpr std::string_view kNotifies = "appc.io/executor/supports-systemd-notify";
constexpr std::string_view kNoNewPrivileges = "os/linux/no-new-privileges";

void setVariable(std::vector<EnvironmentVariable>& environment,
                 const EnvironmentVariable& variable) {
  const auto there = std::ranges::find(environment, variable.name, &EnvironmentVariable::name);
  if (there != environment.end()) {
    there->value = variable.value;
  } else {
    environment.push_back(variable);
  }
}

// The directory or file behind a volume, as the caller may read it.  Links are the caller's own
// affair.
Result<Fd> openSource(const image::Volume& volume) {
  const std::string what = "volume \"" + volume.name.text() + "\"";
  // Without O_NONBLOCK a fifo would keep us waiting for its writer.
  Fd source = TRY(inMessage(sys::openPath(volume.source, O_RDONLY | O_NONBLOCK | O_NOCTTY), what));
  const mode_t mode = TRY(sys::status(source)).st_mode;
  if (S_ISDIR(mode) || S_ISREG(mode)) return source;
  return refuse(ErrorKind::Invalid, "E_VOLUME",
                what + ": " + printable(volume.source) + " is neither a directory nor a file");
}

ipc::VolumeSpec specOf(const image::Volume& volume) {
  const bool host = volume.kind == image::Volume::Kind::Host;
  ipc::VolumeSpec spec{.name = volume.name};
  spec.kind = host ? ipc::VolumeKind::Host : ipc::VolumeKind::Empty;
  spec.readOnly = volume.readOnly.value_or(false);
  spec.recursive = volume.recursive.value_or(true);
  spec.source = volume.source;
  spec.mode = volume.mode.value_or(spec.mode);
  spec.uid = volume.uid.value_or(0);
  spec.gid = volume.gid.value_or(0);
  return spec;
}

std::string absoluteTarget(const std::string& path) {
  return path.starts_with('/') ? path : "/" + path;
}

class Builder {
 public:
  Builder(const PodArguments& arguments, const Surroundings& surroundings)
      : arguments_(arguments), surroundings_(surroundings) {}

  Result<PodRequest> build(std::span<const ChosenImage> images) {
    if (images.size() != arguments_.apps.size())
      return fail(ErrorKind::Invalid, "an image is missing");
    pod_.acVersion = std::string(image::kAppcVersion);
    pod_.annotations.push_back({"coreos.com/rkt/stage1/mutable", "false"});
    pod_.volumes = arguments_.volumes;
    spec().hostname = arguments_.hostname;
    if (spec().hostname.empty() && programName() == "rkt") spec().hostname = "rkt-";
    spec().network = arguments_.network;
    spec().terminal = arguments_.interactive;
    warnOfInsecure();
    spec().watchdogMicroseconds = surroundings_.watchdogMicroseconds;
    for (std::size_t i = 0; i < images.size(); ++i) TRY(addApp(arguments_.apps[i], images[i]));
    warnOfSockets();
    for (const image::Volume& volume : pod_.volumes) {
      if (volume.kind == image::Volume::Kind::Host)
        result_.volumes.push_back(TRY(openSource(volume)));
      spec().volumes.push_back(specOf(volume));
    }
    TRY(checkDescriptors());
    TRY(image::checkPodManifest(pod_));
    result_.request.podManifest = image::toJson(pod_, image::JsonStyle::Compact);
    if (result_.request.podManifest.size() > limits::kPodManifestBytes) {
      return refuse(ErrorKind::Invalid, "E_LIMIT",
                    "the pod's manifest has more than " +
                        std::to_string(limits::kPodManifestBytes) + " bytes",
                    "Use fewer apps, or shorter environments");
    }
    return std::move(result_);
  }

 private:
  ipc::PodSpec& spec() { return result_.request.pod; }

  void warnOfInsecure() {
    const auto warn = [this](bool asked, const char* name) {
      if (!asked) return;
      result_.warnings.push_back("warning: --insecure-options=" + std::string(name) +
                                 " changes nothing: that protection cannot be turned off");
    };
    warn(surroundings_.insecure.seccomp, "seccomp");
    warn(surroundings_.insecure.paths, "paths");
  }

  Result<void> checkDescriptors() const {
    const std::size_t count =
        3 + result_.volumes.size() + result_.filters.size() + result_.sockets.size();
    if (count <= limits::kMessageDescriptors) return {};
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "the pod has more than " + std::to_string(limits::kMessageDescriptors - 3) +
                      " host volumes, seccomp filters and sockets together");
  }

  Result<void> addApp(const AppArguments& wanted, const ChosenImage& chosen) {
    const image::ImageManifest manifest = TRY(image::parseImageManifest(chosen.manifest));
    TRY(image::requirePlatform(manifest.labels));
    // Its files are not all there, or more are than it wants to show: not the image that was
    // signed.
    if (!manifest.dependencies.empty() || !manifest.pathWhitelist.empty()) {
      return refuse(ErrorKind::Unsupported, "E_UNSUPPORTED",
                    "image \"" + manifest.name.text() +
                        "\" has dependencies or a pathWhitelist, which this version does not apply",
                    "Build it as one image without them");
    }
    const std::string& imageName = manifest.name.text();
    const AppName name = wanted.name
                             ? *wanted.name
                             : TRY(image::sanitizeAppName(
                                   std::string_view(imageName).substr(imageName.rfind('/') + 1)));
    if (std::ranges::find(pod_.apps, name, &image::RuntimeApp::name) != pod_.apps.end()) {
      return refuse(ErrorKind::Invalid, "E_APP", "multiple apps with name " + name.text(),
                    "Give one of them another --name");
    }
    image::App app = TRY(override(manifest, wanted));
    const image::AppIsolators isolators =
        TRY(inMessage(image::decodeIsolators(app.isolators), "app " + name.text()));
    for (const std::string& isolator : isolators.notEnforced) {
      result_.notes.push_back("app " + name.text() + ": isolator " + isolator + " is not enforced");
    }

    image::RuntimeApp runtime{.name = name,
                              .image = {manifest.name, chosen.record.image.text(), manifest.labels},
                              .app = std::nullopt,
                              .readOnlyRootFs = wanted.readOnlyRootFs,
                              .mounts = {},
                              .annotations = {}};
    ipc::AppSpec started{.name = name,
                         .image = chosen.record.image,
                         .imageName = displayName(manifest.name, manifest.labels)};
    TRY(addMounts(app, wanted, runtime, started));
    TRY(limit(app, isolators, started));
    passSockets(app, started);
    started.notify =
        wanted.notify || image::annotationValue(manifest.annotations, kNotifies) == "true";
    if (wanted.notify) runtime.annotations.push_back({std::string(kNotifies), "true"});
    setStreams(wanted, started);
    noteStreams(started, runtime.annotations);
    describe(app, wanted, started);
    runtime.app = std::move(app);
    pod_.apps.push_back(std::move(runtime));
    spec().apps.push_back(std::move(started));
    return {};
  }

  // What the image says about its app, changed by the flags.
  Result<image::App> override(const image::ImageManifest& manifest,
                              const AppArguments& wanted) const {
    image::App app;
    app.user = app.group = "0";
    if (manifest.app) app = *manifest.app;
    if (wanted.exec) app.exec = {*wanted.exec};
    if (app.exec.empty()) {
      return refuse(
          ErrorKind::Invalid, "E_EXEC",
          "image \"" + manifest.name.text() + "\" has an empty \"exec\" (try --exec=BINARY)");
    }
    app.exec.insert(app.exec.end(), wanted.arguments.begin(), wanted.arguments.end());
    if (wanted.user) app.user = *wanted.user;
    if (wanted.group) app.group = *wanted.group;
    if (wanted.supplementaryGids) app.supplementaryGids = *wanted.supplementaryGids;
    if (wanted.workingDirectory) app.workingDirectory = *wanted.workingDirectory;
    for (const image::Isolator& isolator : wanted.isolators) {
      image::overrideIsolator(app.isolators, isolator);
    }
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

  const image::Volume* findVolume(const AppName& name) const {
    const auto found = std::ranges::find(pod_.volumes, name, &image::Volume::name);
    return found == pod_.volumes.end() ? nullptr : &*found;
  }

  void addMount(image::RuntimeApp& runtime, ipc::AppSpec& started, const image::Volume& volume,
                const std::string& target, bool pointIsReadOnly) const {
    runtime.mounts.push_back({volume.name, target, std::nullopt});
    started.mounts.push_back({volume.name, target, volume.readOnly.value_or(pointIsReadOnly)});
  }

  // The app's own --mount before the pod's for the same path; then the image's mount points by
  // name; what is left gets an empty volume.
  Result<void> addMounts(const image::App& app, const AppArguments& wanted,
                         image::RuntimeApp& runtime, ipc::AppSpec& started) {
    const auto taken = [&](const std::string& target) {
      return std::ranges::find(started.mounts, target, &ipc::MountSpec::target) !=
             started.mounts.end();
    };
    for (const auto* mounts : {&wanted.mounts, &arguments_.mounts}) {
      for (const image::Mount& mount : *mounts) {
        const image::Volume* volume = findVolume(mount.volume);
        if (volume == nullptr) {
          return refuse(ErrorKind::Invalid, "E_VOLUME",
                        "dangling mount point \"" + printable(mount.path) + "\": volume \"" +
                            mount.volume.text() + "\" not found",
                        "Define it with --volume=" + mount.volume.text() + ",kind=...");
        }
        if (taken(mount.path)) continue;
        const auto point = std::ranges::find_if(
            app.mountPoints,
            [&](const image::MountPoint& each) { return absoluteTarget(each.path) == mount.path; });
        addMount(runtime, started, *volume, mount.path,
                 point != app.mountPoints.end() && point->readOnly);
      }
    }
    for (const image::MountPoint& point : app.mountPoints) {
      const std::string target = absoluteTarget(point.path);
      if (taken(target)) continue;
      const image::Volume* volume = findVolume(point.name);
      if (volume == nullptr) volume = TRY(addImplicitVolume(runtime.name, point));
      addMount(runtime, started, *volume, target, point.readOnly);
    }
    return {};
  }

  Result<const image::Volume*> addImplicitVolume(const AppName& app,
                                                 const image::MountPoint& point) {
    result_.warnings.push_back("warning: no volume specified for mount point \"" +
                               point.name.text() +
                               "\", implicitly creating an \"empty\" volume. This volume will be "
                               "removed when the pod is garbage-collected.");
    const AppName name = TRY(AppName::parse(app.text() + "-" + point.name.text()));
    if (findVolume(name) == nullptr) {
      constexpr std::uint32_t mode = 0755;
      pod_.volumes.push_back({.name = name,
                              .kind = image::Volume::Kind::Empty,
                              .source = {},
                              .readOnly = {},
                              .recursive = {},
                              .mode = mode,
                              .uid = 0,
                              .gid = 0});
    }
    return findVolume(name);
  }

  // rkt's rule: a socket belongs to the socket-activated port with its protocol and number.  What
  // is not declared does not cross (R13).
  void passSockets(const image::App& app, ipc::AppSpec& started) {
    for (const image::Port& port : app.ports) {
      if (!port.socketActivated) continue;
      bool found = false;
      for (std::size_t i = 0; i < surroundings_.sockets.size(); ++i) {
        const auto& kind = surroundings_.sockets[i].kind;
        const bool fits = kind && kind->serves &&
                          port.protocol == (kind->datagram ? "udp" : "tcp") &&
                          kind->port >= port.port && kind->port - port.port < port.count;
        if (!fits || std::ranges::find(result_.sockets, i) != result_.sockets.end()) continue;
        started.sockets.push_back({port.name, kind->datagram, kind->port});
        result_.sockets.push_back(i);
        found = true;
      }
      if (found) continue;
      result_.warnings.push_back("warning: no socket was passed for the socket-activated port \"" +
                                 port.name.text() + "\" (" + port.protocol + " " +
                                 std::to_string(port.port) + "); app " + started.name.text() +
                                 " gets none");
    }
  }

  void warnOfSockets() {
    for (std::size_t i = 0; i < surroundings_.sockets.size(); ++i) {
      if (std::ranges::find(result_.sockets, i) != result_.sockets.end()) continue;
      const PassedSocket& socket = surroundings_.sockets[i];
      const std::string what = socket.kind ? std::string(socket.kind->datagram ? "udp " : "tcp ") +
                                                 std::to_string(socket.kind->port)
                                           : "no IP socket";
      result_.warnings.push_back("warning: descriptor " + std::to_string(socket.fd.get()) + " (" +
                                 what + ") of the service manager is no socket-activated port of " +
                                 "any app, and is not passed");
    }
  }

  Result<void> limit(const image::App& app, const image::AppIsolators& isolators,
                     ipc::AppSpec& started) {
    started.capabilities =
        surroundings_.insecure.capabilities ? image::allCapabilities() : isolators.capabilities;
    // On unless the image says in so many words that it cannot live with it; policy decides whether
    // it may.
    const bool refused = std::ranges::any_of(app.isolators, [](const image::Isolator& isolator) {
      return isolator.name == kNoNewPrivileges && isolator.value == "false";
    });
    started.noNewPrivileges = isolators.noNewPrivileges || !refused;
    started.memoryBytes = isolators.memoryBytes.value_or(0);
    const std::uint64_t millis = isolators.cpuMillicores.value_or(0);
    started.cpuMillis = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(millis, std::numeric_limits<std::uint32_t>::max()));
    started.cpuShares = isolators.cpuShares.value_or(0);
    started.pidsMax = isolators.pidsLimit.value_or(0);
    started.oomScoreAdjust = isolators.oomScoreAdj;
    if (isolators.seccomp) {
      auto filter =
          TRY(inMessage(compileSeccomp(*isolators.seccomp), "app " + started.name.text()));
      started.hasExtraFilter = filter.has_value();
      if (filter) {
        started.noNewPrivileges = true;  // seccomp(2): no filter without it
        result_.filters.push_back(*std::move(filter));
      }
    }
    return {};
  }

  void setStreams(const AppArguments& wanted, ipc::AppSpec& started) const {
    // Nobody is there whose streams it could have.
    const auto otherwise = [&](ipc::StreamMode detached) {
      return arguments_.detach ? detached : ipc::StreamMode::Inherit;
    };
    started.input = wanted.input.value_or(otherwise(ipc::StreamMode::Null));
    started.output = wanted.output.value_or(otherwise(ipc::StreamMode::Log));
    started.errors = wanted.errors.value_or(otherwise(ipc::StreamMode::Log));
  }

  static void describe(const image::App& app, const AppArguments& wanted, ipc::AppSpec& started) {
    started.exec = app.exec;
    for (const EnvironmentVariable& variable : app.environment) {
      started.environment.emplace_back(variable.name, variable.value);
    }
    started.workingDirectory = app.workingDirectory;
    for (const image::EventHandler& handler : app.eventHandlers)
      (handler.name == "pre-start" ? started.preStart : started.postStop) = handler.exec;
    started.user = app.user;
    started.group = app.group;
    started.supplementaryGids = app.supplementaryGids;
    started.readOnlyRoot = wanted.readOnlyRootFs;
  }

  const PodArguments& arguments_;
  const Surroundings& surroundings_;
  image::PodManifest pod_;
  PodRequest result_;
};

}  // namespace

Result<PodRequest> buildPodRequest(const PodArguments& arguments,
                                   std::span<const ChosenImage> images,
                                   const Surroundings& surroundings) {
  return Builder(arguments, surroundings).build(images);
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
