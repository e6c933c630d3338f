// SPDX-License-Identifier: Apache-2.0
// H12, C03: kill -9 of the helper at every step; the next command repairs what is left.  The steps
// are the fault points that the source names, so that a new one is tested as soon as it is there.
#include "tests/lifecycle/fixture.h"

namespace airlock::test {
namespace {

std::vector<std::string> pointsThatBegin(const std::string& prefix) {
  return lines(must("cd " AIRLOCK_SOURCE_DIR "; grep -rhoE 'fault\\(\"" + prefix +
                    "[a-z-]+\"\\)' store priv-helper --include=*.cc | cut -d'\"' -f2 | sort"));
}

class Crash : public Lifecycle {
 protected:
  void SetUp() override {
    Lifecycle::SetUp();
    if (IsSkipped()) return;
    AIRLOCK_NEEDS_TEST_HOOKS();
  }
};

TEST_F(Crash, AtEveryStepOfAnImport) {
  const auto points = pointsThatBegin("import-");
  ASSERT_GE(points.size(), 9U);
  const HostState before = engine_->state();
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    const Reply died = import(other_, {.fault = point});
    ASSERT_TRUE(died.helper);
    EXPECT_EQ(died.helper->signal, SIGKILL);
    const bool committed = engine_->images().size() == 2;
    EXPECT_EQ(committed, point == "import-recorded");
    // The next command, whatever it is.
    EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "");
    expectValidStore();
    if (!committed) expectBecomes(before);
    // And the import can be done again.
    EXPECT_EQ(import(other_).code(), "");
    expectValidStore();
    const Reply removed =
        engine_->ask(ipc::RemoveImageRequest{.image = engine_->images().back().image});
    EXPECT_EQ(removed.code(), "") << removed.text();
    expectBecomes(before);
  }
}

TEST_F(Crash, AtEveryStepOfARemoval) {
  const auto points = pointsThatBegin("remove-");
  ASSERT_GE(points.size(), 2U);
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    const ImageId other = import(other_).as<ipc::Imported>().image;
    const Reply died = engine_->ask(ipc::RemoveImageRequest{.image = other}, {}, {.fault = point});
    EXPECT_EQ(died.helper->signal, SIGKILL);
    EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "");
    expectValidStore();
    EXPECT_EQ(engine_->images().size(), point == "remove-intent" ? 2U : 1U);
  }
}

TEST_F(Crash, AtEveryStepOfAStart) {
  const auto points = pointsThatBegin("run-");
  ASSERT_GE(points.size(), 6U);
  const HostState before = engine_->state();
  for (const std::string& point : points) {
    for (const bool child : {true, false}) {
      SCOPED_TRACE(point + (child ? ", as the caller's child" : ", over a connection"));
      const Streams streams = makeStreams();
      const Reply died = engine_->ask(runRequest(*id_, {"/bin/sleep", "1000"}), streams.refs(),
                                      {.fault = point, .child = child});
      EXPECT_EQ(died.helper->signal, SIGKILL);
      // Whatever had been started ends by itself: nobody holds its leash.
      EXPECT_TRUE(eventually([&] {
        for (const auto& [what, facts] : engine_->state()) {
          if (what.starts_with("process:")) return false;
        }
        return true;
      })) << difference(before, engine_->state());
      const Reply collected = gc();
      EXPECT_EQ(collected.code(), "") << collected.text();
      expectBecomes(before);
      if (HasFailure()) return;
    }
  }
}

TEST_F(Crash, AtEveryStepOfAPreparation) {
  const auto points = pointsThatBegin("prepare-");
  ASSERT_GE(points.size(), 3U);
  const HostState before = engine_->state();
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    ipc::RunRequest request = runRequest(*id_, {"/bin/true"});
    request.prepare = true;
    request.name = AppName::parse("front-end").value();
    const Reply died = engine_->ask(request, makeStreams().refs(), {.fault = point});
    EXPECT_EQ(died.helper->signal, SIGKILL);
    // The next command, and the next but one: what is left is garbage, or a pod that can be run.
    const Reply collected =
        engine_->ask(ipc::CollectGarbageRequest{.graceSeconds = 0, .expirePreparedSeconds = 0}, {},
                     {.deadline = 900});
    EXPECT_EQ(collected.code(), "") << collected.text();
    EXPECT_EQ(collected.as<ipc::Collected>().expired.size(), point == "prepare-kept" ? 1U : 0U);
    EXPECT_EQ(collected.as<ipc::Collected>().aborted.size(), point == "prepare-begun" ? 1U : 0U);
    EXPECT_EQ(gc().code(), "");
    forgetNames();
    expectBecomes(before);
    if (HasFailure()) return;
  }
}

