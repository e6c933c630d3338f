// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_view.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/go_format.h"
#include "cli/options.h"
#include "image/types.h"
#include "sandbox/cgroup.h"
#include "store/layout.h"

namespace airlock::cli {

namespace {

using image::Json;
using store::PodState;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kShortHashDigits = 12;

std::optional<int> statusOf(const store::Pod& pod, const std::string& app) {
  for (const auto& [name, status] : pod.statuses) {
    if (name == app) return status;
  }
  return std::nullopt;
}

Json mountsJson(const image::PodManifest& manifest, const image::RuntimeApp& app) {
  Json mounts = Json::array();
  for (const image::Mount& mount : app.mounts) {
    const auto found = std::ranges::find(manifest.volumes, mount.volume, &image::Volume::name);
    const image::Volume* volume = found != manifest.volumes.end() ? &*found : nullptr;
    if (mount.appVolume) volume = &*mount.appVolume;
    mounts.push_back({{"name", mount.volume.text()},
                      {"container_path", mount.path},
                      {"host_path", volume != nullptr ? volume->source : ""},
                      {"read_only", volume != nullptr && volume->readOnly.value_or(false)}});
  }
  return mounts;
}

void addMap(Json& json, const char* key, const std::map<std::string, std::string>& values) {
  if (!values.empty()) json[key] = values;
}

}  // namespace

// rkt never says more than milliseconds.
std::string shownTime(std::int64_t nanoseconds) {
  constexpr std::int64_t millisecond = 1'000'000;
  return goTime(nanoseconds - nanoseconds % millisecond);
}

std::string appState(const store::Pod& pod, const AppName& app) {
  const store::AddedApp* added = pod.addedApp(app);
  if (added != nullptr && added->running) return "running";
  if (added != nullptr && added->startedAt == 0) return "created";
  if (added != nullptr || hasEnded(pod.state) || statusOf(pod, app.text())) return "exited";
  return store::toString(pod.state);
}

Json appJson(const PodView& view, const ipc::PodApp& app) {
  const store::Pod& pod = view.pod;
  const std::string& name = app.name.text();
  const auto status = statusOf(pod, name);
  const store::AddedApp* added = pod.addedApp(app.name);
  const std::int64_t createdAt = added != nullptr ? added->createdAt : pod.record.createdAt;
  const std::int64_t startedAt = added != nullptr ? added->startedAt : pod.startedAt;
  Json json = {{"name", name}, {"state", appState(pod, app.name)}};
  if (createdAt != 0) json["created_at"] = createdAt;
  if (startedAt != 0) json["started_at"] = startedAt;
  if (const auto at = view.finishedAt.find(name); at != view.finishedAt.end()) {
    json["finished_at"] = at->second;
  }
  if (status) json["exit_code"] = *status;
  if (std::ranges::find(pod.oomKilled, name) != pod.oomKilled.end()) json["oom_killed"] = true;
  json["image_id"] = app.image.text();
  if (!view.manifest) return json;
  const auto runtime = std::ranges::find(view.manifest->apps, app.name, &image::RuntimeApp::name);
  if (runtime == view.manifest->apps.end()) return json;
  if (!runtime->mounts.empty()) json["mounts"] = mountsJson(*view.manifest, *runtime);
  if (runtime->app) {
    addMap(json, "user_annotations", runtime->app->userAnnotations);
    addMap(json, "user_labels", runtime->app->userLabels);
  }
  return json;
}

namespace {

const ipc::CatalogRecord* recordOf(std::span<const ipc::CatalogRecord> images,
                                   const ImageId& image) {
  const auto found = std::ranges::find(images, image, &ipc::CatalogRecord::image);
  return found == images.end() ? nullptr : &*found;
}

std::string signersOf(const ipc::CatalogRecord* record) {
  if (record == nullptr) return "unknown (no longer in the store)";
  if (record->signers.empty()) return "none (not verified)";
  std::string text;
  for (const ipc::Signer& signer : record->signers) {
    text += (text.empty() ? "" : ", ") + signer.fingerprint.text() + " " +
            airlock::quoted(signer.userId);
  }
  return text;
}

std::string protectionLines(const store::Pod& pod, std::span<const ipc::CatalogRecord> images) {
  std::string enforced;
  std::string missing;
  for (const ipc::Layer& layer : pod.record.layers) {
    if (layer.enforced) {
      enforced += (enforced.empty() ? "" : ",") + printable(layer.name);
    } else {
      missing += "not-enforced=" + printable(layer.name) + ": " + printable(layer.detail) + "\n";
    }
  }
  std::string text = "enforced=" + enforced + "\n" + missing;
  if (!pod.record.selinux.empty()) text += "selinux=" + printable(pod.record.selinux) + "\n";
  text += "measured=" + printable(pod.record.measured) + "\n";
  if (!pod.record.unit.empty()) text += "unit=" + printable(pod.record.unit) + "\n";
  if (!pod.record.machine.empty()) text += "machine=" + printable(pod.record.machine) + "\n";
  for (const ipc::PodApp& app : pod.record.apps) {
    text += "image-" + app.name.text() + "=" + printable(app.imageName) + " " + app.image.text() +
            " signer=" + signersOf(recordOf(images, app.image)) + "\n";
  }
  return text + "rule=" + printable(pod.record.rule) + "\n";
}

PodUsage usageOf(const std::string& cgroup) {
  PodUsage usage;
  const auto group = sandbox::findCgroup(cgroup);
  if (!group || !*group) return usage;
  const auto number = [&](const char* file, std::string_view key) {
    // A file with one number is read as a line of its own key.
    const auto text = sandbox::readCgroup(**group, file);
    if (!text) return std::optional<std::uint64_t>();
    return sandbox::cgroupNumber(key.empty() ? "is " + *text : *text, key.empty() ? "is" : key);
  };
  usage.memoryBytes = number("memory.current", "");
  usage.cpuMicroseconds = number("cpu.stat", "usage_usec");
  usage.processes = number("pids.current", "");
  return usage;
}

struct Columns {
  bool full = false;
  bool names = false;
  bool labels = false;
};

std::vector<std::string> listRow(const PodView& view, std::size_t index, const Columns& columns,
                                 std::int64_t now) {
  const bool full = columns.full;
  const store::Pod& pod = view.pod;
  const auto& apps = pod.record.apps;
  const bool first = index == 0;
  const PodId& id = pod.record.pod;
  std::vector<std::string> row = {!first ? "" : full ? id.text() : id.shortText()};
  if (apps.empty()) {
    row.insert(row.end(), {"-", "-"});
    if (full) row.push_back("-");
  } else {
    const ipc::PodApp& app = apps[index];
    row.push_back(app.name.text());
    row.push_back(app.imageName.empty() ? "--" : printable(app.imageName));
    if (full) row.push_back(app.image.shortText(kShortHashDigits));
  }
  const auto time = [&](std::int64_t at) {
    if (!first || at == 0) return std::string();
    return full ? shownTime(at) : humanizeTime(at, now);
  };
  row.push_back(first ? store::toString(pod.state) : "");
  row.push_back(time(pod.record.createdAt));
  row.push_back(time(pod.startedAt));
  row.emplace_back();  // NETWORKS: a pod has none of its own but loopback
  if (columns.names) row.push_back(first ? printable(pod.record.name) : "");
  if (columns.labels) row.push_back(first ? printable(pod.record.selinux) : "");
  return row;
}

}  // namespace

Result<std::string> readPodManifest(const store::Pod& pod) {
  return sys::readFile(pod.dir, store::name("pod"), limits::kPodManifestBytes);
}

Result<image::PodManifest> podManifestOf(const store::Pod& pod) {
  image::PodManifest manifest = TRY(image::parsePodManifest(TRY(readPodManifest(pod))));
  for (const store::AddedApp& added : pod.added) {
    const auto own = image::parsePodManifest(TRY(readAppManifest(added)));
    if (own && !own->apps.empty()) manifest.apps.push_back(own->apps.front());
  }
  return manifest;
}

Result<std::string> readAppManifest(const store::AddedApp& app) {
  return sys::readFile(app.dir, store::name("pod"), limits::kPodManifestBytes);
}

PodView viewOf(store::Pod pod) {
  PodView view{.pod = std::move(pod), .manifest = std::nullopt, .finishedAt = {}, .usage = {}};
  if (view.pod.state == PodState::Running) view.usage = usageOf(view.pod.record.cgroup);
  // The kernel stamps files with the time of its last tick: a start must not seem to precede the
  // pod's creation.
  if (view.pod.startedAt != 0) {
    view.pod.startedAt = std::max(view.pod.startedAt, view.pod.record.createdAt);
  }
  if (auto manifest = podManifestOf(view.pod)) view.manifest = *std::move(manifest);
  for (const auto& [app, status] : view.pod.statuses) {
    const auto name = AppName::parse(app);
    const auto path = BeneathPath::parse("status/" + app);
    if (!name || !path) continue;
    const auto file = sys::openBeneath(view.pod.dirOf(*name), *path, O_RDONLY | O_NONBLOCK);
    if (!file) continue;
    if (const auto info = sys::status(*file)) {
      view.finishedAt[app] =
          static_cast<std::int64_t>(info->st_mtim.tv_sec) * kSecond + info->st_mtim.tv_nsec;
    }
  }
  return view;
}

bool hasEnded(PodState state) {
  switch (state) {
    case PodState::AbortedPrepare:
    case PodState::Exited:
    case PodState::ExitedGarbage:
    case PodState::ExitedDeleting:
    case PodState::Garbage:
    case PodState::Deleting:
      return true;
    case PodState::Embryo:
    case PodState::Preparing:
    case PodState::Prepared:
    case PodState::Running:
      return false;
  }
  return false;
}

bool isListed(PodState state) {
  return state != PodState::Embryo && state != PodState::Garbage && state != PodState::Deleting;
}

std::string brokenPods(std::span<const store::Pod> pods) {
  if (pods.empty()) return {};
  const std::string line(40, '-');
  std::string text =
      std::to_string(pods.size()) + " error(s) encountered when listing pods:\n" + line + "\n";
  for (const store::Pod& pod : pods)
    text += "pod \"" + pod.record.pod.text() + "\": " + printable(pod.broken) + "\n";
  return text + line + "\nmisc:\n  " + programName() +
         "'s appc version: " + std::string(image::kAppcVersion) + "\n" + line + "\n";
}

std::string listTable(std::span<const PodView> pods, bool full, bool legend, std::int64_t now) {
  Columns columns{.full = full};
  for (const PodView& view : pods) {
    columns.names |= !view.pod.record.name.empty();
    columns.labels |= full && !view.pod.record.selinux.empty();
  }
  std::vector<std::vector<std::string>> rows;
  if (legend) {
    rows.push_back({"UUID", "APP", "IMAGE NAME"});
    if (full) rows.back().push_back("IMAGE ID");
    rows.back().insert(rows.back().end(), {"STATE", "CREATED", "STARTED", "NETWORKS"});
    if (columns.names) rows.back().push_back("POD NAME");
    if (columns.labels) rows.back().push_back("SELINUX");
  }
  for (const PodView& view : pods) {
    const std::size_t count = std::max<std::size_t>(view.pod.record.apps.size(), 1);
    for (std::size_t i = 0; i < count; ++i) rows.push_back(listRow(view, i, columns, now));
  }
  return tabulate(rows);
}

std::string statusLines(const PodView& view, std::span<const ipc::CatalogRecord> images) {
  const store::Pod& pod = view.pod;
  const bool ended = hasEnded(pod.state);
  std::string text = std::string("state=") + store::toString(pod.state) + "\n";
  if (!pod.record.name.empty()) text += "name=" + printable(pod.record.name) + "\n";
  if (pod.record.createdAt != 0) text += "created=" + shownTime(pod.record.createdAt) + "\n";
  if (pod.startedAt != 0) text += "started=" + shownTime(pod.startedAt) + "\n";
  if (pod.state == PodState::Running || pod.state == PodState::Exited) text += "networks=\n";
  if (pod.pid) text += "pid=" + std::to_string(*pod.pid) + "\n";
  if (pod.state == PodState::Running || ended) {
    text += std::string("exited=") + (ended ? "true" : "false") + "\n";
  }
  if (ended || !pod.added.empty()) {
    for (const auto& [app, status] : pod.statuses)
      text += "app-" + app + "=" + std::to_string(status) + "\n";
    for (const std::string& app : pod.oomKilled) text += "oom-killed=" + app + "\n";
  }
  const auto used = [&](const char* key, const std::optional<std::uint64_t>& number) {
    if (number) text += std::string(key) + "=" + std::to_string(*number) + "\n";
  };
  used("memory-bytes", view.usage.memoryBytes);
  used("cpu-usec", view.usage.cpuMicroseconds);
  used("processes", view.usage.processes);
  return text + protectionLines(pod, images);
}

Json podJson(const PodView& view) {
  const store::Pod& pod = view.pod;
  Json json = {{"name", pod.record.pod.text()}, {"state", store::toString(pod.state)}};
  if (!pod.record.name.empty()) json["pod_name"] = pod.record.name;
  Json names = Json::array();
  Json apps = Json::array();
  for (const ipc::PodApp& app : pod.record.apps) {
    names.push_back(app.name.text());
    apps.push_back(appJson(view, app));
  }
  if (!names.empty()) json["app_names"] = std::move(names);
  if (!apps.empty()) json["apps"] = std::move(apps);
  if (pod.record.createdAt != 0) json["created_at"] = pod.record.createdAt / kSecond;
  if (pod.startedAt != 0) json["started_at"] = pod.startedAt / kSecond;
  if (view.manifest) {
    addMap(json, "user_annotations", view.manifest->userAnnotations);
    addMap(json, "user_labels", view.manifest->userLabels);
  }
  return json;
}

Json statusJson(const PodView& view, std::span<const ipc::CatalogRecord> images) {
  const store::Pod& pod = view.pod;
  Json json = podJson(view);
  if (pod.pid) json["pid"] = *pod.pid;
  Json usage = Json::object();
  if (view.usage.memoryBytes) usage["memory_bytes"] = *view.usage.memoryBytes;
  if (view.usage.cpuMicroseconds) usage["cpu_usec"] = *view.usage.cpuMicroseconds;
  if (view.usage.processes) usage["processes"] = *view.usage.processes;
  if (!usage.empty()) json["usage"] = std::move(usage);
  Json layers = Json::array();
  for (const ipc::Layer& layer : pod.record.layers) {
    layers.push_back(
        {{"name", layer.name}, {"enforced", layer.enforced}, {"detail", layer.detail}});
  }
  json["layers"] = std::move(layers);
  json["selinux"] = pod.record.selinux;
  json["measured"] = pod.record.measured;
  json["rule"] = pod.record.rule;
  Json shown = Json::array();
  for (const ipc::PodApp& app : pod.record.apps) {
    Json signers = Json::array();
    if (const ipc::CatalogRecord* record = recordOf(images, app.image)) {
      for (const ipc::Signer& signer : record->signers) {
        signers.push_back({{"fingerprint", signer.fingerprint.text()}, {"user_id", signer.userId}});
      }
    }
    shown.push_back({{"app", app.name.text()},
                     {"id", app.image.text()},
                     {"name", app.imageName},
                     {"signers", std::move(signers)}});
  }
  json["images"] = std::move(shown);
  return json;
}

}  // namespace airlock::cli
