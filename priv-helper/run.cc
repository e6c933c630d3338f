// SPDX-License-Identifier: Apache-2.0
// The run sequence, top to bottom: authorise, measure, mount, start.  Nothing of the pod exists
// before the measurement, and every object that undoes a step owns it until the pod has taken over.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/accounts.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "ipc/inet_socket.h"
#include "priv-helper/measure.h"
#include "priv-helper/pod_process.h"
#include "priv-helper/server.h"
#include "priv-helper/systemd.h"
#include "sandbox/rlimits.h"
#include "store/host_layers.h"
#include "store/image_facts.h"
#include "store/pod_file.h"
#include "store/pod_mounts.h"
#include "store/pod_streams.h"
#include "store/program_digest.h"
#include "store/verity.h"

namespace airlock::helper {

namespace {

// The descriptors of a RunRequest, in its order.
struct Received {
  std::vector<Fd> streams;
  std::vector<Fd> volumes;
  std::vector<Sealed> filters;
  std::vector<Fd> others;    // sockets, then streams of single apps
  bool hostSockets = false;  // any of all of these is a socket of the host's network
};

Result<Received> takeDescriptors(const ipc::PodSpec& pod, ipc::FdTable& fds) {
  const auto volumes =
      std::ranges::count(pod.volumes, ipc::VolumeKind::Host, &ipc::VolumeSpec::kind);
  const auto filters = std::ranges::count(pod.apps, true, &ipc::AppSpec::hasExtraFilter);
  const ipc::Stage1Descriptors numbers{pod};
  const int others = numbers.cgroup(0) - numbers.socket(0);
  TRY(fds.expect(3 + static_cast<std::size_t>(volumes + filters + others)));
  Received received;
  std::size_t next = 0;
  for (int i = 0; i < 3; ++i) received.streams.push_back(TRY(fds.take(next++)));
  for (std::ptrdiff_t i = 0; i < volumes; ++i) {
    Fd source = TRY(fds.take(next++));
    const mode_t mode = TRY(sys::status(source)).st_mode;
    const int flags = ::fcntl(source.get(), F_GETFL);
    // O_PATH would prove nothing about what its sender may read.
    if ((flags & O_PATH) != 0 || !(S_ISDIR(mode) || S_ISREG(mode))) {
      return refuse(ErrorKind::Invalid, "E_FD",
                    "a volume's descriptor is neither an open directory nor a file");
    }
    received.volumes.push_back(std::move(source));
  }
  for (std::ptrdiff_t i = 0; i < filters; ++i) {
    received.filters.push_back(TRY(Sealed::check(TRY(fds.take(next++)), limits::kMessageBytes)));
  }
  for (int i = 0; i < others; ++i) received.others.push_back(TRY(fds.take(next++)));
  std::size_t socket = 0;
  for (const ipc::AppSpec& app : pod.apps)
    for (const ipc::SocketSpec& each : app.sockets)
      TRY(ipc::checkSocket(received.others[socket++], each));
  const auto isHosts = [](const Fd& fd) { return ipc::inetSocketOf(fd).has_value(); };
  received.hostSockets = std::ranges::any_of(received.streams, isHosts) ||
                         std::ranges::any_of(received.others, isHosts);
  return received;
}

// A group that the peer is not in stays a stranger's: its files could pass on its rights.
Result<store::VolumeOwner> ownerOf(FdRef source, const ipc::Peer& peer) {
  const gid_t group = TRY(sys::status(source)).st_gid;
  const bool member = std::ranges::find(peer.groups, group) != peer.groups.end();
  return store::VolumeOwner{peer.uid, member ? group : peer.gid};
}

// Gives back what a start has taken when it does not come to an end.
struct Undo {
  Server& server;
  ipc::PodRecord record;  // what is known of the pod so far
  std::string cgroup;
  std::optional<store::PodDirectory::Embryo> embryo;
  bool done = false;

