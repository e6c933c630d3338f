// SPDX-License-Identifier: Apache-2.0
// What a person types, from trust to gc, as root and as a member of the group airlock.
#include <regex>

#include "base/syscall.h"
#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

class Commands : public World, public ::testing::WithParamInterface<Who> {
 protected:
  std::string firstPod() {
    const auto pods = lines(done(GetParam(), "list --no-legend --full"));
    return pods.empty() ? "" : pods[0].substr(0, 36);
  }
  // A pod that waits to be stopped, in the background; returns its UUID.
  std::string startSleeper() {
    const std::string file = engine_->scratch("uuid-" + std::to_string(GetParam() == Who::Alice));
    must("touch " + file + "; chmod 666 " + file + "; : > " + file);
    background_ = ::fork();
    if (background_ == 0) {
      const Outcome outcome = airlock(
          GetParam(), "run --uuid-file-save=" + file + " " + kImage + " --exec=/bin/sleep -- 1000");
      ::_exit(outcome.code);
    }
    EXPECT_TRUE(eventually([&] { return readFile(file).size() >= 36; }));
    const std::string pod = readFile(file).substr(0, 36);
    EXPECT_TRUE(eventually([&] {
      return done(GetParam(), "status " + pod).find("state=running") != std::string::npos;
    }));
    return pod;
  }
  int endOfSleeper() {
    return Child(background_, sys::pidfdOpen(background_).value()).wait().value().code;
  }
  pid_t background_ = -1;
};
INSTANTIATE_TEST_SUITE_P(As, Commands, ::testing::Values(Who::Root, Who::Alice),
                         [](const auto& one) {
                           return std::string(one.param == Who::Root ? "Root" : "Alice");
                         });

TEST_P(Commands, TrustFetchRunAndWhatIsLeftOfIt) {
  trust();
  HostState before = engine_->state();
  before.erase("file:/store/lock");
  const std::string fetched = done(GetParam(), std::string("fetch ") + kImage);
  EXPECT_TRUE(std::regex_search(fetched, std::regex("^sha512-[0-9a-f]{32,}"))) << fetched;
  EXPECT_NE(done(GetParam(), "image list").find("example.test/tools/busybox:1.35"),
            std::string::npos);

  const std::string printed =
      done(GetParam(), std::string("run ") + kImage + " -- -c 'id; ps; hostname'");
  EXPECT_NE(printed.find("uid=0(root)"), std::string::npos) << printed;
  EXPECT_NE(printed.find("airlock-"), std::string::npos) << printed;

  const std::string pod = firstPod();
  ASSERT_EQ(pod.size(), 36U);
  const std::string status = done(GetParam(), "status " + pod);
  EXPECT_NE(status.find("state=exited"), std::string::npos) << status;
  const std::string log = done(Who::Root, "tpm log");
  EXPECT_NE(log.find("software"), std::string::npos) << log;

  done(GetParam(), "gc --grace-period=0s");
  done(GetParam(), "gc --grace-period=0s");
  EXPECT_EQ(firstPod(), "");
  done(GetParam(), std::string("image rm ") + kImage);
  // A helper ends a moment after it has answered.
  const auto left = [&] {
    HostState after = engine_->state();
    after.erase("file:/store/lock");
    return difference(before, after);
  };
  EXPECT_TRUE(eventually([&] { return left().empty(); })) << left();
}

TEST_P(Commands, TheExitCodeIsTheApps) {
  fetch(GetParam());
  EXPECT_EQ(airlock(GetParam(), std::string("run ") + kImage + " -- -c 'exit 42'").code, 42);
  EXPECT_EQ(airlock(GetParam(), std::string("run ") + kImage + " -- -c 'kill -TERM $$'").code,
            128 + 15);
  EXPECT_EQ(airlock(GetParam(), std::string("run ") + kImage + " --exec=/bin/true").code, 0);
}

TEST_P(Commands, TwoAppsInOnePod) {
  fetch(GetParam());
  const std::string one = std::string(kImage) + " --name=one -- -c 'echo from one; hostname' --- ";
  const std::string two = std::string(kImage) + " --name=two -- -c 'echo from two; hostname'";
  const std::string printed = done(GetParam(), "run " + one + two);
  EXPECT_NE(printed.find("from one"), std::string::npos) << printed;
  EXPECT_NE(printed.find("from two"), std::string::npos) << printed;
  const std::string status = done(GetParam(), "status " + firstPod());
  EXPECT_NE(status.find("app-one=0"), std::string::npos) << status;
  EXPECT_NE(status.find("app-two=0"), std::string::npos) << status;
}

TEST_P(Commands, EnterStopAndRemove) {
  fetch(GetParam());
  const std::string pod = startSleeper();
  const Outcome entered = airlock(GetParam(), "enter " + pod + " /bin/sh -c 'hostname; exit 5'");
  EXPECT_EQ(entered.out, "airlock-" + pod + "\n") << entered.err;
  EXPECT_EQ(entered.code, 5);
  reapOrphans({background_});
  EXPECT_EQ(airlock(GetParam(), "rm " + pod).code, 254) << "it runs";
  done(GetParam(), "stop " + pod);
  endOfSleeper();
  done(GetParam(), "rm " + pod);
  EXPECT_EQ(firstPod(), "");
}

}  // namespace
}  // namespace airlock::test
