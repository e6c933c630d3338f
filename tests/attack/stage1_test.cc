// SPDX-License-Identifier: Apache-2.0
// A stage1 that does not keep the contract: it cannot hold up the helper, nor stay when it is told
// to go.
#include "tests/attack/fixture.h"

namespace airlock::test {
namespace {

class EvilStage1 : public Attack {
 protected:
  void SetUp() override {
    Attack::SetUp();
    if (!IsSkipped()) image_id_ = importGood();
  }
  RunningPod startEvil(const std::string& mode) {
    engine_->replaceProgram("airlock-stage1-container", AIRLOCK_BINARY_DIR "/tests/evil_stage1",
                            mode);
    Reply reply = engine_->ask(runRequest(*image_id_, {"/bin/true"}), makeStreams().refs());
    EXPECT_EQ(reply.code(), "") << reply.text();
    return takePod(reply);
  }
  void endAndRemove(RunningPod& pod) {
    EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id, .force = true}).code(), "");
    EXPECT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
    EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "");
  }
  std::optional<ImageId> image_id_;
};

TEST_F(EvilStage1, ThatEndsAtOnceLeavesAnExitedPod) {
  const HostState before = engine_->state();
  RunningPod pod = startEvil("exit");
  EXPECT_TRUE(eventsOf(pod).empty());
  EXPECT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id}).code(), "E_STOPPED");
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "");
  expectUnchanged(before);
}

TEST_F(EvilStage1, ThatNeverAnswersIsEndedByForce) {
  const HostState before = engine_->state();
  RunningPod pod = startEvil("silent");
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "E_RUNNING");
  endAndRemove(pod);
  expectUnchanged(before);
}

TEST_F(EvilStage1, ThatFloodsItsLeashBlocksItself) {
  for (const char* mode : {"flood", "garbage"}) {
    const HostState before = engine_->state();
    RunningPod pod = startEvil(mode);
    EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "")
        << "the helper answers others meanwhile";
    endAndRemove(pod);
    expectUnchanged(before);
  }
}

}  // namespace
}  // namespace airlock::test