  ~Undo() {
    if (done) return;
    if (!cgroup.empty()) static_cast<void>(sandbox::removeCgroup(cgroup));
    // A prepared one stays, and its next start begins with clearStart().
    if (embryo->prepared) return;
    embryo->lock.reset();
    // What cannot be removed keeps its uids until it can be.
    if (server.pods.remove(embryo->id))
      static_cast<void>(store::releaseNumbers(server.store.top(), record));
  }
};

// A place for a new pod, or that of the prepared one that is meant: whose it is, and whether it is
// the pod that was prepared.
Result<store::PodDirectory::Embryo> takePlace(Server& server, const ipc::RunRequest& request) {
  if (!request.prepared) return server.pods.create();
  const store::Pod pod = TRY(server.pods.find(*request.prepared));
  TRY(server.authoriser.owned({Verb::Run, pod.record.ownerUid}));
  store::PodDirectory::Embryo place = TRY(server.pods.takePrepared(*request.prepared));
  TRY(store::checkPrepared(place, request));
  TRY(store::clearStart(place));
  return place;
}

Result<void> requireLayers(const Policy& policy, const std::vector<ipc::Layer>& layers) {
  for (const std::string& name : policy.required) {
    const auto layer = std::ranges::find(layers, name, &ipc::Layer::name);
    if (layer == layers.end() || layer->enforced || name == "measurement") continue;
    return refuse(ErrorKind::Unsupported, "E_REQUIRED",
                  "policy requires " + name + ", and it does not hold here: " + layer->detail,
                  "Run it where that layer exists, or take it out of the require line");
  }
  return {};
}

const char* networkName(ipc::Network network) {
  return network == ipc::Network::Host ? "host" : "none";
}

}  // namespace

Result<Answer> run(Server& server, ipc::RunRequest request, ipc::FdTable fds) {
  TRY(server.authoriser.some(Verb::Run));
  Received received = TRY(takeDescriptors(request.pod, fds));

  // 1. authorise: this peer, these images by these signers, with what is asked for.
  RunQuestion question{
      .pod = request.pod, .images = {}, .volumeOwners = {}, .hostSockets = received.hostSockets};
  const Fd pin = TRY(server.store.pin());  // no image goes away before the pod's record names it
  question.images = TRY(store::findImages(server.store, question.pod));
  for (const Fd& volume : received.volumes)
    question.volumeOwners.push_back(TRY(sys::status(volume)).st_uid);
  const Authorised<RunQuestion> authorised = TRY(server.authoriser.run(std::move(question)));
  const std::vector<ipc::CatalogRecord>& images = authorised->images;
  ipc::PodSpec spec = authorised->pod;
  TRY(store::checkTypes(server.policy.labels));

  // 2. a place for the pod, locked by us until stage1 holds it; nothing of it runs.
  Undo undo{.server = server,
            .record = {.pod = PodId(),
                       .ownerUid = server.peer.uid,
                       .createdAt = sys::wallClock(),
                       .apps = store::appsOf(spec, images),
                       .rule = authorised.rule()},
            .cgroup = "",
            .embryo = TRY(takePlace(server, request))};
  ipc::PodRecord& record = undo.record;
  spec.id = record.pod = undo.embryo->id;
  spec.hasCgroups = sandbox::openCgroupHierarchy().has_value();
  const FdRef podDir = undo.embryo->dir;
  fault("run-embryo");
  if (undo.embryo->prepared) {
    record.createdAt = undo.embryo->prepared->createdAt;
    record.name = undo.embryo->prepared->name;
  } else if (request.name) {
    record.name = request.name->text();
  }
  const auto [range, label] = TRY(store::takeNumbers(server.store.top(), server.pods, *undo.embryo,
                                                     request.name, server.policy.labels));
  record.firstUid = range.first;
  fault("run-numbered");
  spec.selinuxProcess = record.selinux = label.process;
  spec.selinuxMount = label.files;
  const std::string specBytes = TRY(ipc::encode(spec));
  const Sealed sealedSpec = TRY(Sealed::make("airlock-pod-spec", specBytes));
  const store::PodFiles written{record, request.podManifest, server.peer.gid, specBytes};
  if (request.prepare) {
    TRY(store::checkVolumes(label, spec, received.volumes));
    TRY(store::writePodFiles(podDir, written));
    fault("prepare-written");
    TRY(server.pods.prepare(*undo.embryo));
    fault("prepare-begun");
    TRY(server.pods.keepPrepared(*undo.embryo));
    undo.done = true;
    fault("prepare-kept");
    return Answer{ipc::Prepared{.pod = spec.id}, {}};
  }

  // 3. measure: what will run is in the register before anything of it does.
  const Fd stage1 = TRY(openSibling("airlock-stage1-container"));
  std::vector<std::vector<Fd>> trees;
  std::vector<ipc::ImageFacts> facts;
  ipc::PodFacts pod{.pod = spec.id,
                    .manifest = digestOf(request.podManifest),
                    .spec = digestOf(specBytes),
                    .stage1 = "container",
                    .stage1Digest = TRY(store::programDigest(TRY(runtimeDirectory(server)),
                                                             "airlock-stage1-container", stage1)),
                    .callerUid = server.peer.uid,
                    .firstUid = range.first,
                    .network = networkName(spec.network),
                    .selinux = store::typeOf(spec.selinuxProcess)};
  std::vector<ipc::Layer> layers =
      store::hostLayersFor(server.policy.labels, server.peer.pid, server.peer.uid);
  for (std::size_t i = 0; i < spec.apps.size(); ++i) {
    trees.push_back(TRY(server.store.openTrees(images[i])));
    server.store.noteUse(images[i]);
    const bool rehash = server.policy.demands("content=rehash");
    facts.push_back(
        store::imageFacts(images[i], TRY(store::contentOf(images[i], trees.back(), rehash))));
    pod.apps.emplace_back(spec.apps[i].name.text(), images[i].image);
  }
  layers.push_back(store::contentLayer(facts));
  TRY(store::checkVolumes(label, spec, received.volumes));
  for (const ipc::VolumeSpec& volume : spec.volumes) {
    pod.volumes.push_back(volume.name.text() +
                          (volume.kind == ipc::VolumeKind::Host ? ":host" : ":empty") +
                          (volume.readOnly ? ":ro" : ":rw"));
  }
  TRY(requireLayers(server.policy, layers));
  MeasureResult measured = TRY(measure(server, std::move(facts), std::move(pod)));
  layers.push_back(measured.layer);
  fault("run-measured");
  // From here on the log says "pod"; if it does not come to that, it must also say "abort".
  auto start = [&]() -> Result<Answer> {
    // 4. the pod's namespaces, with its users; it waits in its cgroup.  Where no systemd wants to
    // see it first, it begins there: to be moved would cost it a grace period of the kernel's.
    Place at;
    std::optional<sandbox::PodCgroup> cgroup;
    const auto group = [&](std::optional<pid_t> leader) -> Result<void> {
      at = TRY(findPlace(server, spec, leader));
      cgroup = TRY(makeCgroup(server, at, podDir, spec, range.first, undo.cgroup, layers));
      return {};
    };
    const bool systemd = ::access(store::kSystemdRuns, F_OK) == 0;
    if (!systemd) TRY(group(std::nullopt));
    WaitingPod waiting =
        TRY(WaitingPod::clone({.label = label.stage1,
                               .range = range,
                               .hostNetwork = spec.network == ipc::Network::Host,
                               .cgroup = cgroup ? std::optional(cgroup->init.ref()) : std::nullopt,
                               .childOfCaller = server.peerIsParent}));
    TRY(sandbox::takeLimitsOf(server.peer.pid, waiting.pid()));
    if (systemd) TRY(group(waiting.pid()));
    const Fd podIds =
        TRY(sys::openPath("/proc/" + std::to_string(waiting.pid()) + "/ns/user", O_RDONLY));
    fault("run-cloned");

    // 5. its files: the images under what it writes, and volumes, all detached.
    const Fd scratch = TRY(store::makeScratch(server.store));
    const ipc::Stage1Descriptors numbers{spec};
    const store::PodPlace files{podDir, range, label};
    std::vector<std::pair<int, Fd>> mounts;
    for (std::size_t i = 0; i < spec.apps.size(); ++i) {
      mounts.emplace_back(numbers.root(i), TRY(store::makeAppRoot(scratch, i, trees[i], podIds,
                                                                  files, spec.apps[i].name)));
    }
    std::size_t nextVolume = 0;
    for (std::size_t i = 0; i < spec.volumes.size(); ++i) {
      const ipc::VolumeSpec& volume = spec.volumes[i];
      if (volume.kind == ipc::VolumeKind::Empty) {
        mounts.emplace_back(numbers.volume(i), TRY(store::makeEmptyVolume(files, volume)));
      } else {
        const FdRef source = received.volumes[nextVolume];
        mounts.emplace_back(numbers.volume(i),
                            TRY(store::makeHostVolume(server.hostMounts, source, volume,
                                                      TRY(ownerOf(source, server.peer)), range)));
        ++nextVolume;
      }
    }
    if (ipc::keepsStreams(spec)) {
      mounts.emplace_back(numbers.logs(), TRY(store::makeLogDirectory(files, server.peer.gid)));
      mounts.emplace_back(numbers.attachSocket(), TRY(store::makeAttachSocket(files)));
    }
    fault("run-mounted");

    // 6. what the pod and its readers find in its directory.
    const Fd status = TRY(store::makeStatusDirectory(files));
    record.network = networkName(spec.network);
    record.layers = layers;
    record.measured = measured.layer.detail;
    record.cgroup = undo.cgroup;
    record.machine = at.machine;
    record.unit = at.unit;
    TRY(store::writePodFiles(podDir, written));
    TRY(store::writePid(podDir, waiting.pid()));
    TRY(server.pods.start(*undo.embryo));
    fault("run-recorded");

    // 7. start the stage1 that was measured, with exactly the contract's descriptors.
    sys::SocketPair leash = TRY(sys::socketPair());
    std::vector<std::pair<int, FdRef>> descriptors = {
        {ipc::kLeashFd, leash.second},        {ipc::kStatusDirFd, status},
        {ipc::kSpecFd, sealedSpec.fd()},      {ipc::kLockFd, undo.embryo->lock},
        {ipc::kStdinFd, received.streams[0]}, {ipc::kStdoutFd, received.streams[1]},
        {ipc::kStderrFd, received.streams[2]}};
    for (const auto& [number, mount] : mounts) descriptors.emplace_back(number, mount);
    std::size_t nextFilter = 0;
    for (std::size_t i = 0; i < spec.apps.size(); ++i) {
      if (spec.apps[i].hasExtraFilter)
        descriptors.emplace_back(numbers.filter(i), received.filters[nextFilter++].fd());
      if (cgroup) descriptors.emplace_back(numbers.cgroup(i), cgroup->apps[i]);
    }
    for (std::size_t i = 0; i < received.others.size(); ++i)
      descriptors.emplace_back(numbers.socket(0) + static_cast<int>(i), received.others[i]);
    Child child = TRY(std::move(waiting).exec(stage1, descriptors));
    undo.done = true;
    fault("run-started");
    Answer answer{ipc::Started{.pod = spec.id, .layers = layers}, {}};
    answer.fds.push_back(TRY(sys::duplicate(child.pidfd())));
    answer.fds.push_back(std::move(leash.first));
    child.disown();
    return answer;
  };
  auto answer = start();
  if (!answer) {
    static_cast<void>(
        measure(server, {}, ipc::AbortFacts{.pod = spec.id, .reason = answer.error().code()}));
    return std::unexpected(std::move(answer.error()));
  }
  return answer;
}

Result<Answer> explain(Server& server, ipc::ExplainRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  uid_t uid = server.peer.uid;
  std::vector<gid_t> groups = server.peer.groups;
  groups.push_back(server.peer.gid);
  if (request.asUser && *request.asUser != uid) {
    if (uid != 0)
      return refuse(ErrorKind::Denied, "E_DENIED", "only root may ask for another user");
    uid = *request.asUser;
    groups = TRY(groupsOf(uid));
  }
  const Authoriser authoriser(server.policy, server.keys, uid, std::move(groups));
  ipc::Explained explained;
  const auto note = [&](auto decision) {
    explained.allowed = decision.has_value();
    if (decision) {
      explained.rule = decision->rule();
    } else {
      explained.reasons.push_back(decision.error().text());
    }
  };
  if (const auto* wanted = std::get_if<ipc::ImportRequest>(&request.what)) {
    if (!wanted->name)
      return refuse(ErrorKind::Invalid, "E_REQUEST", "an image name is needed to explain a fetch");
    note(authoriser.import({wanted->name->text(), wanted->skipSignature}));
    const auto keys = TRY(server.keys.fingerprintsFor(*wanted->name));
    explained.reasons.push_back("keys trusted for " + wanted->name->text() + ": " +
                                (keys.empty() ? "none" : ""));
    for (const KeyFingerprint& key : keys)
      explained.reasons.back() +=
          (explained.reasons.back().ends_with(' ') ? "" : ", ") + key.text();
  } else {
    RunQuestion question{.pod = std::get<ipc::RunRequest>(request.what).pod,
                         .images = {},
                         .volumeOwners = {},
                         .hostSockets = false};
    for (const ipc::AppSpec& app : question.pod.apps) question.hostSockets |= !app.sockets.empty();
    question.images = TRY(store::findImages(server.store, question.pod));
    for (const auto& image : question.images) explained.reasons.push_back(store::saySigners(image));
    note(authoriser.run(std::move(question)));
  }
  return Answer{std::move(explained), {}};
}

}  // namespace airlock::helper
