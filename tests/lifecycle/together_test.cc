// SPDX-License-Identifier: Apache-2.0
// Things that happen at the same time, and the ordinary life of a pod.
#include <sys/wait.h>

#include "tests/lifecycle/fixture.h"

namespace airlock::test {
namespace {

// `count` helpers with the same request under way at once.
std::vector<Reply> askAtOnce(const Engine& engine, std::size_t count,
                             const ipc::HelperRequest& request, std::span<const FdRef> fds) {
  std::vector<Connection> connections;
  for (std::size_t i = 0; i < count; ++i) connections.push_back(engine.start());
  for (Connection& connection : connections) connection.send(request, fds);
  std::vector<Reply> replies;
  for (Connection& connection : connections) {
    replies.push_back(connection.receive());
    replies.back().helper = connection.process().wait().value();
  }
  return replies;
}

class Together : public Lifecycle {};

TEST_F(Together, EightImportsOfTheSameImage) {
  // Each has an open file of its own: an offset is shared with a descriptor.
  std::vector<Connection> connections;
  for (int i = 0; i < 8; ++i) {
    connections.push_back(engine_->start());
    const Fd image = sys::openPath(other_, O_RDONLY).value();
    const Fd signature = sys::openPath(other_ + ".asc", O_RDONLY).value();
    const FdRef fds[] = {image, signature};
    connections.back().send(ipc::ImportRequest{.hasSignature = true}, fds);
  }
  for (Connection& connection : connections) {
    const Reply reply = connection.receive(120'000);
    EXPECT_EQ(reply.code(), "") << reply.text();
    connection.process().wait().value();
  }
  EXPECT_EQ(engine_->images().size(), 2U);
  expectValidStore();
}

TEST_F(Together, PodsHaveUsersOfTheirOwn) {
  const Streams streams = makeStreams();
  const HostState before = engine_->state();
  auto replies = askAtOnce(*engine_, 4, runRequest(*id_, {"/bin/sleep", "1000"}), streams.refs());
  std::set<std::string> maps;
  std::vector<RunningPod> pods;
  for (Reply& reply : replies) {
    ASSERT_EQ(reply.code(), "") << reply.text();
    pods.push_back(takePod(reply));
    EXPECT_TRUE(becomesReady(pods.back()));
    const std::string path = engine_->data() + "/pods/run/" + pods.back().id.text() + "/pid";
    maps.insert(
        readFile("/proc/" + std::to_string(std::atoi(readFile(path).c_str())) + "/uid_map"));
  }
  EXPECT_EQ(maps.size(), 4U);
  for (RunningPod& pod : pods)
    pod.leash = ipc::Channel(Fd());  // the end of the leash is the end of the pod
  for (RunningPod& pod : pods) EXPECT_TRUE(sys::pidfdWait(pod.process, 20'000).value());
  EXPECT_EQ(gc().as<ipc::Collected>().removed.size(), 4U);
  expectBecomes(before);
}

TEST_F(Together, CollectingWhilePodsStart) {
  const Streams streams = makeStreams();
  const HostState before = engine_->state();
  for (int round = 0; round < 5; ++round) {
    Connection collector = engine_->start();
    Connection starter = engine_->start();
    starter.send(runRequest(*id_, {"/bin/true"}), streams.refs());
    collector.send(ipc::CollectGarbageRequest{.graceSeconds = 0});
    Reply started = starter.receive();
    EXPECT_EQ(collector.receive().code(), "");
    ASSERT_EQ(started.code(), "") << started.text();
    RunningPod pod = takePod(started);
    EXPECT_EQ(exitOf(eventsOf(pod)), 0);
    ASSERT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
  }
  EXPECT_EQ(gc().code(), "");
  expectBecomes(before);
}

TEST_F(Together, APodThatRunsIsNeitherRemovedNorCollectedAndKeepsItsImage) {
  const Streams streams = makeStreams();
  Reply reply =
      engine_->ask(runRequest(*id_, {"/bin/sh", "-c", "sleep 1; cat /etc/passwd"}), streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  ASSERT_TRUE(becomesReady(pod));
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "E_RUNNING");
  EXPECT_TRUE(gc().as<ipc::Collected>().removed.empty());
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{.image = *id_}).code(), "E_IN_USE");
  EXPECT_EQ(engine_->ask(ipc::CollectImagesRequest{0}).as<ipc::ImagesCollected>().removed.size(),
            0U);
  EXPECT_EQ(exitOf(eventsOf(pod)), 0);
  EXPECT_NE(streams.printed().find("root:x:0:0"), std::string::npos) << streams.printed();
}

TEST_F(Together, StatusesAndStreamsOfTwoApps) {
  // An app that fails ends the pod, so only the last one may.
  ipc::RunRequest request = runRequest(*id_, {"/bin/sh", "-c", "echo first"});
  ipc::AppSpec second = request.pod.apps[0];
  second.name = AppName::parse("second").value();
  second.exec = {"/bin/sh", "-c", "echo second; kill -KILL $$"};
  request.pod.apps.push_back(second);
  const Streams streams = makeStreams();
  Reply reply = engine_->ask(request, streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  std::map<std::string, int> statuses;
  for (const ipc::LeashEvent& event : eventsOf(pod)) {
    if (event.kind == ipc::LeashEvent::Kind::AppExited) statuses[event.app] = event.status;
  }
  EXPECT_EQ(statuses, (std::map<std::string, int>{{"app", 0}, {"second", 128 + SIGKILL}}));
  const std::string dir = engine_->data() + "/pods/run/" + pod.id.text() + "/status/";
  EXPECT_EQ(readFile(dir + "app"), "0\n");
  EXPECT_EQ(readFile(dir + "second"), "137\n");
  EXPECT_NE(streams.printed().find("first"), std::string::npos);
  EXPECT_NE(streams.printed().find("second"), std::string::npos);
}

TEST_F(Together, StopAsksFirstAndForceDoesNot) {
  for (const bool force : {false, true}) {
    Reply reply = engine_->ask(runRequest(*id_, {"/bin/sleep", "1000"}), makeStreams().refs());
    ASSERT_EQ(reply.code(), "") << reply.text();
    RunningPod pod = takePod(reply);
    ASSERT_TRUE(becomesReady(pod));
    const Reply stopped = engine_->ask(ipc::StopRequest{.pod = pod.id, .force = force});
    EXPECT_EQ(stopped.code(), "") << stopped.text();
    EXPECT_TRUE(sys::pidfdWait(pod.process, 0).value());
    EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id}).code(), "E_STOPPED");
    EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "");
    EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "E_NOT_FOUND");
  }
}

