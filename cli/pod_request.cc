// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_request.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/in_message.h"
#include "cli/options.h"
#include "cli/seccomp_groups.h"
#include "cli/stream_modes.h"
#include "image/capabilities.h"
#include "image/oci_config.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

using image::EnvironmentVariable;

constexpr std::string_view kNoNewPrivileges = "os/linux/no-new-privileges";

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

// What appc can say of a pod and this version cannot do.
Result<void> refuseUnsupported(const image::PodManifest& manifest) {
  if (!manifest.ports.empty()) {
    return refuse(ErrorKind::Unsupported, "E_NETWORK",
                  "port \"" + manifest.ports.front().name.text() +
                      "\" cannot be forwarded: a pod has no private network in this version",
                  "Use --net=host, or let the service manager open the socket");
  }
  if (!manifest.isolators.empty()) {
    return refuse(ErrorKind::Unsupported, "E_ISOLATOR",
                  "isolator " + printable(manifest.isolators.front().name) +
                      " of the whole pod is not enforced",
                  "Give it to each app");
  }
  return {};
}

class Builder {
 public:
  Builder(const image::PodManifest& pod, const PodArguments& start,
          const Surroundings& surroundings)
      : pod_(pod), start_(start), surroundings_(surroundings) {}

  Result<PodRequest> build(std::span<const ChosenImage> images) {
    if (!start_.sandbox) TRY(image::requireApps(pod_));
    if (images.size() != pod_.apps.size()) return fail(ErrorKind::Invalid, "an image is missing");
    TRY(refuseUnsupported(pod_));
    spec().hostname = start_.hostname;
    if (spec().hostname.empty() && programName() == "rkt") spec().hostname = "rkt-";
    spec().network = start_.network;
    spec().terminal = start_.interactive;
    spec().sandbox = start_.sandbox;
    if (start_.interactive && pod_.apps.size() != 1) {
      return refuse(ErrorKind::Invalid, "E_FLAG", "interactive option only supports one image");
    }
    spec().resolvConf = TRY(resolvConfOf(start_.nameFiles, start_.network));
    spec().hosts = TRY(hostsOf(start_.nameFiles));
    warnOfInsecure();
    spec().watchdogMicroseconds = surroundings_.watchdogMicroseconds;
    for (const image::Volume& volume : pod_.volumes) TRY(addVolume(volume));
    for (std::size_t i = 0; i < images.size(); ++i) TRY(addApp(pod_.apps[i], images[i]));
    warnOfSockets();
    TRY(checkDescriptors());
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

  Result<void> addVolume(const image::Volume& volume) {
    if (volume.kind == image::Volume::Kind::Host)
      result_.volumes.push_back(TRY(openSource(volume)));
    spec().volumes.push_back(specOf(volume));
    return {};
  }

  Result<void> addApp(const image::RuntimeApp& runtime, const ChosenImage& chosen) {
    const image::ImageManifest manifest = TRY(image::parseImageManifest(chosen.manifest));
    TRY(image::requirePlatform(manifest.labels));
    const image::App& app = *runtime.app;
    const std::string where = "app " + runtime.name.text();
    const image::AppIsolators isolators =
        TRY(inMessage(image::decodeIsolators(app.isolators), where));
    for (const std::string& isolator : isolators.notEnforced) {
      // Who wrote the pod's manifest can leave it out; who only uses an image cannot.
      if (!start_.podManifest.empty()) {
        return refuse(ErrorKind::Unsupported, "E_ISOLATOR",
                      where + ": isolator " + isolator + " is not enforced",
                      "Leave it out of the pod manifest");
      }
      result_.notes.push_back(where + ": isolator " + isolator + " is not enforced");
    }

    ipc::AppSpec started{.name = runtime.name,
                         .image = chosen.record.image,
                         .imageName = displayName(manifest.name, manifest.labels)};
    TRY(addMounts(runtime, started));
    TRY(limit(app, isolators, started));
    passSockets(app, started);
    // What the pod says of the app goes before what the image says.
    const std::string_view notifies = image::annotationValue(runtime.annotations, kNotifies);
    started.notify = (notifies.empty() ? image::annotationValue(manifest.annotations, kNotifies)
                                       : notifies) == "true";
    const StreamModes modes = streamModesOf(runtime.annotations);
    started.input = modes.input;
    started.output = modes.output;
    started.errors = modes.errors;
    describe(app, started);
    const auto stop = app.userAnnotations.find(std::string(image::kStopSignalAnnotation));
    if (stop != app.userAnnotations.end()) {
      started.stopSignal = TRY(inContext(image::signalNumber(stop->second),
                                         "the stop signal of app " + started.name.text()));
    }
    started.readOnlyRoot = runtime.readOnlyRootFs;
    spec().apps.push_back(std::move(started));
    return {};
  }

  Result<void> addMounts(const image::RuntimeApp& runtime, ipc::AppSpec& started) {
    for (const image::Mount& mount : runtime.mounts) {
      const std::string target = absoluteTarget(mount.path);
      const auto& points = runtime.app->mountPoints;
      const auto point = std::ranges::find_if(points, [&](const image::MountPoint& each) {
        return absoluteTarget(each.path) == target;
      });
      const bool pointIsReadOnly = point != points.end() && point->readOnly;
      image::Volume volume{.name = mount.volume};
      if (mount.appVolume) {
        volume = *mount.appVolume;
        volume.name = TRY(ownVolumeName(runtime.name, mount.volume));
        TRY(addVolume(volume));
      } else {
        const auto found = std::ranges::find(pod_.volumes, mount.volume, &image::Volume::name);
        if (found == pod_.volumes.end()) {
          return refuse(ErrorKind::Invalid, "E_VOLUME",
                        "dangling mount point \"" + printable(mount.path) + "\": volume \"" +
                            mount.volume.text() + "\" not found");
        }
        volume = *found;
      }
      started.mounts.push_back({volume.name, target, volume.readOnly.value_or(pointIsReadOnly)});
    }
    return {};
  }

  // Of a volume that is one app's alone, among those of the pod.
  Result<AppName> ownVolumeName(const AppName& app, const AppName& volume) {
    const std::string base = app.text() + "-" + volume.text();
    for (std::size_t number = 0; number <= limits::kMounts; ++number) {
      const AppName name =
          TRY(AppName::parse(number == 0 ? base : base + "-" + std::to_string(number)));
      const auto& taken = spec().volumes;
      if (std::ranges::find(taken, name, &ipc::VolumeSpec::name) == taken.end()) return name;
    }
    return fail(ErrorKind::Invalid, "too many volumes are called " + base);
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

  void describe(const image::App& app, ipc::AppSpec& started) const {
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
    if (surroundings_.metadataUrl.empty()) return;
    constexpr const char* url = "AC_METADATA_URL";
    std::erase_if(started.environment, [&](const auto& variable) { return variable.first == url; });
    started.environment.emplace_back(url, surroundings_.metadataUrl);
  }

  const image::PodManifest& pod_;
  const PodArguments& start_;
  const Surroundings& surroundings_;
  PodRequest result_;
};

}  // namespace

Result<PodRequest> requestPod(const image::PodManifest& manifest,
                              std::span<const ChosenImage> images, const PodArguments& start,
                              const Surroundings& surroundings) {
  return Builder(manifest, start, surroundings).build(images);
}

Result<PodRequest> buildPodRequest(const PodArguments& arguments,
                                   std::span<const ChosenImage> images,
                                   const Surroundings& surroundings) {
  PodPlan plan = TRY(planPod(arguments, images, surroundings));
  PodRequest request = TRY(requestPod(plan.manifest, images, arguments, surroundings));
  request.warnings.insert(request.warnings.begin(), plan.warnings.begin(), plan.warnings.end());
  return request;
}

}  // namespace airlock::cli
