// SPDX-License-Identifier: Apache-2.0
// Pods that are prepared now and started later, by whom and with what; and everything at once.
#include <sys/wait.h>

#include <thread>

#include "tests/lifecycle/fixture.h"

namespace airlock::test {
namespace {

class Prepared : public Lifecycle {
 protected:
  void TearDown() override {
    if (engine_)
      engine_->ask(ipc::CollectGarbageRequest{.graceSeconds = 0, .expirePreparedSeconds = 0});
  }
  // Its code; where it starts, it is over when this returns.
  std::string start(const ipc::RunRequest& request) {
    Reply reply = engine_->ask(request, makeStreams().refs());
    if (!reply.code().empty()) return reply.code();
    RunningPod pod = takePod(reply);
    eventsOf(pod);
    EXPECT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
    return "";
  }
  std::string folderOf(const PodId& pod) {
    return must("cd " + engine_->data() + "/pods; ls -d */" + pod.text() + " | cut -d/ -f1");
  }
};

TEST_F(Prepared, NothingRunsAndNothingIsMeasuredBeforeTheStart) {
  const HostState before = engine_->state();
  const PodId pod = prepare({"/bin/sh", "-c", "id -u"});
  EXPECT_EQ(folderOf(pod), "prepared\n");
  const HostState with = engine_->state();
  for (const auto& [what, facts] : with)
    EXPECT_FALSE(what.starts_with("process:") || what.starts_with("mount:")) << what;
  EXPECT_EQ(must("ls " + engine_->data() + "/pods/prepared/" + pod.text()),
            "claim\nlock\npod\nrecord\nspec\n");

  const Streams streams = makeStreams();
  Reply reply = engine_->ask(startOf(pod, {"/bin/sh", "-c", "id -u"}), streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod running = takePod(reply);
  EXPECT_EQ(running.id, pod);
  EXPECT_EQ(exitOf(eventsOf(running)), 0);
  EXPECT_EQ(streams.printed(), "0\n");
  EXPECT_EQ(folderOf(pod), "run\n");
  EXPECT_EQ(engine_->ask(startOf(pod, {"/bin/true"}), streams.refs()).code(), "E_STATE");
  ASSERT_TRUE(sys::pidfdWait(running.process, 10'000).value());
  EXPECT_EQ(gc().code(), "");
  expectBecomes(before);
}

TEST_F(Prepared, TheStartIsOfThePodThatWasPrepared) {
  const PodId pod = prepare({"/bin/true"});
  const Streams streams = makeStreams();
  ipc::RunRequest other = startOf(pod, {"/bin/true"});
  other.podManifest = "{ }";
  EXPECT_EQ(engine_->ask(other, streams.refs()).code(), "E_STATE");
  other = startOf(pod, {"/bin/true"});
  other.pod.apps[0].name = AppName::parse("other").value();
  EXPECT_EQ(engine_->ask(other, streams.refs()).code(), "E_STATE");
  const ImageId second = import(other_).as<ipc::Imported>().image;
  other = startOf(pod, {"/bin/true"});
  other.pod.apps[0].image = second;
  EXPECT_EQ(engine_->ask(other, streams.refs()).code(), "E_STATE");
  EXPECT_EQ(engine_->ask(startOf(PodId::random(), {"/bin/true"}), streams.refs()).code(),
            "E_NOT_FOUND");
  EXPECT_EQ(start(startOf(pod, {"/bin/true"})), "");
}

TEST_F(Prepared, PolicyAndKeysAreThoseOfTheStart) {
  engine_->policy("10-strict.policy", "allow root run image=*\n");
  const PodId pod = prepare({"/bin/true"});
  must("rm -r " + engine_->config() + "/trustedkeys");
  EXPECT_EQ(start(startOf(pod, {"/bin/true"})), "E_SIG_UNTRUSTED");
  EXPECT_EQ(folderOf(pod), "prepared\n") << "as it was";
  engine_->trust(*signer_);
  EXPECT_EQ(start(startOf(pod, {"/bin/true"})), "");
}

TEST_F(Prepared, APodIsItsOwnersToStart) {
  const PodId pod = prepare({"/bin/true"});
  engine_->listen();
  Connection stranger = engine_->connectAs(memberOfAirlock());
  const Reply refused = stranger.ask(startOf(pod, {"/bin/true"}), makeStreams().refs());
  EXPECT_EQ(refused.code(), "E_DENIED") << refused.text();
  EXPECT_EQ(folderOf(pod), "prepared\n");
}

TEST_F(Prepared, ItsImagesStayUntilItIsGone) {
  const PodId pod = prepare({"/bin/true"});
  const Reply refused = engine_->ask(ipc::RemoveImageRequest{.image = *id_});
  EXPECT_EQ(refused.code(), "E_IN_USE") << refused.text();
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod}).code(), "");
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{.image = *id_}).code(), "");
}

