// SPDX-License-Identifier: Apache-2.0
#include "store/added_apps.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/accounts.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

constexpr int kTurnMilliseconds = 20'000;  // for which a change waits for the one before it
constexpr int kLookAgainMilliseconds = 50;

std::string quotedId(const Pod& pod) { return "\"" + pod.record.pod.text() + "\""; }

Result<void> removeIfThere(FdRef dir, const char* entry) {
  auto removed = sys::removeTree(dir, name(entry));
  if (!removed && removed.error().kind() != ErrorKind::Missing) return removed;
  return {};
}

Result<Fd> waitForClaim(const Pod& pod) {
  for (const std::int64_t until = sys::now() + kTurnMilliseconds;;) {
    Fd claim = TRY(claimPod(pod.dir));
    if (claim.valid()) return claim;
    if (sys::now() > until) {
      return refuse(ErrorKind::Busy, "E_BUSY",
                    "the apps of pod " + quotedId(pod) + " are being changed by another command",
                    "Try again");
    }
    ::poll(nullptr, 0, kLookAgainMilliseconds);
  }
}

// The name and image of the app that a request or a directory is about.
Result<void> checkSame(FdRef dir, const ipc::PodApp& was, const ipc::RunRequest& request) {
  const std::string manifest = TRY(sys::readFile(dir, name("pod"), limits::kPodManifestBytes));
  if (was.image == request.pod.apps[0].image && manifest == request.podManifest) return {};
  return refuse(ErrorKind::Invalid, "E_STATE",
                "app \"" + was.name.text() + "\" was added otherwise, or with another image");
}

}  // namespace

Result<ipc::PodSpec> requireSandbox(const Pod& pod) {
  ipc::PodSpec spec =
      TRY(ipc::decodePodSpec(TRY(sys::readFile(pod.dir, name("spec"), limits::kSealedBytes))));
  if (spec.sandbox) return spec;
  return refuse(ErrorKind::Invalid, "E_IMMUTABLE",
                "pod " + quotedId(pod) + " is immutable: its apps are those it was started with",
                "Make one that can be changed: airlock app sandbox");
}

SandboxChange::SandboxChange(Pod pod, Fd claim, Fd process, ipc::PodSpec spec, gid_t group)
    : pod_(std::move(pod)),
      claim_(std::move(claim)),
      process_(std::move(process)),
      spec_(std::move(spec)),
      group_(group) {}

Result<SandboxChange> SandboxChange::begin(const PodDirectory& pods, const PodId& id) {
  Pod before = TRY(pods.find(id));
  ipc::PodSpec spec = TRY(requireSandbox(before));
  Fd claim = TRY(waitForClaim(before));
  Pod pod = TRY(pods.find(id));  // as whoever had the claim before has left it
  Fd process = TRY(openPodProcess(pod));
  const Fd manifest = TRY(sys::openBeneath(pod.dir, name("pod"), O_RDONLY));
  const gid_t group = TRY(sys::status(manifest)).st_gid;
  return SandboxChange(std::move(pod), std::move(claim), std::move(process), std::move(spec),
                       group);
}

Result<ipc::PodSpec> SandboxChange::specOf(const ipc::PodSpec& asked, uid_t caller) const {
  const ipc::AppSpec& app = asked.apps[0];
  const bool streams = app.ownInput || app.ownOutput || app.ownErrors;
  const auto inherits = [](ipc::StreamMode mode) { return mode == ipc::StreamMode::Inherit; };
  if (streams || !app.sockets.empty() || !asked.journal.empty() || asked.terminal ||
      inherits(app.input) || inherits(app.output) || inherits(app.errors)) {
    return refuse(ErrorKind::Invalid, "E_REQUEST",
                  "an app that is added has no sockets and no streams of its caller's",
                  "Its streams are null, log, stream or tty");
  }
  const auto host = std::ranges::find(asked.volumes, ipc::VolumeKind::Host, &ipc::VolumeSpec::kind);
  if (host != asked.volumes.end() && caller != pod_.record.ownerUid) {
    return refuse(ErrorKind::Denied, "E_DENIED",
                  "volume " + host->name.text() +
                      " of the host would be opened with your rights in a pod of " +
                      userName(pod_.record.ownerUid),
                  "Leave it out, or use a pod of your own");
  }
  ipc::PodSpec spec = spec_;
  spec.sandbox = false;
  spec.journal.clear();
  spec.apps = asked.apps;
  spec.volumes = asked.volumes;
  return spec;
}

