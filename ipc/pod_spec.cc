// SPDX-License-Identifier: Apache-2.0
#include "ipc/pod_spec.h"

#include <algorithm>
#include <csignal>
#include <set>

#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
using Environment = std::vector<std::pair<std::string, std::string>>;
using Data = capnp::Data;

Result<std::vector<std::string>> readExec(capnp::List<Data>::Reader from) {
  auto exec = TRY(readList(from, limits::kArguments, "exec", [](Data::Reader argument) {
    return readBytes(argument, "argument", limits::kArgumentBytes);
  }));
  if (exec.empty() || exec.front().empty()) return badValue("exec", "is empty");
  return exec;
}
void writeExec(capnp::List<Data>::Builder to, const std::vector<std::string>& exec) {
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, raw(exec[i]));
}

using Variable = std::pair<std::string, std::string>;
Result<Environment> readEnvironment(capnp::List<wire::Variable>::Reader from) {
  return readList(from, limits::kEnvironment, "environment",
                  [](wire::Variable::Reader variable) -> Result<Variable> {
                    auto name = TRY(readBytes(variable.getName(), "variable name"));
                    if (name.empty() || name.contains('=')) {
                      return badValue("variable name", "is empty or has an equals sign");
                    }
                    return Variable(std::move(name), TRY(readBytes(variable.getValue(), "variable",
                                                                   limits::kArgumentBytes)));
                  });
}
void writeEnvironment(capnp::List<wire::Variable>::Builder to, const Environment& environment) {
  writeList(to, environment, [](wire::Variable::Builder builder, const auto& variable) {
    builder.setName(raw(variable.first));
    builder.setValue(raw(variable.second));
  });
}

Result<MountSpec> readMount(wire::MountSpec::Reader from) {
  MountSpec mount{.volume = TRY(readName<AppName>(from.getVolume(), "mounted volume")),
                  .target = TRY(readBytes(from.getTarget(), "mount target", limits::kPathBytes)),
                  .readOnly = from.getReadOnly()};
  if (!mount.target.starts_with('/')) return badValue("mount target", "is not absolute");
  return mount;
}

Result<std::optional<std::int32_t>> readOomScore(wire::AppSpec::Reader from) {
  const std::int32_t score = from.getOomScoreAdjust();
  if (!from.getHasOomScoreAdjust()) {
    if (score != 0) return badValue("OOM score", "is given and said to be absent");
    return std::nullopt;
  }
  if (score < -limits::kOomScoreMax || score > limits::kOomScoreMax) {
    return badValue("OOM score", "is not between -1000 and 1000");
  }
  return score;
}

Result<std::string> readIdentity(capnp::Text::Reader from, std::string_view field) {
  auto identity = TRY(readText(from, field, limits::kPathBytes));
  if (identity.empty()) return badValue(field, "is empty");
  return identity;
}

Result<SocketSpec> readSocket(wire::SocketSpec::Reader from) {
  SocketSpec socket{.port = TRY(readName<AppName>(from.getPort(), "socket's port")),
                    .datagram = from.getDatagram(),
                    .number = from.getNumber()};
  if (socket.number == 0) return badValue("socket's port", "is 0");
  return socket;
}

Result<StreamMode> fromWire(wire::StreamMode mode) {
  switch (mode) {
    case wire::StreamMode::INHERIT:
      return StreamMode::Inherit;
    case wire::StreamMode::NULL_:
      return StreamMode::Null;
    case wire::StreamMode::LOG:
      return StreamMode::Log;
    case wire::StreamMode::STREAM:
      return StreamMode::Stream;
    case wire::StreamMode::TTY:
      return StreamMode::Tty;
  }
  return badValue("stream mode", "is unknown");
}
wire::StreamMode toWire(StreamMode mode) {
  switch (mode) {
    case StreamMode::Inherit:
      break;
    case StreamMode::Null:
      return wire::StreamMode::NULL_;
    case StreamMode::Log:
      return wire::StreamMode::LOG;
    case StreamMode::Stream:
      return wire::StreamMode::STREAM;
    case StreamMode::Tty:
      return wire::StreamMode::TTY;
  }
  return wire::StreamMode::INHERIT;
}

// The program of an event handler; no list is none.
Result<std::vector<std::string>> readHandler(capnp::List<Data>::Reader from) {
  if (from.size() == 0) return std::vector<std::string>();
  return readExec(from);
}