TEST_F(Prepared, ExpiresAndIsCollected) {
  const HostState before = engine_->state();
  const PodId pod = prepare({"/bin/true"});
  EXPECT_TRUE(gc().as<ipc::Collected>().expired.empty()) << "it has a day";
  const Reply marked =
      engine_->ask(ipc::CollectGarbageRequest{.expirePreparedSeconds = 0, .markOnly = true});
  EXPECT_EQ(marked.as<ipc::Collected>().expired, std::vector<PodId>{pod});
  EXPECT_EQ(folderOf(pod), "garbage\n");
  EXPECT_EQ(gc().as<ipc::Collected>().removed, std::vector<PodId>{pod});
  expectBecomes(before);
}

TEST_F(Prepared, AFailedStartLeavesItPrepared) {
  const PodId pod = prepare({"/bin/true"});
  engine_->policy("10-no.policy", "deny root run\n");
  EXPECT_EQ(engine_->ask(startOf(pod, {"/bin/true"}), makeStreams().refs()).code(), "E_DENIED");
  EXPECT_EQ(folderOf(pod), "prepared\n");
}

TEST_F(Prepared, NamesBelongToOnePodEach) {
  ipc::RunRequest request = runRequest(*id_, {"/bin/true"});
  request.prepare = true;
  request.name = AppName::parse("front-end").value();
  const Reply first = engine_->ask(request, makeStreams().refs());
  ASSERT_EQ(first.code(), "") << first.text();
  const HostState with = engine_->state();
  const Reply second = engine_->ask(request, makeStreams().refs());
  EXPECT_EQ(second.code(), "E_NAME_TAKEN") << second.text();
  expectBecomes(with);
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = first.as<ipc::Prepared>().pod}).code(), "");
  EXPECT_EQ(engine_->ask(request, makeStreams().refs()).code(), "");
}

TEST_F(Prepared, ABrokenPodIsCollectedAndKeepsNoOther) {
  const HostState before = engine_->state();
  std::vector<PodId> pods;
  for (int i = 0; i < 3; ++i) {
    Reply reply = engine_->ask(runRequest(*id_, {"/bin/true"}), makeStreams().refs());
    ASSERT_EQ(reply.code(), "") << reply.text();
    RunningPod pod = takePod(reply);
    EXPECT_EQ(exitOf(eventsOf(pod)), 0);
    ASSERT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
    pods.push_back(pod.id);
  }
  const std::string run = engine_->data() + "/pods/run/";
  must("echo nonsense > " + run + pods[0].text() + "/record; rm " + run + pods[1].text() +
       "/record " + run + pods[1].text() + "/lock " + run + pods[1].text() + "/claim");
  const Reply collected = gc();
  EXPECT_EQ(collected.as<ipc::Collected>().marked.size(), 3U) << collected.text();
  EXPECT_TRUE(collected.as<ipc::Collected>().problems.empty());
  expectBecomes(before);
}

