// SPDX-License-Identifier: Apache-2.0
// Apps of a sandbox: whose they are, what a kill -9 leaves at every step, and everything at once.
#include <signal.h>
#include <sys/resource.h>

#include <thread>

#include "tests/lifecycle/fixture.h"

namespace airlock::test {
namespace {

std::vector<std::string> points(const std::string& prefix) {
  return lines(must("cd " AIRLOCK_SOURCE_DIR "; grep -rhoE 'fault\\(\"" + prefix +
                    "[a-z-]+\"\\)' store priv-helper --include=*.cc | cut -d'\"' -f2 | sort"));
}

class AddedApps : public Lifecycle {
 protected:
  void SetUp() override {
    Lifecycle::SetUp();
    if (IsSkipped()) return;
    engine_->listen();
    other_ = import(Lifecycle::other_).as<ipc::Imported>().image;
    before_ = engine_->state();
    openSandbox();
  }
  void TearDown() override {
    if (engine_ && pod_) closeSandbox();
  }

  void openSandbox() {
    ipc::RunRequest request = runRequest(*id_, {"/bin/true"});
    request.pod.apps.clear();
    request.pod.sandbox = true;
    Reply reply = engine_->ask(request, makeStreams().refs());
    ASSERT_EQ(reply.code(), "") << reply.text();
    pod_.emplace(takePod(reply));
    ASSERT_TRUE(becomesReady(*pod_));
  }
  // Nothing is left of it.
  void closeSandbox() {
    engine_->ask(ipc::StopRequest{.pod = pod_->id, .force = true});
    EXPECT_TRUE(sys::pidfdWait(pod_->process, 10'000).value());
    pod_.reset();
    EXPECT_EQ(gc().code(), "");
    expectBecomes(before_);
  }

  ipc::RunRequest app(const std::string& name, const std::string& script) const {
    ipc::RunRequest request = runRequest(*id_, {"/bin/sh", "-c", script});
    request.pod.apps[0].name = AppName::parse(name).value();
    request.pod.apps[0].input = ipc::StreamMode::Null;
    request.pod.apps[0].output = ipc::StreamMode::Log;
    request.pod.apps[0].errors = ipc::StreamMode::Log;
    request.sandbox = pod_->id;
    return request;
  }
  Reply ask(const ipc::HelperRequest& request, const StartOptions& options = {}) {
    const bool run = std::holds_alternative<ipc::RunRequest>(request);
    const Streams streams = makeStreams();
    return engine_->ask(request, run ? streams.refs() : std::vector<FdRef>(), options);
  }
  Reply add(ipc::RunRequest request, const StartOptions& options = {}) {
    request.prepare = true;
    return ask(request, options);
  }
  // Until the app runs.
  std::string start(const ipc::RunRequest& request) {
    Reply reply = ask(request);
    if (!reply.code().empty()) return reply.code() + " " + reply.text();
    RunningPod started = takePod(reply);
    return becomesReady(started) ? "" : "not ready";
  }
  ipc::StopRequest stopOf(const ipc::RunRequest& request) const {
    return {.pod = pod_->id, .force = false, .app = request.pod.apps[0].name};
  }
  ipc::RemovePodRequest removalOf(const ipc::RunRequest& request) const {
    return {.pod = pod_->id, .app = request.pod.apps[0].name};
  }
  std::string dir() const { return engine_->data() + "/pods/run/" + pod_->id.text(); }
  pid_t supervisorOf(const std::string& app) const {
    return std::stoi(readFile(dir() + "/added/" + app + "/pid"));
  }

  HostState before_;
  std::optional<ImageId> other_;
  std::optional<RunningPod> pod_;
};

TEST_F(AddedApps, LeaveNothingWhenTheirPodIsCollected) {
  const auto web = app("web", "sleep 1000 & exec sleep 1000");
  EXPECT_EQ(add(web).code(), "");
  EXPECT_EQ(start(web), "");
  const HostState with = engine_->state();
  for (const auto& [what, facts] : with) EXPECT_FALSE(what.starts_with("mount:")) << what;
  closeSandbox();
}

TEST_F(AddedApps, AreTheirPodsOwnersToChange) {
  const auto web = app("web", "exec sleep 1000");
  EXPECT_EQ(add(web).code(), "");
  EXPECT_EQ(start(web), "");
  const auto other = [&](const ipc::HelperRequest& request) {
    const bool with = std::holds_alternative<ipc::RunRequest>(request) ||
                      std::holds_alternative<ipc::EnterRequest>(request);
    const Streams streams = makeStreams();
    return engine_->connectAs(memberOfAirlock())
        .ask(request, with ? streams.refs() : std::vector<FdRef>())
        .code();
  };
  auto more = app("more", "true");
  EXPECT_EQ(other(web), "E_DENIED");
  more.prepare = true;
  EXPECT_EQ(other(more), "E_DENIED");
  EXPECT_EQ(other(stopOf(web)), "E_DENIED");
  EXPECT_EQ(other(removalOf(web)), "E_DENIED");
  EXPECT_EQ(other(ipc::EnterRequest{pod_->id, {.app = web.pod.apps[0].name, .exec = {"/bin/sh"}}}),
            "E_DENIED");
  EXPECT_EQ(ask(stopOf(web)).code(), "");
}

TEST_F(AddedApps, AreStartedAsTheyWereAdded) {
  const auto web = app("web", "exec sleep 1000");
  EXPECT_EQ(ask(web).code(), "E_APP");
  EXPECT_EQ(add(web).code(), "");
  EXPECT_EQ(add(web).code(), "E_APP");
  auto changed = web;
  changed.podManifest = "{ }";
  EXPECT_EQ(ask(changed).code(), "E_STATE");
  changed = web;
  changed.pod.apps[0].image = *other_;
  EXPECT_EQ(ask(changed).code(), "E_STATE");
  // What is the pod's is not an app's to say.
  changed = app("other", "true");
  changed.pod.apps[0].output = ipc::StreamMode::Inherit;
  EXPECT_EQ(add(changed).code(), "E_REQUEST");
  changed = web;
  changed.pod.network = ipc::Network::Host;
  changed.pod.hostname = "mine";
  EXPECT_EQ(start(changed), "");
  EXPECT_EQ(ask(web).code(), "E_RUNNING");
  EXPECT_EQ(ask(removalOf(web)).code(), "E_RUNNING");
  const Streams streams = makeStreams();
  Reply entered = engine_->ask(
      ipc::EnterRequest{
          pod_->id, {.app = web.pod.apps[0].name, .exec = {"/bin/sh", "-c", "hostname; ls /sys"}}},
      streams.refs());
  ASSERT_EQ(entered.code(), "") << entered.text();
  const Fd process = entered.fds.take(0).value();
  const Fd leash = entered.fds.take(1).value();
  EXPECT_TRUE(sys::pidfdWait(process, 10'000).value());
  EXPECT_TRUE(streams.printed().starts_with("airlock-" + pod_->id.text() + "\nblock\n"))
      << streams.printed();
}

TEST_F(AddedApps, R01_HaveTheLimitsOfTheirPodAndSoHasWhatEntersThem) {
  const pid_t first = std::stoi(readFile(dir() + "/pid"));
  const rlimit few{1001, 1234};
  ASSERT_EQ(::prlimit(first, RLIMIT_NOFILE, &few, nullptr), 0);
  const std::string look = "ulimit -n; ulimit -Hn";
  const auto web = app("web", look + "; exec sleep 1000");
  EXPECT_EQ(add(web).code(), "");
  EXPECT_EQ(start(web), "");
  const std::string log = dir() + "/added/web/log/web";
  ASSERT_TRUE(eventually([&] { return lines(readFile(log)).size() == 2; }));
  EXPECT_TRUE(lines(readFile(log))[0].ends_with(" 1001")) << readFile(log);
  EXPECT_TRUE(lines(readFile(log))[1].ends_with(" 1234")) << readFile(log);
  const Streams streams = makeStreams();
  Reply entered = engine_->ask(
      ipc::EnterRequest{pod_->id, {.app = web.pod.apps[0].name, .exec = {"/bin/sh", "-c", look}}},
      streams.refs());
  ASSERT_EQ(entered.code(), "") << entered.text();
  const Fd process = entered.fds.take(0).value();
  const Fd leash = entered.fds.take(1).value();
  EXPECT_TRUE(sys::pidfdWait(process, 10'000).value());
  EXPECT_EQ(streams.printed(), "1001\n1234\n");
}

TEST_F(AddedApps, WhoseSupervisorIsKilledEndAndStartAgain) {
  const auto web = app("web", "sleep 1000 & exec sleep 1000");
  EXPECT_EQ(add(web).code(), "");
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(start(web), "");
    ASSERT_EQ(::kill(supervisorOf("web"), SIGKILL), 0);
    EXPECT_TRUE(eventually([&] { return ask(stopOf(web)).code() == "E_NOT_RUNNING"; }));
  }
  EXPECT_EQ(ask(removalOf(web)).code(), "");
  EXPECT_EQ(must("ls " + dir()), "added\ncgroup\nclaim\nlock\npid\npod\nrecord\nspec\nstatus\n");
  closeSandbox();
}

TEST_F(AddedApps, SurviveTheHelperAtEveryStep) {
  AIRLOCK_NEEDS_TEST_HOOKS();
  const auto web = app("web", "exec sleep 1000");
  ASSERT_GE(points("app-").size(), 8U);
  for (const std::string& point : points("app-add-")) {
    SCOPED_TRACE(point);
    EXPECT_EQ(add(web, {.fault = point}).helper->signal, SIGKILL);
    const bool added = exists(dir() + "/added/web");
    EXPECT_EQ(added, point == "app-add-done");
    EXPECT_EQ(add(web).code(), added ? "E_APP" : "");
    EXPECT_FALSE(exists(dir() + "/adding"));
    EXPECT_EQ(ask(removalOf(web)).code(), "");
  }
  EXPECT_EQ(add(web).code(), "");
  for (const std::string& point : points("app-start-")) {
    SCOPED_TRACE(point);
    Reply died = ask(web, {.fault = point});
    EXPECT_EQ(died.helper->signal, SIGKILL);
    // It has not begun, and the next start begins anew; or it runs, and is told to.
    if (point == "app-start-done") {
      EXPECT_EQ(ask(web).code(), "E_RUNNING");
    } else {
      EXPECT_EQ(start(web), "");
    }
    EXPECT_EQ(ask(stopOf(web)).code(), "");
  }
  for (const std::string& point : points("app-rm-")) {
    SCOPED_TRACE(point);
    EXPECT_EQ(ask(removalOf(web), {.fault = point}).helper->signal, SIGKILL);
    const bool removed = point == "app-rm-renamed";
    EXPECT_EQ(ask(removalOf(web)).code(), removed ? "E_APP" : "");
    EXPECT_EQ(add(web).code(), "");
    EXPECT_EQ(ask(removalOf(web)).code(), "");
    EXPECT_FALSE(exists(dir() + "/removed"));
    EXPECT_EQ(add(web).code(), "");
  }
  closeSandbox();
}

TEST_F(AddedApps, AreChangedByOneAtATime) {
  std::vector<std::thread> people;
  std::atomic<int> wrong = 0;
  for (int person = 0; person < 6; ++person) {
    people.emplace_back([&, person] {
      const auto mine = app("app" + std::to_string(person), "exec sleep 1000");
      for (int round = 0; round < 3; ++round) {
        const bool good = add(mine).code().empty() && start(mine).empty() &&
                          ask(stopOf(mine)).code().empty() && ask(removalOf(mine)).code().empty();
        wrong += good ? 0 : 1;
      }
    });
  }
  for (std::thread& person : people) person.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(must("ls " + dir() + "/added"), "");
  closeSandbox();
}

TEST_F(AddedApps, GoOnWhenTheirStarterIsGoneAndEndWithTheLeashOfTheirPod) {
  const auto web = app("web", "exec sleep 1000");
  EXPECT_EQ(add(web).code(), "");
  EXPECT_EQ(start(web), "");  // the leash of the start is gone with this
  EXPECT_EQ(ask(web).code(), "E_RUNNING");
  { ipc::Channel gone = std::move(pod_->leash); }
  EXPECT_TRUE(sys::pidfdWait(pod_->process, 20'000).value());
  pod_.reset();
  EXPECT_EQ(gc().code(), "");
  expectBecomes(before_);
}

}  // namespace
}  // namespace airlock::test