Result<AppSpec> readApp(wire::AppSpec::Reader from) {
  AppSpec app{
      .name = TRY(readName<AppName>(from.getName(), "app name")),
      .image = TRY(readDigest<ImageId>(from.getImage(), "image id")),
      .imageName = TRY(readText(from.getImageName(), "image name")),
      .exec = TRY(readExec(from.getExec())),
      .environment = TRY(readEnvironment(from.getEnvironment())),
      .workingDirectory =
          TRY(readBytes(from.getWorkingDirectory(), "working directory", limits::kPathBytes)),
      .user = TRY(readIdentity(from.getUser(), "user")),
      .group = TRY(readIdentity(from.getGroup(), "group")),
      .supplementaryGids = TRY(
          readList(from.getSupplementaryGids(), limits::kSupplementaryGids, "supplementary gids",
                   [](std::uint32_t gid) -> Result<std::uint32_t> { return gid; })),
      .capabilities = from.getCapabilities(),
      .noNewPrivileges = from.getNoNewPrivileges(),
      .readOnlyRoot = from.getReadOnlyRoot(),
      .mounts = TRY(readList(from.getMounts(), limits::kMounts, "mounts", readMount)),
      .memoryBytes = from.getMemoryBytes(),
      .cpuMillis = from.getCpuMillis(),
      .cpuShares = from.getCpuShares(),
      .oomScoreAdjust = TRY(readOomScore(from)),
      .hasExtraFilter = from.getHasExtraFilter(),
      .pidsMax = from.getPidsMax(),
      .notify = from.getNotify(),
      .sockets = TRY(readList(from.getSockets(), limits::kActivatedSockets, "sockets", readSocket)),
      .ownInput = from.getOwnInput(),
      .ownOutput = from.getOwnOutput(),
      .ownErrors = from.getOwnErrors(),
      .input = TRY(fromWire(from.getInput())),
      .output = TRY(fromWire(from.getOutput())),
      .errors = TRY(fromWire(from.getErrors())),
      .preStart = TRY(readHandler(from.getPreStart())),
      .postStop = TRY(readHandler(from.getPostStop())),
      .stopSignal = from.getStopSignal()};
  if (app.stopSignal > SIGRTMAX) return badValue("stop signal", "is no signal");
  if (!app.workingDirectory.empty() && !app.workingDirectory.starts_with('/')) {
    return badValue("working directory", "is not absolute");
  }
  return app;
}
void writeApp(wire::AppSpec::Builder to, const AppSpec& app) {
  to.setName(text(app.name.text()));
  to.setImage(raw(app.image));
  to.setImageName(text(app.imageName));
  writeExec(to.initExec(count(app.exec)), app.exec);
  writeEnvironment(to.initEnvironment(count(app.environment)), app.environment);
  to.setWorkingDirectory(raw(app.workingDirectory));
  to.setUser(text(app.user));
  to.setGroup(text(app.group));
  auto gids = to.initSupplementaryGids(count(app.supplementaryGids));
  for (capnp::uint i = 0; i < gids.size(); ++i) gids.set(i, app.supplementaryGids[i]);
  to.setCapabilities(app.capabilities);
  to.setNoNewPrivileges(app.noNewPrivileges);
  to.setReadOnlyRoot(app.readOnlyRoot);
  writeList(to.initMounts(count(app.mounts)), app.mounts,
            [](wire::MountSpec::Builder builder, const MountSpec& mount) {
              builder.setVolume(text(mount.volume.text()));
              builder.setTarget(raw(mount.target));
              builder.setReadOnly(mount.readOnly);
            });
  to.setMemoryBytes(app.memoryBytes);
  to.setCpuMillis(app.cpuMillis);
  to.setCpuShares(app.cpuShares);
  to.setHasOomScoreAdjust(app.oomScoreAdjust.has_value());
  to.setOomScoreAdjust(app.oomScoreAdjust.value_or(0));
  to.setHasExtraFilter(app.hasExtraFilter);
  to.setPidsMax(app.pidsMax);
  to.setNotify(app.notify);
  writeList(to.initSockets(count(app.sockets)), app.sockets,
            [](wire::SocketSpec::Builder builder, const SocketSpec& socket) {
              builder.setPort(text(socket.port.text()));
              builder.setDatagram(socket.datagram);
              builder.setNumber(socket.number);
            });
  to.setOwnInput(app.ownInput);
  to.setOwnOutput(app.ownOutput);
  to.setOwnErrors(app.ownErrors);
  to.setInput(toWire(app.input));
  to.setOutput(toWire(app.output));
  to.setErrors(toWire(app.errors));
  if (!app.preStart.empty()) writeExec(to.initPreStart(count(app.preStart)), app.preStart);
  if (!app.postStop.empty()) writeExec(to.initPostStop(count(app.postStop)), app.postStop);
  to.setStopSignal(app.stopSignal);
}

