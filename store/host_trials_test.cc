// SPDX-License-Identifier: Apache-2.0
#include "store/host_trials.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/syscall.h"
#include "store/host_layers.h"
#include "store/tree_mount.h"

namespace airlock::store {
namespace {

class HostTrialsTest : public testing::Test {
 protected:
  HostTrialsTest() {
    char name[] = "/tmp/airlock-trials-XXXXXX";
    path_ = ::mkdtemp(name);
    folder_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  ~HostTrialsTest() override { std::filesystem::remove_all(path_); }
  bool shell(const std::string& script) const {
    return std::system(("cd " + path_ + " && { " + script + "; } >/dev/null 2>&1").c_str()) == 0;
  }
  bool isEmpty() const { return std::filesystem::is_empty(path_); }
  std::string path_;
  Fd folder_;
};

// The answers are compared with what other programs get from the same kernel.
TEST_F(HostTrialsTest, VerityIsWhatFsverityUtilsCanEnableThere) {
  if (!shell("fsverity --version")) GTEST_SKIP() << "needs fsverity (package fsverity)";
  const ipc::Layer layer = tryVerity(folder_);
  EXPECT_TRUE(isEmpty());
  EXPECT_EQ(layer.enforced, shell("echo x >file && fsverity enable file")) << layer.detail;
}

TEST_F(HostTrialsTest, MountsAreWhatMountCanDo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (!shell("command -v mkfs.erofs && mkdir empty && mkfs.erofs image empty"))
    GTEST_SKIP() << "needs mkfs.erofs (package erofs-utils)";
  const bool mounts = shell("mount -t erofs -o loop,ro image empty && umount empty");
  shell("rm -r image empty");
  const std::vector<ipc::Layer> layers = tryMounts(folder_, "");
  EXPECT_TRUE(isEmpty());
  const auto holds = [&](const char* name) {
    const auto found = std::ranges::find(layers, name, &ipc::Layer::name);
    EXPECT_NE(found, layers.end()) << name;
    return found != layers.end() && found->enforced;
  };
  EXPECT_EQ(holds("erofs"), mounts);
  EXPECT_EQ(holds("overlay"), shell("grep -qw overlay /proc/filesystems"));
  EXPECT_TRUE(!holds("idmapped mounts") || mounts);
  // Nothing is left of it: no mount, no loop device over a file that is gone.
  EXPECT_FALSE(
      shell("grep -q ' erofs ' /proc/self/mounts && exit 0; losetup -l | grep -q " + path_));
}

TEST_F(HostTrialsTest, WithoutTheRightToMountTheReasonIsTold) {
  if (::geteuid() == 0) GTEST_SKIP() << "only for users";
  for (const ipc::Layer& layer : tryMounts(folder_, "")) {
    EXPECT_FALSE(layer.enforced) << layer.name;
    EXPECT_FALSE(layer.detail.empty()) << layer.name;
  }
}

TEST(Requirement, HoldsWhereItsLayerDoes) {
  const std::vector<ipc::Layer> layers = {{"fs-verity", false, ""}, {"cgroup", true, ""}};
  EXPECT_FALSE(requirement("content", layers).enforced);
  EXPECT_TRUE(requirement("content=rehash", layers).enforced);
  EXPECT_TRUE(requirement("cgroup", layers).enforced);
  EXPECT_EQ(requirement("cgroup", layers).name, "required: cgroup");
}

}  // namespace
}  // namespace airlock::store
