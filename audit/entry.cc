// SPDX-License-Identifier: Apache-2.0
#include "audit/entry.h"

#include <fcntl.h>
#include <time.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <vector>

#include "base/syscall.h"

namespace airlock::audit {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// RFC 3339, in UTC, with nanoseconds.  Not by gmtime(3) and strftime(3): both read the host's time
// zone.
std::string timeText(std::int64_t wall) {
  using namespace std::chrono;
  const sys_time<nanoseconds> time{nanoseconds(wall)};
  const auto midnight = floor<days>(time);
  const year_month_day date{midnight};
  const hh_mm_ss clock{time - midnight};
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%09lldZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<long long>(clock.subseconds().count()));
  return text.data();
}

std::uint64_t bootTime() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return static_cast<std::uint64_t>(time.tv_sec * kSecond + time.tv_nsec);
}

std::string bootId() {
  const auto file = sys::openPath("/proc/sys/kernel/random/boot_id", O_RDONLY);
  const auto text = file ? sys::readAll(*file, 64) : Result<std::string>(std::string());
  return text ? text->substr(0, 36) : std::string();
}

JsonObject whoOf(const Who& who) {
  JsonObject object;
  object.number("gid", who.gid);
  object.number("pid", static_cast<std::uint64_t>(who.pid));
  object.number("uid", who.uid);
  if (who.loginUid) object.number("auid", *who.loginUid);
  if (who.session) object.number("session", *who.session);
  object.text("selinux", who.selinux);
  return object;
}

// As /proc/PID/status writes a set of capabilities, and capsh --decode reads it.
std::string capabilityText(std::uint64_t set) {
  std::array<char, 17> text;
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(set));
  return text.data();
}

bool verified(const ipc::CatalogRecord& image) {
  bool all = !image.signers.empty();
  for (const ipc::Dependency& part : image.dependencies) all &= !part.signers.empty();
  return all;
}

}  // namespace

std::string writeLine(const Entry& entry, std::uint64_t sequence, const OciDigest& previous) {
  JsonObject result;
  result.text("code", entry.code);
  result.text("text", entry.text);
  JsonObject line;
  line.number("v", kVersion);
  line.number("seq", sequence);
  line.text("prev", previous.text());
  line.text("time", timeText(sys::wallClock()));
  line.number("boottime", bootTime());
  line.text("boot", bootId());
  line.text("op", entry.op);
  JsonObject subject = entry.subject;
  if (entry.pod) subject.text("pod", entry.pod->text());
  subject.text("selinux", entry.label);
  line.object("subject", subject);
  line.object("result", result);
  if (entry.who) line.object("who", whoOf(*entry.who));
  if (entry.of) line.number("of", *entry.of);
  line.text("rule", entry.rule);
  line.text("policy", entry.policy);
  line.text("trust", entry.trust);
  if (!entry.layers.empty()) line.object("layers", entry.layers);
  if (!entry.measure.empty()) line.object("measure", entry.measure);
  return line.write();
}

void addSigners(JsonObject& to, std::span<const ipc::Signer> signers) {
  std::vector<JsonObject> list;
  for (const ipc::Signer& signer : signers) {
    JsonObject& one = list.emplace_back();
    one.text("fingerprint", signer.fingerprint.text());
    one.text("kind", ipc::toString(signer.kind));
    one.text("user", signer.userId);
  }
  to.objects("signers", list);
}

void addImage(JsonObject& to, const ipc::CatalogRecord& image) {
  to.text("image", image.image.text());
  to.text("name", image.name.text());
  std::vector<std::string> labels;
  for (const Label& label : image.labels) labels.push_back(label.name + "=" + label.value);
  to.texts("labels", labels);
  to.text("origin", image.origin);
  to.flag("verified", verified(image));
  addSigners(to, image.signers);
}

void addPod(JsonObject& to, const ipc::PodSpec& spec, std::span<const ipc::CatalogRecord> images,
            std::span<const std::string> extraFilters, const Usual& usual) {
  std::vector<JsonObject> apps;
  std::vector<std::string> weaker;
  std::size_t extra = 0;
  for (std::size_t i = 0; i < spec.apps.size() && i < images.size(); ++i) {
    const ipc::AppSpec& app = spec.apps[i];
    JsonObject& one = apps.emplace_back();
    one.text("name", app.name.text());
    one.text("image", images[i].image.text());
    one.text("image_name", images[i].name.text());
    one.flag("verified", verified(images[i]));
    addSigners(one, images[i].signers);
    one.text("capabilities", capabilityText(app.capabilities));
    std::vector<std::string> filters = {std::string(usual.filter)};
    if (app.hasExtraFilter && extra < extraFilters.size()) filters.push_back(extraFilters[extra++]);
    one.texts("seccomp", filters);
    if (!verified(images[i])) weaker.push_back("unverified " + app.name.text());
    if ((app.capabilities & ~usual.capabilities) != 0)
      weaker.push_back("capabilities " + app.name.text());
    if (!app.noNewPrivileges) weaker.push_back("privileges " + app.name.text());
  }
  if (spec.network == ipc::Network::Host) weaker.push_back("network");
  std::vector<std::string> volumes;
  for (const ipc::VolumeSpec& volume : spec.volumes) {
    const bool host = volume.kind == ipc::VolumeKind::Host;
    volumes.push_back(volume.name.text() + (host ? ":host" : ":empty") +
                      (volume.readOnly ? ":ro" : ":rw") + (host ? ":" + volume.source : ""));
  }
  to.objects("apps", apps);
  to.texts("insecure", weaker);
  to.text("network", spec.network == ipc::Network::Host ? "host" : "none");
  to.texts("volumes", volumes);
}

JsonObject layersOf(std::span<const ipc::Layer> layers) {
  std::vector<std::string> enforced;
  std::vector<JsonObject> missing;
  for (const ipc::Layer& layer : layers) {
    if (layer.enforced) {
      enforced.push_back(layer.name);
      continue;
    }
    JsonObject& one = missing.emplace_back();
    one.text("name", layer.name);
    one.text("detail", layer.detail);
  }
  JsonObject object;
  object.texts("enforced", enforced);
  object.objects("missing", missing);
  return object;
}

}  // namespace airlock::audit