TEST_F(Prepared, APodThatCannotBeRemovedIsToldAndKeepsNoOther) {
  const HostState before = engine_->state();
  const PodId stuck = prepare({"/bin/true"});
  const PodId other = prepare({"/bin/true"});
  // What this engine never makes: something mounted in the directory of a pod.
  const std::string place = engine_->data() + "/pods/prepared/" + stuck.text() + "/volumes";
  must("mkdir " + place + "; mount -t tmpfs none " + place + "; touch " + place + "/precious");
  const auto collect = [&] {
    return engine_->ask(ipc::CollectGarbageRequest{.graceSeconds = 0, .expirePreparedSeconds = 0},
                        {}, {.deadline = 900});
  };
  const Reply collected = collect();
  EXPECT_EQ(collected.code(), "") << collected.text();
  EXPECT_EQ(collected.as<ipc::Collected>().removed, std::vector<PodId>{other});
  ASSERT_EQ(collected.as<ipc::Collected>().problems.size(), 1U);
  EXPECT_NE(collected.as<ipc::Collected>().problems[0].find(stuck.text()), std::string::npos);
  const std::string moved = engine_->data() + "/pods/garbage/" + stuck.text() + "/volumes";
  EXPECT_EQ(must("ls " + moved), "precious\n") << "no mount is touched";
  must("umount " + moved);
  EXPECT_EQ(collect().as<ipc::Collected>().removed, std::vector<PodId>{stuck});
  expectBecomes(before);
}

TEST_F(Prepared, ThenEverythingCanBeRemovedWithRm) {
  const HostState before = engine_->state();
  prepare({"/bin/true"});
  Reply reply =
      engine_->ask(runRequest(*id_, {"/bin/sh", "-c", "echo x > /written"}), makeStreams().refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  EXPECT_EQ(exitOf(eventsOf(pod)), 0);
  ASSERT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
  EXPECT_EQ(engine_
                ->ask(ipc::CollectGarbageRequest{.graceSeconds = 0, .expirePreparedSeconds = 0}, {},
                      {.deadline = 900})
                .code(),
            "");
  for (const auto& [what, facts] : engine_->state())
    EXPECT_TRUE(what.starts_with("file:") || before.contains(what)) << what << ": " << facts;
  must("rm -r " + engine_->data());
  engine_.reset();
}

// Every command beside every other, for a while: none may fail for any other reason than that
// somebody was first, and nothing is left in the end.
TEST_F(Prepared, EverythingAtOnce) {
  const HostState before = engine_->state();
  const auto isFair = [](const std::string& code) {
    for (const char* fair :
         {"", "E_STATE", "E_NOT_FOUND", "E_RUNNING", "E_PREPARING", "E_DELETING"})
      if (code == fair) return true;
    return false;
  };
  constexpr int kRounds = 6;
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 2; ++worker) {
    threads.emplace_back([&] {
      for (int i = 0; i < kRounds; ++i) {
        const PodId pod = prepare({"/bin/true"});
        // Two want to start it, and one may.
        Connection first = engine_->start();
        Connection second = engine_->start();
        const Streams streams = makeStreams();
        first.send(startOf(pod, {"/bin/true"}), streams.refs());
        second.send(startOf(pod, {"/bin/true"}), streams.refs());
        int started = 0;
        for (Connection* connection : {&first, &second}) {
          Reply reply = connection->receive();
          EXPECT_TRUE(isFair(reply.code())) << reply.text();
          connection->process().wait().value();
          if (!reply.code().empty()) continue;
          ++started;
          RunningPod running = takePod(reply);
          EXPECT_EQ(exitOf(eventsOf(running)), 0);
          EXPECT_TRUE(sys::pidfdWait(running.process, 10'000).value());
        }
        EXPECT_EQ(started, 1);
        const std::string code = engine_->ask(ipc::RemovePodRequest{.pod = pod}).code();
        EXPECT_TRUE(isFair(code)) << code;
      }
    });
  }
  threads.emplace_back([&] {
    for (int i = 0; i < 2 * kRounds; ++i) {
      const Reply collected = engine_->ask(ipc::CollectGarbageRequest{.graceSeconds = 0});
      EXPECT_EQ(collected.code(), "") << collected.text();
      if (collected.code().empty()) {
        for (const std::string& problem : collected.as<ipc::Collected>().problems)
          ADD_FAILURE() << problem;
      }
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(gc().code(), "");
  expectBecomes(before);
}

}  // namespace
}  // namespace airlock::test