Result<VolumeKind> fromWire(wire::VolumeKind kind) {
  switch (kind) {
    case wire::VolumeKind::HOST:
      return VolumeKind::Host;
    case wire::VolumeKind::EMPTY:
      return VolumeKind::Empty;
  }
  return badValue("volume kind", "is unknown");
}
wire::VolumeKind toWire(VolumeKind kind) {
  return kind == VolumeKind::Host ? wire::VolumeKind::HOST : wire::VolumeKind::EMPTY;
}
Result<Network> fromWire(wire::Network network) {
  switch (network) {
    case wire::Network::LOOPBACK:
      return Network::Loopback;
    case wire::Network::HOST:
      return Network::Host;
  }
  return badValue("network", "is unknown");
}
wire::Network toWire(Network network) {
  return network == Network::Host ? wire::Network::HOST : wire::Network::LOOPBACK;
}

Result<VolumeSpec> readVolume(wire::VolumeSpec::Reader from) {
  VolumeSpec volume{.name = TRY(readName<AppName>(from.getName(), "volume name")),
                    .kind = TRY(fromWire(from.getKind())),
                    .readOnly = from.getReadOnly(),
                    .recursive = from.getRecursive(),
                    .source = TRY(readBytes(from.getSource(), "volume source", limits::kPathBytes)),
                    .mode = from.getMode(),
                    .uid = from.getUid(),
                    .gid = from.getGid()};
  if (volume.mode > limits::kModeMax) return badValue("volume mode", "is more than 07777");
  if (volume.uid >= limits::kPodUids || volume.gid >= limits::kPodUids) {
    return badValue("volume owner", "is outside the pod's ids");
  }
  return volume;
}
void writeVolume(wire::VolumeSpec::Builder to, const VolumeSpec& volume) {
  to.setName(text(volume.name.text()));
  to.setKind(toWire(volume.kind));
  to.setReadOnly(volume.readOnly);
  to.setRecursive(volume.recursive);
  to.setSource(raw(volume.source));
  to.setMode(volume.mode);
  to.setUid(volume.uid);
  to.setGid(volume.gid);
}

Result<GivenFile::Rule> fromWire(wire::GivenFile::Rule rule) {
  switch (rule) {
    case wire::GivenFile::Rule::USUAL:
      return GivenFile::Rule::Usual;
    case wire::GivenFile::Rule::NONE:
      return GivenFile::Rule::None;
    case wire::GivenFile::Rule::ADD:
      return GivenFile::Rule::Add;
    case wire::GivenFile::Rule::REPLACE:
      return GivenFile::Rule::Replace;
  }
  return badValue("rule of a given file", "is unknown");
}
Result<GivenFile> readGivenFile(wire::GivenFile::Reader from) {
  GivenFile file{
      .rule = TRY(fromWire(from.getRule())),
      .content = TRY(readBytes(from.getContent(), "given file", limits::kGivenFileBytes))};
  const bool own = file.rule == GivenFile::Rule::Usual || file.rule == GivenFile::Rule::None;
  if (own && !file.content.empty()) return badValue("given file", "has content without a use");
  return file;
}
void writeGivenFile(wire::GivenFile::Builder to, const GivenFile& file) {
  // The numbers are the schema's.
  to.setRule(static_cast<wire::GivenFile::Rule>(file.rule));
  to.setContent(raw(file.content));
}

// No name of a host ends in '-' (RFC 1123), so "rkt-" can stand for another.
bool isHostname(std::string_view name) {
  if (name == "rkt-") return true;
  return !name.ends_with('-') && name.size() <= limits::kHostnameBytes &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.';
         });
}

Result<void> checkStreams(const PodSpec& spec, const AppSpec& app) {
  const std::string name = "app " + app.name.text();
  const bool own = app.ownInput || app.ownOutput || app.ownErrors;
  const bool kept = app.input != StreamMode::Inherit || app.output != StreamMode::Inherit ||
                    app.errors != StreamMode::Inherit;
  if (spec.terminal && (own || kept)) return badValue(name, "has own streams beside a terminal");
  if (app.input == StreamMode::Log) return badValue(name, "has a log for its input");
  const auto both = [](bool mine, StreamMode mode) { return mine && mode != StreamMode::Inherit; };
  if (both(app.ownInput, app.input) || both(app.ownOutput, app.output) ||
      both(app.ownErrors, app.errors)) {
    return badValue(name, "has two streams where it can have one");
  }
  return {};
}