TEST_F(Crash, AtEveryStepOfAPreparedStart) {
  const HostState before = engine_->state();
  // With a log and a place to attach to, which a start makes in the pod's directory, too.
  const auto start = [&](const PodId& pod) {
    ipc::RunRequest request = startOf(pod, {"/bin/sleep", "1000"});
    request.pod.apps[0].output = ipc::StreamMode::Stream;
    request.pod.apps[0].errors = ipc::StreamMode::Log;
    return request;
  };
  for (const std::string& point : pointsThatBegin("run-")) {
    SCOPED_TRACE(point);
    const PodId pod = prepare({"/bin/sleep", "1000"});
    const Streams streams = makeStreams();
    const Reply died = engine_->ask(start(pod), streams.refs(), {.fault = point});
    EXPECT_EQ(died.helper->signal, SIGKILL);
    EXPECT_TRUE(eventually([&] {
      for (const auto& [what, facts] : engine_->state()) {
        if (what.starts_with("process:")) return false;
      }
      return true;
    }));
    // It is prepared still, and starts, unless it had started already.
    Reply again = engine_->ask(start(pod), streams.refs());
    if (point == "run-recorded" || point == "run-started") {
      EXPECT_EQ(again.code(), "E_STATE") << again.text();
    } else {
      EXPECT_EQ(again.code(), "") << again.text();
      RunningPod running = takePod(again);
      EXPECT_TRUE(becomesReady(running));
      EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod, .force = true}).code(), "");
    }
    const Reply collected = gc();
    EXPECT_EQ(collected.code(), "") << collected.text();
    expectBecomes(before);
    if (HasFailure()) return;
  }
}

TEST_F(Crash, AtEveryStepOfACollection) {
  const auto points = pointsThatBegin("gc-");
  ASSERT_GE(points.size(), 3U);
  const HostState before = engine_->state();
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    Reply reply = engine_->ask(runRequest(*id_, {"/bin/true"}), makeStreams().refs());
    ASSERT_EQ(reply.code(), "") << reply.text();
    RunningPod pod = takePod(reply);
    EXPECT_EQ(exitOf(eventsOf(pod)), 0);
    ASSERT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
    const Reply died = engine_->ask(ipc::CollectGarbageRequest{.graceSeconds = 0}, {},
                                    {.fault = point, .deadline = 900});
    EXPECT_EQ(died.helper->signal, SIGKILL);
    const Reply collected = gc();
    EXPECT_EQ(collected.code(), "") << collected.text();
    expectBecomes(before);
  }
}

TEST_F(Crash, L03_ThePairOfAPodThatIsGoneIsGivenBack) {
  // As on a host with SELinux, where a start had registered it.
  const std::string registry = engine_->data() + "/mcs";
  must("mkdir -m 0700 " + registry + "; echo -n " + PodId::random().text() + " > " + registry +
       "/c3,c4");
  const Reply collected = gc();
  EXPECT_EQ(collected.code(), "") << collected.text();
  EXPECT_EQ(must("ls " + registry), "");
}

TEST_F(Crash, EveryFaultPointIsUsedHere) {
  const auto all = pointsThatBegin("");
  std::size_t used = 0;
  // The last five by tests of their own: AddedApps, Dependencies, ImageRemovalTest, MigrateTest and
  // OciImport.
  for (const char* prefix : {"import-", "remove-", "run-", "gc-", "prepare-", "app-", "render-",
                             "image-gc-", "migrate-", "oci-"})
    used += pointsThatBegin(prefix).size();
  EXPECT_EQ(all.size(), used);
}

}  // namespace
}  // namespace airlock::test