Result<Fd> SandboxChange::openIds() const {
  const pid_t pid = TRY(sys::pidOf(process_));
  Fd ids = TRY(sys::openPath("/proc/" + std::to_string(pid) + "/ns/user", O_RDONLY));
  TRY(sys::pidfdSignal(process_, 0));  // then the number was its own (H14)
  return ids;
}

Result<std::optional<sandbox::AddedCgroup>> SandboxChange::makeGroup(
    const ipc::AppSpec& app) const {
  return sandbox::addAppCgroup(
      pod_.record.cgroup, {app.name, {app.memoryBytes, app.cpuMillis, app.cpuShares, app.pidsMax}},
      pod_.record.firstUid);
}

Result<void> SandboxChange::add(const AppName& app, const PodFiles& files) const {
  for (const ipc::PodApp& each : pod_.record.apps) {
    if (each.name == app)
      return refuse(ErrorKind::Invalid, "E_APP", "the pod has an app " + app.text() + " already",
                    "Give this one another --name");
  }
  if (pod_.record.apps.size() >= limits::kApps) {
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  "a pod has at most " + std::to_string(limits::kApps) + " apps",
                  "Remove one: airlock app rm");
  }
  TRY(removeIfThere(pod_.dir, "adding"));
  const Fd added = TRY(sys::ensureDirectory(pod_.dir, name("added"), 0755));
  const Fd dir = TRY(sys::ensureDirectory(pod_.dir, name("adding"), 0755));
  if (::fchmod(added.get(), 0755) != 0 || ::fchmod(dir.get(), 0755) != 0) return failErrno("chmod");
  fault("app-add-begun");
  TRY(writePodFiles(dir, files));
  fault("app-add-written");
  TRY(sys::rename(pod_.dir, name("adding"), added, name(app.text())));
  fault("app-add-done");
  return {};
}

Result<const AddedApp*> SandboxChange::find(const AppName& app) const {
  if (const AddedApp* found = pod_.addedApp(app)) return found;
  return refuse(ErrorKind::Missing, "E_APP", "no app \"" + app.text() + "\" in the pod",
                "airlock app list " + pod_.record.pod.text() + " shows those that are");
}

Result<const AddedApp*> SandboxChange::findStopped(const ipc::RunRequest& request) const {
  const AppName& wanted = request.pod.apps[0].name;
  const AddedApp* app = TRY(find(wanted));
  if (app->running)
    return refuse(ErrorKind::Busy, "E_RUNNING", "app \"" + wanted.text() + "\" is already running");
  for (const ipc::PodApp& each : pod_.record.apps)
    if (each.name == wanted) TRY(checkSame(app->dir, each, request));
  for (const char* left : {"status", "attach", "pid", "new"}) TRY(removeIfThere(app->dir, left));
  return app;
}

Result<void> SandboxChange::remove(const AppName& wanted) const {
  const AddedApp* app = TRY(find(wanted));
  if (app->running) {
    return refuse(
        ErrorKind::Busy, "E_RUNNING", "app \"" + wanted.text() + "\" is running",
        "Stop it first: airlock app stop " + pod_.record.pod.text() + " --app=" + wanted.text());
  }
  TRY(removeIfThere(pod_.dir, "removed"));
  TRY(sweep(wanted));
  fault("app-rm-swept");
  const Fd added = TRY(sys::ensureDirectory(pod_.dir, name("added"), 0755));
  TRY(sys::rename(added, name(wanted.text()), pod_.dir, name("removed")));
  fault("app-rm-renamed");
  return removeIfThere(pod_.dir, "removed");
}

Result<void> SandboxChange::sweep(const AppName& wanted) const {
  const AddedApp* app = TRY(find(wanted));
  if (TRY(isAlive(app->dir))) return {};  // somebody has started it again
  return sandbox::removeAppCgroup(pod_.record.cgroup, wanted);
}

}  // namespace airlock::store