Result<void> checkWhole(const PodSpec& spec) {
  if (!isHostname(spec.hostname)) {
    return badValue(
        "hostname",
        "is longer than 64, has other than letters, digits, '-' and '.', or ends in '-'");
  }
  if (spec.apps.empty() != spec.sandbox)
    return badValue("pod", spec.sandbox ? "has apps beside being a sandbox" : "has no app");
  if (spec.sandbox && !spec.volumes.empty()) return badValue("sandbox", "has volumes and no app");
  if (spec.terminal && spec.apps.size() != 1) {
    return badValue("terminal", "is asked for in a pod with several apps");
  }
  std::set<AppName> volumes;
  for (const VolumeSpec& volume : spec.volumes) {
    if (!volumes.insert(volume.name).second) {
      return badValue("volume " + volume.name.text(), "is there twice");
    }
  }
  const auto journal = std::ranges::find(
      spec.volumes, spec.journal, [](const VolumeSpec& volume) { return volume.name.text(); });
  if (!spec.journal.empty() &&
      (journal == spec.volumes.end() || !journal->readOnly || journal->kind != VolumeKind::Host)) {
    return badValue("journal", "names no read-only volume of the host");
  }
  std::size_t sockets = 0;
  std::set<AppName> apps;
  for (const AppSpec& app : spec.apps) {
    if (!apps.insert(app.name).second) return badValue("app " + app.name.text(), "is there twice");
    sockets += app.sockets.size();
    TRY(checkStreams(spec, app));
    for (const MountSpec& mount : app.mounts) {
      if (!volumes.contains(mount.volume)) {
        return badValue("mount in app " + app.name.text(),
                        "names the volume " + mount.volume.text() + ", which is not there");
      }
    }
  }
  if (sockets > limits::kActivatedSockets) return badValue("pod", "has too many sockets");
  return {};
}
}  // namespace

Result<PodSpec> readPodSpec(wire::PodSpec::Reader from) {
  PodSpec spec{.id = TRY(readPodId(from.getId(), "pod id")),
               .hostname = TRY(readText(from.getHostname(), "hostname")),
               .network = TRY(fromWire(from.getNetwork())),
               .terminal = from.getTerminal(),
               .apps = TRY(readList(from.getApps(), limits::kApps, "apps", readApp)),
               .volumes = TRY(readList(from.getVolumes(), limits::kMounts, "volumes", readVolume)),
               .selinuxProcess = TRY(readText(from.getSelinuxProcess(), "process label")),
               .selinuxMount = TRY(readText(from.getSelinuxMount(), "mount label")),
               .watchdogMicroseconds = from.getWatchdogMicroseconds(),
               .journal = TRY(readText(from.getJournal(), "journal")),
               .hasCgroups = from.getHasCgroups(),
               .resolvConf = TRY(readGivenFile(from.getResolvConf())),
               .hosts = TRY(readGivenFile(from.getHosts())),
               .sandbox = from.getSandbox()};
  TRY(checkWhole(spec));
  return spec;
}
void writePodSpec(wire::PodSpec::Builder to, const PodSpec& spec) {
  to.setId(raw(spec.id));
  to.setHostname(text(spec.hostname));
  to.setNetwork(toWire(spec.network));
  to.setTerminal(spec.terminal);
  writeList(to.initApps(count(spec.apps)), spec.apps, writeApp);
  writeList(to.initVolumes(count(spec.volumes)), spec.volumes, writeVolume);
  to.setHasCgroups(spec.hasCgroups);
  writeGivenFile(to.initResolvConf(), spec.resolvConf);
  writeGivenFile(to.initHosts(), spec.hosts);
  to.setSandbox(spec.sandbox);
  to.setSelinuxProcess(text(spec.selinuxProcess));
  to.setSelinuxMount(text(spec.selinuxMount));
  to.setWatchdogMicroseconds(spec.watchdogMicroseconds);
  if (!spec.journal.empty()) to.setJournal(text(spec.journal));
}

