// SPDX-License-Identifier: Apache-2.0
#include "store/pod_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"
#include "base/syscall.h"
#include "sandbox/cgroup.h"
#include "store/layout.h"
#include "store/mcs.h"
#include "store/pod_names.h"

namespace airlock::store {

namespace {

// Missing when it has ended.
Result<Fd> openProcess(FdRef dir, pid_t pid) {
  const std::string text = TRY(sys::readFile(dir, name("pid"), 64));
  Fd pidfd = TRY(sys::pidfdOpen(pid));
  // H14: the number may be another process's by now; the pidfd is held, so start times decide.
  const auto started = startTimeOf(pid);
  if (!started || text != std::to_string(pid) + " " + std::to_string(*started) + "\n")
    return fail(ErrorKind::Missing, "it has ended");
  return pidfd;
}

}  // namespace

Result<Fd> openPodProcess(const Pod& pod) {
  if (pod.state == PodState::Running && pod.pid) {
    if (auto process = openProcess(pod.dir, *pod.pid)) return process;
  }
  return refuse(ErrorKind::Missing, "E_NOT_RUNNING",
                "pod \"" + pod.record.pod.text() + "\" isn't currently running");
}

Result<Fd> openProcessOf(const Pod& pod, const AppName& app) {
  const AddedApp* added = pod.addedApp(app);
  if (added == nullptr) return openPodProcess(pod);
  if (added->running && added->pid) {
    if (auto process = openProcess(added->dir, *added->pid)) return process;
  }
  return refuse(ErrorKind::Missing, "E_NOT_RUNNING",
                "app \"" + app.text() + "\" isn't currently running",
                "Start it: airlock app start " + pod.record.pod.text() + " --app=" + app.text());
}

Result<std::string> readSpec(const Pod& pod, const AppName& app) {
  return sys::readFile(pod.dirOf(app), name("spec"), limits::kSealedBytes);
}

namespace {

constexpr std::size_t kCgroupBytes = 4096;

Result<void> writeWhole(FdRef dir, const char* as, std::string_view content, gid_t group,
                        mode_t mode) {
  const Component temporary = name("new");
  {
    const Fd file = TRY(sys::openBeneath(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (::fchown(file.get(), 0, group) != 0 || ::fchmod(file.get(), mode) != 0)
      return failErrno("chmod");
    TRY(sys::writeAll(file, content));
  }
  return sys::rename(dir, temporary, dir, name(as));
}

}  // namespace

Result<PodNumbers> takeNumbers(FdRef top, const PodDirectory& pods, const PodDirectory::Embryo& pod,
                               const std::optional<AppName>& name, const LabelPolicy& policy) {
  if (pod.prepared) {
    return PodNumbers{{pod.prepared->firstUid},
                      TRY(takeLabelAgain(top, pod.id, policy, pod.prepared->selinux))};
  }
  if (name) TRY(takePodName(top, pods, pod.id, *name));
  const UidRange range = TRY(takeUidRange(top, pod.id));
  auto label = takeLabel(top, pod.id, policy);
  if (label) return PodNumbers{range, *std::move(label)};
  static_cast<void>(releaseUidRange(top, pod.id, range));
  return std::unexpected(std::move(label.error()));
}

Result<void> releaseNumbers(FdRef top, const ipc::PodRecord& record) {
  TRY(releaseUidRange(top, record.pod, UidRange{record.firstUid}));
  TRY(releaseLabel(top, record.pod, record.selinux));
  return releasePodName(top, record.pod, record.name);
}

Result<std::vector<ipc::CatalogRecord>> findImages(const Store& store, const ipc::PodSpec& spec) {
  std::vector<ipc::CatalogRecord> images;
  for (const ipc::AppSpec& app : spec.apps) {
    auto record = TRY(store.find(app.image));
    if (!record) {
      return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                    "image " + app.image.shortText(32) + " is not in the store",
                    "Fetch it first: airlock fetch " + printable(app.imageName));
    }
    images.push_back(*std::move(record));
  }
  return images;
}

std::vector<ipc::PodApp> appsOf(const ipc::PodSpec& spec,
                                const std::vector<ipc::CatalogRecord>& images) {
  std::vector<ipc::PodApp> apps;
  for (std::size_t i = 0; i < spec.apps.size(); ++i) {
    apps.push_back(
        {spec.apps[i].name, images[i].image, displayName(images[i].name, images[i].labels)});
  }
  return apps;
}

Result<void> checkPrepared(const PodDirectory::Embryo& pod, const ipc::RunRequest& request) {
  const std::string manifest = TRY(sys::readFile(pod.dir, name("pod"), limits::kPodManifestBytes));
  const bool same = std::ranges::equal(pod.prepared->apps, request.pod.apps,
                                       [](const ipc::PodApp& was, const ipc::AppSpec& is) {
                                         return was.name == is.name && was.image == is.image;
                                       });
  if (same && manifest == request.podManifest) return {};
  return refuse(ErrorKind::Invalid, "E_STATE",
                "pod \"" + pod.id.text() + "\" was prepared with other apps or images");
}

Result<void> clearStart(const PodDirectory::Embryo& pod) {
  if (const auto cgroup = sys::readFile(pod.dir, name("cgroup"), kCgroupBytes))
    TRY(sandbox::removeCgroup(*cgroup));
  for (const char* left : {"upper", "volumes", "status", "log", "attach", "pid", "cgroup", "new"}) {
    auto removed = sys::removeTree(pod.dir, name(left));
    if (!removed && removed.error().kind() != ErrorKind::Missing) return removed;
  }
  return {};
}

Result<void> writePodFiles(FdRef dir, const PodFiles& files) {
  TRY(writeWhole(dir, "record", TRY(ipc::encode(files.record)), files.group, 0644));
  TRY(writeWhole(dir, "pod", files.manifest, files.group, 0640));
  return writeWhole(dir, "spec", files.spec, files.group, 0600);
}

Result<void> writePid(FdRef dir, pid_t pid) {
  return writeWhole(dir, "pid",
                    std::to_string(pid) + " " + std::to_string(TRY(startTimeOf(pid))) + "\n", 0,
                    0644);
}

std::string cgroupOf(const Pod& pod) {
  if (!pod.record.cgroup.empty()) return pod.record.cgroup;
  return sys::readFile(pod.dir, name("cgroup"), kCgroupBytes).value_or("");
}

Result<void> sweepLeftovers(FdRef top, const PodDirectory& pods) {
  for (const PodId& id : TRY(pods.in("embryo"))) {
    // A living one is locked and refuses; a dead one has no process, no mount and nobody's record.
    static_cast<void>(pods.removeEmbryo(id));
  }
  for (const PodId& id : TRY(pods.in("garbage"))) static_cast<void>(pods.remove(id));
  TRY(reconcileUidRanges(top, pods));
  TRY(reconcilePodNames(top, pods));
  return reconcileCategories(top, pods);
}

}  // namespace airlock::store
