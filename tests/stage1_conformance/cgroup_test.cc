// SPDX-License-Identifier: Apache-2.0
// The apps' cgroups: each app in its own from its first instruction, and what the kernel says of it
// passed on.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <sstream>

#include "base/syscall.h"
#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using Kind = ipc::LeashEvent::Kind;

class AppCgroup : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
};

// The group of a process as the host sees it.
std::string groupOf(const std::string& pid) {
  return sandbox::cgroupOf(std::stoi(pid)).value_or("");
}
// The host's number of the pod's process `inner`: a child of PID 1.
std::vector<std::string> childrenOf(pid_t pid) {
  std::vector<std::string> children;
  const std::string name =
      "/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children";
  const Fd file = sys::openPath(name, O_RDONLY).value();
  std::istringstream text(sys::readAll(file, 4096).value());
  for (std::string child; text >> child;) children.push_back(child);
  return children;
}

TEST_F(AppCgroup, R16_EachAppIsInItsOwnBeforeItsFirstInstruction) {
  PodRequest request =
      shellPod("grep '^0::' /proc/self/cgroup; grep '^0::' /proc/1/cgroup; sleep 60");
  request.spec.apps.push_back(shellApp("other", "sleep 60"));
  request.roots.emplace_back();
  if (const auto why = giveCgroups(request)) GTEST_SKIP() << *why;
  const std::string path = request.cgroup->path;
  Stage1 pod = startPod(std::move(request));
  pod.waitFor(Kind::Ready);
  // The root of what it can see is its own group.
  EXPECT_EQ(pod.readLine(), "0::/");
  EXPECT_EQ(pod.readLine(), "0::/../init");
  EXPECT_EQ(groupOf(std::to_string(pod.pid())), path + "/init");
  std::set<std::string> groups;
  for (const std::string& child : childrenOf(pod.pid())) groups.insert(groupOf(child));
  EXPECT_EQ(groups, (std::set<std::string>{path + "/app-app", path + "/app-other"}));
  pod.command({.kind = ipc::LeashCommand::Kind::Stop, .signal = 0});
  pod.finish();
}

TEST_F(AppCgroup, R06_R07_NothingOfItIsLeftOpen) {
  PodRequest request = shellPod("");
  request.spec.apps[0].exec = {"/bin/probe", "fds"};
  if (const auto why = giveCgroups(request)) GTEST_SKIP() << *why;
  EXPECT_EQ(runPod(std::move(request)).output, "fd 0\nfd 1\nfd 2\n");
}

TEST_F(AppCgroup, AMissingDescriptorEndsTheStart) {
  PodRequest request = shellPod("true");
  request.spec.hasCgroups = true;
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 254);
}

TEST_F(AppCgroup, K16_AnAppThatRunsOutOfMemoryIsToldSo) {
  PodRequest request = shellPod("dd if=/dev/zero of=/dev/shm/much bs=1M count=200; sleep 60");
  request.spec.apps[0].memoryBytes = 32 << 20;
  if (const auto why = giveCgroups(request)) GTEST_SKIP() << *why;
  for (const sandbox::CgroupLimit& limit : request.cgroup->made.limits) {
    if (limit.name == "memory" && !limit.enforced) GTEST_SKIP() << limit.detail;
  }
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.code, 137);
  EXPECT_EQ(pod.status("app"), "137 oom-killed\n");
  const ipc::LeashEvent* event = pod.event(Kind::OomKilled);
  ASSERT_NE(event, nullptr);
  EXPECT_EQ(event->app, "app");
  EXPECT_EQ(event->text, "out of memory: its limit is 32 MiB");
}

TEST_F(AppCgroup, AnAppThatIsKilledOtherwiseIsNotSaidToHaveRunOutOfMemory) {
  PodRequest request = shellPod("kill -KILL $$");
  request.spec.apps[0].memoryBytes = 32 << 20;
  if (const auto why = giveCgroups(request)) GTEST_SKIP() << *why;
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.status("app"), "137\n");
  EXPECT_EQ(pod.event(Kind::OomKilled), nullptr);
}

}  // namespace
}  // namespace airlock::conformance
