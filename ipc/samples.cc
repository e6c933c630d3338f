// SPDX-License-Identifier: Apache-2.0
#include "ipc/samples.h"

#include "ipc/sample_list.h"

namespace airlock::ipc {

namespace {
AppName appName(const char* text) { return AppName::parse(text).value(); }
ImageName imageName(const char* text) { return ImageName::parse(text).value(); }
KeyFingerprint fingerprint(char digit) {
  return KeyFingerprint::parse(std::string(40, digit)).value();
}
const std::vector<Layer> kLayers = {{"seccomp", true, "93 system calls"},
                                    {"selinux", false, "not in this kernel"}};
const std::vector<PcrBank> kBanks = {{"sha256", std::string(64, 'a')},
                                     {"sha384", std::string(96, 'b')}};

const std::vector<std::pair<std::string, AttestRequest>> kAttestRequests = {
    {"quote", {QuoteRequest{std::string(20, '\xff'), {{"sha256", 0xffff}, {"sha384", 1U << 15}}}}},
    {"init",
     {.what = InitKeyRequest{.rotate = true},
      .hasOwnerPassword = true,
      .hasEndorsementPassword = true}},
    {"enroll", {EnrollRequest{}}},
    {"activate", {ActivateRequest{std::string("\xba\xdc\xc0\xde\0\0\0\1", 8)}}},
    {"revoke", {RevokeKeyRequest{}}}};
const Attested kAttested = {.files = {{"quote", std::string("\xff\x54\x43G\0", 5)}, {"ak.pub", ""}},
                            .facts = {{"tpm", "IBM SW TPM"}},
                            .anchor = "software",
                            .logBytes = 1ULL << 33,
                            .hasFirmwareLog = true};

EnterSpec sampleEnterSpec() {
  return EnterSpec{.app = appName("web"),
                   .exec = {"/bin/sh", "-c", "echo \xff raw bytes"},
                   .environment = {{"TERM", "xterm-256color"}},
                   .terminal = true};
}

MeasureJob sampleMeasureJob() {
  MeasureJob job{
      .mode = MeasureMode::Require,
      .pcr = 15,
      .hasTpm = true,
      .softwareTpm = true,
      .engine = EngineFacts{.version = "0.1.0",
                            .programs = {{"airlock-helper", sampleDigest<ContentTag>('a')},
                                         {"stage1-container", sampleDigest<ContentTag>('b')}},
                            .bootId = "0f0e1d2c-0000-4000-8000-000000000001",
                            .policy = sampleDigest<ContentTag>('c'),
                            .policySummary = std::string(300, 'p'),
                            .trust = sampleDigest<ContentTag>('d'),
                            .trusted = {{"example.com/", std::string(40, 'a')}, {"", "root key"}},
                            .layers = kLayers,
                            .trustFiles = sampleDigest<ContentTag>('k')},
      .images = {ImageFacts{.image = sampleDigest<ImageIdTag>('e'),
                            .name = "example.com/app",
                            .labels = kLabels,
                            .tree = sampleDigest<TreeTag>('f'),
                            .content = "verity:" + sampleDigest<VerityTag>('v').text(),
                            .signers = {std::string(40, 'a')},
                            .rule = "/etc/airlock/policy.d/10.policy:4",
                            .origin = "https://example.com/app.aci",
                            .insecure = true}},
      .event = std::nullopt,
      .readOnly = true};
  return job;
}
MeasureJob withEvent(decltype(MeasureJob::event) event) {
  MeasureJob job = sampleMeasureJob();
  job.event = std::move(event);
  return job;
}

const WantedImage kWanted{.name = imageName("example.com/base"),
                          .id = "sha512-2a9f",
                          .labels = kLabels,
                          .size = 22017258};

void addVerify(std::vector<Sample>& list) {
  const auto job = [&](const char* name, const VerifyJob& value) {
    add(list, name, value, decodeVerifyJob);
  };
  job("VerifyJob.authenticate", AuthenticateJob{.notBefore = 1'700'000'000});
  job("VerifyJob.inflate", InflateJob{.most = 1ULL << 40});
  job("VerifyJob.unpack", UnpackJob{});
  job("VerifyJob.check", CheckJob{});
  job("VerifyJob.inspectKey", InspectKeyJob{});
  job("VerifyJob.render", RenderJob{.images = 3});
  job("VerifyJob.extract", ExtractJob{});
  const auto reply = [&](const char* name, const VerifyReply& value) {
    add(list, name, value, decodeVerifyReply);
  };
  reply("VerifyReply.failure", sampleFailure());
  reply("VerifyReply.authenticated",
        Authenticated{.accepted = true,
                      .signatures = {{.code = "good",
                                      .fingerprint = std::string(40, 'a'),
                                      .userId = "Joe <joe@example.com>",
                                      .hash = "SHA512",
                                      .created = -1},
                                     {.code = "E_SIG_NOKEY", .fingerprint = "deadbeef"},
                                     {.code = "E_SIG_LOG",
                                      .fingerprint = "sha256-" + std::string(64, 'c'),
                                      .kind = SignatureKind::Bundle,
                                      .detail = "no proof",
                                      .loggedAt = 1}}});
  reply("VerifyReply.inflated", Inflated{.filter = "zstd", .bytesIn = 1, .bytesOut = 1ULL << 63});
  reply("VerifyReply.unpacked", Unpacked{.name = imageName("example.com/app"),
                                         .labels = kLabels,
                                         .entries = 12,
                                         .dependencies = {kWanted},
                                         .hasWhitelist = true});
  reply("VerifyReply.rendered", Rendered{.entries = 12});
  reply("VerifyReply.extracted", Extracted{.entries = 13});
  reply("VerifyReply.checked", Checked{});
  reply("VerifyReply.keyFacts", KeyFacts{.fingerprint = fingerprint('b'),
                                         .subkeys = {std::string(40, 'c')},
                                         .userIds = {"A <a@example.com>", "B"}});
  const std::vector<TrustedKey> keys = {{fingerprint('a'), std::string("\0binary\xff", 8)},
                                        {fingerprint('b'), "second"}};
  list.push_back({"KeyBundle", encodeKeyBundle(keys).value(),
                  [](std::string_view message) -> Result<std::string> {
                    return encodeKeyBundle(TRY(decodeKeyBundle(message)));
                  }});
}

void addPlan(std::vector<Sample>& list) {
  const std::vector<PlannedImage> plan = {{"{}", 0}, {"{\"a\": 1}", 1}, {"{}", 2}, {"{}", 1}};
  list.push_back({"RenderPlan", encodeRenderPlan(plan).value(),
                  [](std::string_view message) -> Result<std::string> {
                    return encodeRenderPlan(TRY(decodeRenderPlan(message)));
                  }});
}

void addPod(std::vector<Sample>& list) {
  add(list, "PodSpec", samplePodSpec(), decodePodSpec);
  add(list, "PodSpec.sandbox", PodSpec{.id = samplePodId(2), .sandbox = true}, decodePodSpec);
  add(list, "EnterSpec", sampleEnterSpec(), decodeEnterSpec);
  add(list, "AttachSpec", AttachSpec{appName("web"), true, true, false}, decodeAttachSpec);
  using Kind = LeashEvent::Kind;
  for (const Kind kind : {Kind::Ready, Kind::Failed, Kind::Terminal, Kind::AppExited,
                          Kind::PodExited, Kind::OomKilled, Kind::Warning}) {
    add(list, "LeashEvent",
        LeashEvent{.kind = kind, .app = "web", .status = 137, .text = "exec: ENOENT"},
        decodeLeashEvent);
  }
  add(list, "LeashEvent.notify",
      LeashEvent{.kind = Kind::Notify,
                 .app = "web",
                 .status = 0,
                 .text = "serving",
                 .notify = kNotifyReady | kNotifyStatus},
      decodeLeashEvent);
  add(list, "LeashCommand.stop", LeashCommand{}, decodeLeashCommand);
  add(list, "LeashCommand.signal", LeashCommand{.kind = LeashCommand::Kind::Signal, .signal = 15},
      decodeLeashCommand);
}

void addRequests(std::vector<Sample>& list) {
  const auto request = [&](const char* name, const HelperRequest& value) {
    add(list, name, value, decodeHelperRequest);
  };
  const ImportRequest import{.name = imageName("example.com/app"),
                             .labels = kLabels,
                             .origin = "https://example.com/app.aci",
                             .hasSignature = true,
                             .skipSignature = true};
  request("HelperRequest.import", import);
  request("HelperRequest.importAnything", ImportRequest{});
  request("HelperRequest.run", sampleRunRequest());
  RunRequest prepare = sampleRunRequest();
  prepare.name = appName("front-end");
  prepare.prepare = true;
  request("HelperRequest.prepare", prepare);
  RunRequest prepared = sampleRunRequest();
  prepared.prepared = samplePodId(4);
  request("HelperRequest.runPrepared", prepared);
  RunRequest added = sampleRunRequest();
  added.pod.apps.resize(1, added.pod.apps[0]);
  added.sandbox = samplePodId(4);
  request("HelperRequest.startApp", added);
  added.prepare = true;
  request("HelperRequest.addApp", added);
  request("HelperRequest.enter", EnterRequest{.pod = samplePodId(1), .enter = sampleEnterSpec()});
  request("HelperRequest.stop", StopRequest{.pod = samplePodId(2), .force = true});
  request("HelperRequest.stopApp",
          StopRequest{.pod = samplePodId(2), .force = false, .app = appName("web")});
  request("HelperRequest.removePod", RemovePodRequest{.pod = samplePodId(3)});
  request("HelperRequest.removeApp",
          RemovePodRequest{.pod = samplePodId(3), .app = appName("web")});
  request("HelperRequest.collectGarbage",
          CollectGarbageRequest{.graceSeconds = 1, .expirePreparedSeconds = 2, .markOnly = true});
  request("HelperRequest.removeImage", RemoveImageRequest{.image = sampleDigest<ImageIdTag>('r')});
  request("HelperRequest.verifyImage", VerifyImageRequest{.image = sampleDigest<ImageIdTag>('v')});
  request("HelperRequest.explainImport", ExplainRequest{.what = import, .asUser = 1000});
  request("HelperRequest.explainRun",
          ExplainRequest{.what = sampleRunRequest(), .asUser = std::nullopt});
  request("HelperRequest.report", ReportRequest{});
  request("HelperRequest.attach",
          AttachRequest{samplePodId(1), {appName("web"), true, true, false}});
  request("HelperRequest.export", ExportRequest{samplePodId(1), appName("web")});
  for (const auto& [name, value] : kAttestRequests)
    request(("HelperRequest.attest." + name).c_str(), value);
  request("HelperRequest.collectImages", CollectImagesRequest{.graceSeconds = 1ULL << 40});
  request("HelperRequest.openImage",
          OpenImageRequest{.image = sampleDigest<ImageIdTag>('o'), .tree = true});
}

void addReplies(std::vector<Sample>& list) {
  const auto reply = [&](const char* name, const HelperReply& value) {
    add(list, name, value, decodeHelperReply);
  };
  reply("HelperReply.failure", sampleFailure());
  reply("HelperReply.progress", Progress{.step = "unpack", .done = 5, .total = 10});
  reply("HelperReply.imported",
        Imported{.image = sampleDigest<ImageIdTag>('i'),
                 .name = imageName("example.com/app"),
                 .labels = kLabels,
                 .signers = {{fingerprint('a'), "Joe <joe@example.com>"},
                             {KeyFingerprint::parse("minisign-0123456789abcdef").value(), ""},
                             {KeyFingerprint::parse("sha256-" + std::string(64, 'c')).value(), "",
                              SignatureKind::Cosign}},
                 .alreadyThere = true});
  reply("HelperReply.started", Started{.pod = samplePodId(4), .layers = kLayers});
  reply("HelperReply.entered", Entered{});
  reply("HelperReply.done", Done{});
  reply("HelperReply.collected", Collected{.marked = {samplePodId(5), samplePodId(6)},
                                           .waiting = {},
                                           .removed = {samplePodId(7)},
                                           .problems = {"pod x: device busy"},
                                           .expired = {samplePodId(8)},
                                           .aborted = {samplePodId(9)}});
  reply("HelperReply.prepared", Prepared{.pod = samplePodId(4)});
  reply("HelperReply.imageVerified",
        ImageVerified{.treeIntact = true, .signatureHolds = true, .detail = "all well"});
  reply("HelperReply.dependenciesMissing", DependenciesMissing{.images = {kWanted}});
  reply("HelperReply.imagesCollected",
        ImagesCollected{.removed = {{sampleDigest<ImageIdTag>('c'), "example.com/app:1"}},
                        .more = true});
  reply("HelperReply.imageOpened", ImageOpened{});
  reply("HelperReply.attested", kAttested);
  reply("HelperReply.explained", Explained{.allowed = true, .rule = "a:1", .reasons = {"b", "c"}});
  reply("HelperReply.attached", Attached{});
  reply("HelperReply.reported", Reported{.layers = kLayers,
                                         .tpm = "software",
                                         .pcr = 15,
                                         .banks = kBanks,
                                         .measureMode = "log",
                                         .hasLog = true});
}

void addMeasure(std::vector<Sample>& list) {
  const auto job = [&](const char* name, const MeasureJob& value) {
    add(list, name, value, decodeMeasureJob);
  };
  job("MeasureJob.none", sampleMeasureJob());
  job("MeasureJob.pod", withEvent(PodFacts{.pod = samplePodId(8),
                                           .manifest = sampleDigest<ContentTag>('m'),
                                           .spec = sampleDigest<ContentTag>('s'),
                                           .stage1 = "container",
                                           .stage1Digest = sampleDigest<ContentTag>('t'),
                                           .apps = {{"web", sampleDigest<ImageIdTag>('w')}},
                                           .callerUid = 1000,
                                           .firstUid = 0x78000000,
                                           .network = "none",
                                           .volumes = {"data:host:ro"},
                                           .selinux = "airlock_pod_t",
                                           .audit = "sha256-" + std::string(64, 'a')}));
  job("MeasureJob.enter", withEvent(EnterFacts{.pod = samplePodId(9),
                                               .app = "web",
                                               .arguments = sampleDigest<ContentTag>('g'),
                                               .callerUid = 7,
                                               .audit = "sha256-" + std::string(64, 'b')}));
  job("MeasureJob.abort", withEvent(AbortFacts{.pod = samplePodId(10), .reason = "exec failed"}));
  for (const auto& [kind, request] : kAttestRequests) {
    MeasureJob attest = sampleMeasureJob();
    attest.images.clear();
    attest.readOnly = false;
    attest.attest = AttestJob{.request = request, .keyHandle = 0x81018001, .callerUid = 1000};
    job(("MeasureJob.attest." + kind).c_str(), attest);
  }
  add(list, "MeasureReply.attested", MeasureReply(kAttested), decodeMeasureReply);
  add(list, "MeasureReply.failure", MeasureReply(sampleFailure()), decodeMeasureReply);
  add(list, "MeasureReply.measured",
      MeasureReply(Measured{.records = 7, .banks = kBanks, .anchor = "software"}),
      decodeMeasureReply);
}

void addSystemd(std::vector<Sample>& list) {
  add(list, "SystemdJob",
      SystemdJob{.pod = samplePodId(12), .leader = 4711, .caller = 4700, .asRkt = true},
      decodeSystemdJob);
  add(list, "SystemdReply.failure", SystemdReply(sampleFailure()), decodeSystemdReply);
  add(list, "SystemdReply.arranged",
      SystemdReply(Arranged{.unit = "airlock-6733c088-a507-4694-aabf-000000000022.scope",
                            .machine = "airlock-6733c088-a507-4694-aabf-000000000022",
                            .why = "größer ✓"}),
      decodeSystemdReply);
}

void addRecords(std::vector<Sample>& list) {
  add(list, "CatalogRecord",
      CatalogRecord{.image = sampleDigest<ImageIdTag>('i'),
                    .name = imageName("example.com/app"),
                    .labels = kLabels,
                    .tree = sampleDigest<TreeTag>('t'),
                    .treeBytes = 4096,
                    .blob = sampleDigest<BlobTag>('b'),
                    .blobBytes = 1000,
                    .manifest = sampleDigest<ContentTag>('m'),
                    .manifestBytes = 500,
                    .hasSignature = true,
                    .signers = {{fingerprint('a'), "Joe"}},
                    .rule = "a:1",
                    .origin = "file",
                    .importerUid = 1000,
                    .importedAt = 1'700'000'000'000'000'000,
                    .latest = true,
                    .verity = sampleDigest<VerityTag>('v'),
                    .dependencies = {{.image = sampleDigest<ImageIdTag>('j'),
                                      .name = imageName("example.com/base"),
                                      .labels = kLabels,
                                      .signers = {{fingerprint('b'), "Ann"}},
                                      .rule = "a:2",
                                      .depth = 1}}},
      decodeCatalogRecord);
  add(list, "PodRecord",
      PodRecord{.pod = samplePodId(11),
                .ownerUid = 1000,
                .firstUid = 0x78010000,
                .createdAt = 1'700'000'000'000'000'001,
                .network = "none",
                .apps = {{appName("web"), sampleDigest<ImageIdTag>('w'), "example.com/app:1.35"}},
                .layers = kLayers,
                .measured = "pcr 15, record 7, software TPM",
                .rule = "a:1",
                .cgroup = "/user.slice/x",
                .selinux = "system_u:system_r:airlock_pod_t:s0:c1,c2",
                .machine = "airlock-6733c088-a507-4694-aabf-000000000021",
                .unit = "session-3.scope"},
      decodePodRecord);
}
}  // namespace

Failure sampleFailure() {
  return Failure{Error(ErrorKind::Denied, "policy says no")
                     .withCode("E_POLICY")
                     .withHint("ask the administrator")};
}

PodSpec samplePodSpec() {
  AppSpec web{.name = appName("web"),
              .image = sampleDigest<ImageIdTag>('w'),
              .imageName = "example.com/app:1.35",
              .exec = {"/bin/web", "--flag", "", "\xc3\x28 not UTF-8"},
              .environment = {{"PATH", "/bin:/usr/bin"}, {"EMPTY", ""}},
              .workingDirectory = "/srv",
              .user = "www-data",
              .group = "/srv",
              .supplementaryGids = {4, 24},
              .capabilities = 0xa80425fb,
              .noNewPrivileges = false,
              .readOnlyRoot = true,
              .mounts = {{appName("data"), "/data", true}, {appName("tmp"), "/tmp", false}},
              .memoryBytes = 1ULL << 30,
              .cpuMillis = 500,
              .cpuShares = 2,
              .oomScoreAdjust = -17,
              .hasExtraFilter = true,
              .pidsMax = 100};
  AppSpec side = web;
  side.name = appName("side-car");
  side.oomScoreAdjust.reset();
  side.mounts.clear();
  side.notify = true;
  side.sockets = {{.port = appName("http"), .datagram = false, .number = 80},
                  {.port = appName("dns"), .datagram = true, .number = 53}};
  side.ownOutput = true;
  side.input = StreamMode::Tty;
  side.errors = StreamMode::Log;
  side.preStart = {"/bin/prepare", "--all"};
  side.postStop = {"/bin/clean"};
  side.stopSignal = 3;
  return PodSpec{.id = samplePodId(0),
                 .hostname = "pod-1.example",
                 .network = Network::Host,
                 .terminal = false,
                 .apps = {web, side},
                 .volumes = {{.name = appName("data"),
                              .kind = VolumeKind::Host,
                              .readOnly = true,
                              .recursive = false,
                              .source = "/srv/data\xff"},
                             {.name = appName("tmp"), .mode = 01777, .uid = 33, .gid = 65535}},
                 .watchdogMicroseconds = 30'000'000,
                 .journal = "data"};
}

RunRequest sampleRunRequest() {
  return RunRequest{.pod = samplePodSpec(),
                    .podManifest = R"({"acVersion":"0.8.11","acKind":"PodManifest"})"};
}

std::vector<Sample> samples() {
  std::vector<Sample> list;
  addVerify(list);
  addPlan(list);
  addPod(list);
  addRequests(list);
  addReplies(list);
  addFetch(list);
  addMeasure(list);
  addSystemd(list);
  addRecords(list);
  return list;
}

}  // namespace airlock::ipc