Result<EnterSpec> readEnterSpec(wire::EnterSpec::Reader from) {
  return EnterSpec{.app = TRY(readName<AppName>(from.getApp(), "app name")),
                   .exec = TRY(readExec(from.getExec())),
                   .environment = TRY(readEnvironment(from.getEnvironment())),
                   .terminal = from.getTerminal()};
}
void writeEnterSpec(wire::EnterSpec::Builder to, const EnterSpec& spec) {
  to.setApp(text(spec.app.text()));
  writeExec(to.initExec(count(spec.exec)), spec.exec);
  writeEnvironment(to.initEnvironment(count(spec.environment)), spec.environment);
  to.setTerminal(spec.terminal);
}

Result<AttachSpec> readAttachSpec(wire::AttachSpec::Reader from) {
  AttachSpec spec{.app = TRY(readName<AppName>(from.getApp(), "app name")),
                  .input = from.getInput(),
                  .output = from.getOutput(),
                  .errors = from.getErrors()};
  if (!spec.input && !spec.output && !spec.errors) return badValue("attachment", "has no stream");
  return spec;
}
void writeAttachSpec(wire::AttachSpec::Builder to, const AttachSpec& spec) {
  to.setApp(text(spec.app.text()));
  to.setInput(spec.input);
  to.setOutput(spec.output);
  to.setErrors(spec.errors);
}

}  // namespace airlock::ipc::codec

namespace airlock::ipc {

bool keepsStreams(const PodSpec& spec) {
  const auto kept = [](StreamMode mode) {
    return mode != StreamMode::Inherit && mode != StreamMode::Null;
  };
  return std::ranges::any_of(spec.apps, [&](const AppSpec& app) {
    return kept(app.input) || kept(app.output) || kept(app.errors);
  });
}

Result<std::string> encode(const PodSpec& spec) {
  return codec::encode<wire::PodSpec>(
      limits::kSealedBytes, [&](auto to) { codec::writePodSpec(to, spec); }, decodePodSpec);
}
Result<PodSpec> decodePodSpec(std::string_view bytes) {
  return codec::decode<wire::PodSpec>(bytes, limits::kSealedBytes, codec::readPodSpec);
}

Result<std::string> encode(const EnterSpec& spec) {
  return codec::encode<wire::EnterSpec>(
      limits::kSealedBytes, [&](auto to) { codec::writeEnterSpec(to, spec); }, decodeEnterSpec);
}
Result<EnterSpec> decodeEnterSpec(std::string_view bytes) {
  return codec::decode<wire::EnterSpec>(bytes, limits::kSealedBytes, codec::readEnterSpec);
}

Result<std::string> encode(const AttachSpec& spec) {
  return codec::encode<wire::AttachSpec>(
      limits::kMessageBytes, [&](auto to) { codec::writeAttachSpec(to, spec); }, decodeAttachSpec);
}
Result<AttachSpec> decodeAttachSpec(std::string_view bytes) {
  return codec::decode<wire::AttachSpec>(bytes, limits::kMessageBytes, codec::readAttachSpec);
}

int Stage1Descriptors::volume(std::size_t index) const {
  return kFirstMountFd + static_cast<int>(spec.apps.size() + index);
}
int Stage1Descriptors::filter(std::size_t app) const {
  const auto before =
      std::count_if(spec.apps.begin(), spec.apps.begin() + static_cast<std::ptrdiff_t>(app),
                    [](const AppSpec& each) { return each.hasExtraFilter; });
  return volume(spec.volumes.size()) + static_cast<int>(before);
}
int Stage1Descriptors::socket(std::size_t app) const {
  int number = filter(spec.apps.size());
  for (std::size_t i = 0; i < app; ++i) number += static_cast<int>(spec.apps[i].sockets.size());
  return number;
}
int Stage1Descriptors::stream(std::size_t app) const {
  int number = socket(spec.apps.size());
  for (std::size_t i = 0; i < app; ++i) {
    const AppSpec& each = spec.apps[i];
    number += int{each.ownInput} + int{each.ownOutput} + int{each.ownErrors};
  }
  return number;
}
int Stage1Descriptors::cgroup(std::size_t app) const {
  return stream(spec.apps.size()) + static_cast<int>(app);
}
int Stage1Descriptors::logs() const { return cgroup(spec.hasCgroups ? spec.apps.size() : 0); }
int Stage1Descriptors::end() const { return logs() + (keepsStreams(spec) ? 2 : 0); }

}  // namespace airlock::ipc
