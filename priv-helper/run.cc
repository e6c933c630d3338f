// SPDX-License-Identifier: Apache-2.0
// The run sequence, top to bottom: authorise, measure, mount, start.  Nothing of the pod exists
// before the measurement, and every object that undoes a step owns it until the pod has taken over.
#include "priv-helper/run.h"

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
#include "priv-helper/capabilities.h"
#include "priv-helper/measure.h"
#include "priv-helper/pod_process.h"
#include "priv-helper/server.h"
#include "priv-helper/systemd.h"
#include "sandbox/policies/pod.bpf.h"
#include "sandbox/rlimits.h"
#include "store/host_layers.h"
#include "store/image_facts.h"
#include "store/pod_file.h"
#include "store/pod_mounts.h"
#include "store/program_digest.h"
#include "store/verity.h"

namespace airlock::helper {

namespace {

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

const char* networkName(ipc::Network network) {
  return network == ipc::Network::Host ? "host" : "none";
}

}  // namespace

Result<Authorised<RunQuestion>> authoriseStart(Server& server, ipc::PodSpec spec,
                                               const ipc::RunDescriptors& received) {
  RunQuestion question{.pod = std::move(spec),
                       .images = {},
                       .volumeOwners = {},
                       .hostSockets = received.hostSockets};
  question.images = TRY(store::findImages(server.store, question.pod));
  for (const Fd& volume : received.volumes)
    question.volumeOwners.push_back(TRY(sys::status(volume)).st_uid);
  std::vector<std::string> filters;
  for (const Sealed& filter : received.filters)
    filters.push_back(digestOf(TRY(filter.read())).text());
  audit::addPod(server.trail.entry.subject, question.pod, question.images, filters,
                {kDefaultCapabilities, sandbox::policies::kPodDigest});
  auto authorised = server.authoriser.run(std::move(question));
  if (authorised) server.trail.entry.rule = authorised->rule();
  return authorised;
}

Result<MeasuredStart> measureStart(Server& server, const StartFacts& start) {
  const ipc::PodSpec& spec = start.spec;
  MeasuredStart result{
      .stage1 = TRY(openSibling("airlock-stage1-container")),
      .trees = {},
      .layers = store::hostLayersFor(server.policy.labels, server.peer.pid, server.peer.uid),
      .measured = {}};
  store::OpenedImages opened =
      TRY(store::openImages(server.store, start.images, server.policy.demands("content=rehash")));
  result.trees = std::move(opened.trees);
  ipc::PodFacts pod{.pod = spec.id,
                    .manifest = digestOf(start.manifest),
                    .spec = digestOf(start.specBytes),
                    .stage1 = "container",
                    .stage1Digest = TRY(store::programDigest(
                        TRY(runtimeDirectory(server)), "airlock-stage1-container", result.stage1)),
                    .callerUid = server.peer.uid,
                    .firstUid = start.firstUid,
                    .network = networkName(spec.network),
                    .volumes = store::volumeFacts(spec),
                    .selinux = store::typeOf(spec.selinuxProcess)};
  for (std::size_t i = 0; i < spec.apps.size(); ++i)
    pod.apps.emplace_back(spec.apps[i].name.text(), start.images[i].image);
  if (!opened.facts.empty()) result.layers.push_back(store::contentLayer(opened.facts));
  TRY(store::requireLayers(server.policy.required, result.layers));
  audit::Entry& entry = server.trail.entry;
  entry.pod = spec.id;
  entry.label = spec.selinuxProcess;
  entry.subject.text("spec", pod.spec.text());
  entry.subject.text("manifest", pod.manifest.text());
  pod.audit = TRY(server.trail.allow());  // the register will cover the line
  result.layers.push_back(server.trail.layer());
  const MeasureResult measured = TRY(measure(server, std::move(opened.facts), std::move(pod)));
  result.layers.push_back(measured.layer);
  entry.layers = audit::layersOf(result.layers);
  result.measured = measured.layer.detail;
  return result;
}

Result<Answer> run(Server& server, ipc::RunRequest request, ipc::FdTable fds) {
  TRY(server.authoriser.some(Verb::Run));
  auto received = TRY(ipc::RunDescriptors::take(request.pod, fds));
  server.trail.entry.op = request.prepare       ? "prepare"
                          : request.prepared    ? "run-prepared"
                          : request.pod.sandbox ? "sandbox"
                                                : "run";
  if (request.sandbox) return runInSandbox(server, std::move(request), std::move(received));

  // 1. authorise: this peer, these images by these signers, with what is asked for.
  const Fd pin = TRY(server.store.pin());  // no image goes away before the pod's record names it
  const auto authorised = TRY(authoriseStart(server, request.pod, received));
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
  server.trail.entry.pod = spec.id;
  if (request.prepare) {
    TRY(store::checkVolumes(label, spec, received.volumes));
    TRY(server.trail.allow());
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
  TRY(store::checkVolumes(label, spec, received.volumes));
  MeasuredStart measured =
      TRY(measureStart(server, {spec, images, specBytes, request.podManifest, range.first}));
  std::vector<ipc::Layer>& layers = measured.layers;
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
    const store::PodPlace files{podDir, range, label};
    const auto mounts = TRY(store::makeMounts(server.store, {.spec = spec,
                                                             .trees = measured.trees,
                                                             .volumes = received.volumes,
                                                             .caller = server.peer,
                                                             .hostMounts = server.hostMounts,
                                                             .podIds = podIds,
                                                             .files = files,
                                                             .logGroup = server.peer.gid}));
    fault("run-mounted");

    // 6. what the pod and its readers find in its directory.
    record.network = networkName(spec.network);
    record.layers = layers;
    record.measured = measured.measured;
    record.cgroup = undo.cgroup;
    record.machine = at.machine;
    record.unit = at.unit;
    TRY(store::writePodFiles(podDir, written));
    TRY(store::writePid(podDir, waiting.pid()));
    TRY(server.pods.start(*undo.embryo));
    fault("run-recorded");

    // 7. start the stage1 that was measured, with exactly the contract's descriptors.
    sys::SocketPair leash = TRY(sys::socketPair());
    auto descriptors = received.places(spec);
    descriptors.insert(descriptors.end(), {{ipc::kLeashFd, leash.second},
                                           {ipc::kSpecFd, sealedSpec.fd()},
                                           {ipc::kLockFd, undo.embryo->lock}});
    for (const auto& [number, mount] : mounts) descriptors.emplace_back(number, mount);
    for (std::size_t i = 0; cgroup && i < cgroup->apps.size(); ++i)
      descriptors.emplace_back(ipc::Stage1Descriptors{spec}.cgroup(i), cgroup->apps[i]);
    Child child = TRY(std::move(waiting).exec(measured.stage1, descriptors));
    undo.done = true;
    fault("run-started");
    Answer answer{ipc::Started{.pod = spec.id, .layers = layers}, {}};
    answer.fds.push_back(TRY(sys::duplicate(child.pidfd())));
    answer.fds.push_back(std::move(leash.first));
    child.disown();
    return answer;
  };
  auto answer = start();
  server.trail.entry.layers = audit::layersOf(layers);  // with the limits that hold
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