TEST_F(Together, WhatEntersIsConfinedAsTheAppIs) {
  Reply reply = engine_->ask(runRequest(*id_, {"/bin/sleep", "1000"}), makeStreams().refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  ASSERT_TRUE(becomesReady(pod));
  const char* facts =
      "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid)' /proc/self/status; id; hostname";
  ipc::EnterRequest enter{
      .pod = pod.id,
      .enter = {.app = AppName::parse("app").value(), .exec = {"/bin/sh", "-c", facts}}};
  const Streams streams = makeStreams();
  Reply entered = engine_->ask(enter, streams.refs());
  ASSERT_EQ(entered.code(), "") << entered.text();
  const Fd process = entered.fds.take(0).value();
  ASSERT_TRUE(sys::pidfdWait(process, 20'000).value());

  const Streams own = makeStreams();
  Reply second = engine_->ask(runRequest(*id_, {"/bin/sh", "-c", facts}), own.refs());
  ASSERT_EQ(second.code(), "") << second.text();
  RunningPod other = takePod(second);
  eventsOf(other);
  const auto withoutHostname = [](const std::string& text) {
    return text.substr(0, text.find("airlock-"));
  };
  EXPECT_EQ(withoutHostname(streams.printed()), withoutHostname(own.printed()));
  EXPECT_NE(streams.printed().find("airlock-" + pod.id.text()), std::string::npos)
      << streams.printed();
  EXPECT_NE(streams.printed().find("Seccomp:\t2"), std::string::npos) << streams.printed();
  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id, .force = true}).code(), "");
}

}  // namespace
}  // namespace airlock::test
