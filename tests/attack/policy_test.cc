// SPDX-License-Identifier: Apache-2.0
// A member of the group airlock who asks for more than policy grants.
#include <sys/stat.h>

#include <functional>

#include "tests/attack/fixture.h"

namespace airlock::test {
namespace {

class Policy : public Attack {
 protected:
  void SetUp() override {
    Attack::SetUp();
    if (IsSkipped()) return;
    image_id_ = importGood();
    engine_->listen();
  }
  Reply askAsMember(const ipc::HelperRequest& request, std::vector<FdRef> more = {},
                    uid_t uid = 4242) {
    Connection alice = engine_->connectAs(memberOfAirlock(uid));
    std::vector<FdRef> fds;
    const Streams streams = makeStreams();
    if (std::holds_alternative<ipc::RunRequest>(request)) fds = streams.refs();
    fds.insert(fds.end(), more.begin(), more.end());
    return alice.ask(request, fds);
  }
  void expectDenied(const std::string& what, const std::function<void(ipc::RunRequest&)>& change,
                    std::vector<FdRef> more = {}) {
    SCOPED_TRACE(what);
    const HostState before = engine_->state();
    ipc::RunRequest request = runRequest(*image_id_, {"/bin/true"});
    change(request);
    const Reply reply = askAsMember(request, std::move(more));
    EXPECT_EQ(reply.code(), "E_DENIED") << reply.text();
    EXPECT_NE(reply.text().find(what), std::string::npos) << reply.text();
    EXPECT_NE(reply.text().find("50-airlock.policy:11"), std::string::npos)
        << "names the line: " << reply.text();
    expectUnchanged(before);
  }
  std::optional<ImageId> image_id_;
};

ipc::VolumeSpec hostVolume() {
  ipc::VolumeSpec volume{.name = AppName::parse("data").value(), .kind = ipc::VolumeKind::Host};
  volume.source = "/somewhere";
  return volume;
}
void addVolume(ipc::RunRequest& request) {
  request.pod.volumes.push_back(hostVolume());
  request.pod.apps[0].mounts.push_back({AppName::parse("data").value(), "/data", false});
}

TEST_F(Policy, CapabilitiesBeyondTheDefault) {
  expectDenied("a capability beyond the default set",
               [](auto& r) { r.pod.apps[0].capabilities |= 1ULL << 21; });
  expectDenied("a capability beyond the default set",
               [](auto& r) { r.pod.apps[0].capabilities = ~0ULL; });
}
TEST_F(Policy, AnAppThatMayGainPrivileges) {
  expectDenied("an app without no_new_privs",
               [](auto& r) { r.pod.apps[0].noNewPrivileges = false; });
}
TEST_F(Policy, TheHostsNetwork) {
  expectDenied("the host's network", [](auto& r) { r.pod.network = ipc::Network::Host; });
}
TEST_F(Policy, ANegativeOomScore) {
  expectDenied("a negative OOM score adjustment",
               [](auto& r) { r.pod.apps[0].oomScoreAdjust = -500; });
}
TEST_F(Policy, AVolumeOfSomebodyElse) {
  const Fd root = sys::openPath("/etc", O_RDONLY | O_DIRECTORY).value();
  expectDenied("a host volume that belongs to somebody else", addVolume, {root});
}
TEST_F(Policy, EveryAppIsAskedAbout) {
  expectDenied("a capability beyond the default set", [](auto& r) {
    ipc::AppSpec second = r.pod.apps[0];
    second.name = AppName::parse("second").value();
    second.capabilities = 1ULL << 21;
    r.pod.apps.push_back(second);
  });
}

TEST_F(Policy, AVolumeByAPathDescriptorProvesNothing) {
  const std::string own = engine_->scratch("own");
  must("mkdir " + own + "; chown 4242:4242 " + own);
  const Fd path = sys::openPath(own, O_PATH | O_DIRECTORY).value();
  ipc::RunRequest request = runRequest(*image_id_, {"/bin/true"});
  addVolume(request);
  EXPECT_EQ(askAsMember(request, {path}).code(), "E_FD");
}

TEST_F(Policy, AnImageByAKeyThatIsNoLongerTrusted) {
  must("rm -r " + engine_->config() + "/trustedkeys");
  const HostState before = engine_->state();
  EXPECT_EQ(askAsMember(runRequest(*image_id_, {"/bin/true"})).code(), "E_SIG_UNTRUSTED");
  expectUnchanged(before);
}

TEST_F(Policy, PodsOfOthers) {
  Reply started = askAsMember(runRequest(*image_id_, {"/bin/sleep", "100"}));
  ASSERT_EQ(started.code(), "") << started.text();
  RunningPod pod = takePod(started);
  ASSERT_TRUE(becomesReady(pod));
  constexpr uid_t kBob = 4243;
  EXPECT_EQ(askAsMember(ipc::StopRequest{.pod = pod.id, .force = true}, {}, kBob).code(),
            "E_DENIED");
  ipc::EnterRequest enter{.pod = pod.id,
                          .enter = {.app = AppName::parse("app").value(), .exec = {"/bin/sh"}}};
  const Streams streams = makeStreams();
  EXPECT_EQ(askAsMember(enter, streams.refs(), kBob).code(), "E_DENIED");
  EXPECT_FALSE(sys::pidfdWait(pod.process, 0).value()) << "it still runs";
  EXPECT_EQ(askAsMember(ipc::StopRequest{.pod = pod.id, .force = true}).code(), "");
  EXPECT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
  EXPECT_EQ(askAsMember(ipc::RemovePodRequest{.pod = pod.id}, {}, kBob).code(), "E_DENIED");
  // gc of somebody else's does not fail: it leaves the pod alone.
  const Reply collected = askAsMember(ipc::CollectGarbageRequest{.graceSeconds = 0}, {}, kBob);
  ASSERT_EQ(collected.code(), "");
  EXPECT_TRUE(collected.as<ipc::Collected>().removed.empty());
  EXPECT_EQ(askAsMember(ipc::RemovePodRequest{.pod = pod.id}).code(), "");
}

TEST_F(Policy, ImagesOfOthersAreNotTheirsToRemove) {
  EXPECT_EQ(askAsMember(ipc::RemoveImageRequest{.image = *image_id_}).code(), "E_DENIED");
  EXPECT_EQ(engine_->images().size(), 1U);
}

TEST_F(Policy, QuestionsAboutOthers) {
  ipc::ExplainRequest question{.what = named(), .asUser = 0};
  EXPECT_EQ(askAsMember(question).code(), "E_DENIED");
}

// C01, E_POLICY: whoever could write the policy would be root.
TEST_F(Policy, APolicyThatOthersCanWriteAllowsNothing) {
  ::chmod((engine_->config() + "/policy.d/50-airlock.policy").c_str(), 0666);
  EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "E_POLICY");
  ::chmod((engine_->config() + "/policy.d/50-airlock.policy").c_str(), 0644);
  engine_->policy("10-bad.policy", "allow everyone *\n");
  const Reply reply = engine_->ask(ipc::ReportRequest{});
  EXPECT_EQ(reply.code(), "E_POLICY");
  EXPECT_NE(reply.text().find("10-bad.policy:1"), std::string::npos) << reply.text();
}

// The guest has the other half: tests/guest/verity_test.cc.
TEST_F(Policy, C04_RequireContentRefusesATreeWithoutVerity) {
  if (engine_->images().at(0).verity) GTEST_SKIP() << "the store's file system has fs-verity";
  engine_->policy("60-content.policy", "require content content=rehash\n");
  const HostState before = engine_->state();
  const Reply reply = askAsMember(runRequest(*image_id_, {"/bin/true"}));
  EXPECT_EQ(reply.code(), "E_REQUIRED") << reply.text();
  EXPECT_NE(reply.text().find("example.test/tools/busybox"), std::string::npos) << reply.text();
  expectUnchanged(before);
}

TEST_F(Policy, C04_RequireContentRehashRefusesAChangedTree) {
  const ipc::CatalogRecord record = engine_->images().at(0);
  if (record.verity) GTEST_SKIP() << "the store's file system has fs-verity";
  engine_->policy("60-content.policy", "require content=rehash\n");
  Reply started = askAsMember(runRequest(*image_id_, {"/bin/true"}));
  ASSERT_EQ(started.code(), "") << started.text();
  RunningPod pod = takePod(started);
  EXPECT_EQ(exitOf(eventsOf(pod)), 0);
  must("printf x | dd of=" + engine_->data() + "/store/tree/" + record.tree.text() +
       " bs=1 seek=5000 conv=notrunc status=none");
  const HostState before = engine_->state();
  EXPECT_EQ(askAsMember(runRequest(*image_id_, {"/bin/true"})).code(), "E_CONTENT");
  expectUnchanged(before);
}

// A tree for which a digest was recorded is never taken on trust again.
TEST_F(Policy, C04_ATreeThatHasLostItsVerityIsHashedWithoutBeingAsked) {
  ipc::CatalogRecord record = engine_->images().at(0);
  if (record.verity) GTEST_SKIP() << "the store's file system has fs-verity";
  const std::string tree = engine_->data() + "/store/tree/" + record.tree.text();
  record.verity = VerityDigest(VerityDigest::Bytes{1});
  writeFile(engine_->data() + "/store/catalog/" + record.image.text(), ipc::encode(record).value());
  Reply started = askAsMember(runRequest(*image_id_, {"/bin/true"}));
  ASSERT_EQ(started.code(), "") << started.text();
  RunningPod pod = takePod(started);
  EXPECT_EQ(exitOf(eventsOf(pod)), 0);
  must("printf x | dd of=" + tree + " bs=1 seek=5000 conv=notrunc status=none");
  EXPECT_EQ(askAsMember(runRequest(*image_id_, {"/bin/true"})).code(), "E_CONTENT");
}

TEST_F(Policy, TheSharedSecretOfASocketIsTheKernelsWord) {
  // I07: whoever passes a connection on passes the identity on that it was made with, and no more.
  Connection stranger = engine_->connectAs({4245, 4245, {}});
  EXPECT_EQ(stranger.ask(runRequest(*image_id_, {"/bin/true"}), makeStreams().refs()).code(),
            "E_DENIED");
}

}  // namespace
}  // namespace airlock::test
