// SPDX-License-Identifier: Apache-2.0
#include "store/pod_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <filesystem>

#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {
namespace {

class PodDirTest : public testing::Test {
 protected:
  PodDirTest() {
    char name[] = "/tmp/airlock-pods-XXXXXX";
    path_ = ::mkdtemp(name);
    top_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  ~PodDirTest() override { std::filesystem::remove_all(path_); }

  PodDirectory::Embryo make(const PodDirectory& pods) {
    auto embryo = pods.create().value();
    ipc::PodRecord record{.pod = embryo.id, .ownerUid = 1000};
    record.apps.push_back({AppName::parse("web").value(), ImageId(), "example.com/web:1"});
    EXPECT_TRUE(sys::replaceFile(embryo.dir, name("record"), ipc::encode(record).value(), 0644));
    return embryo;
  }
  std::string path_;
  Fd top_;
};

TEST_F(PodDirTest, StatesAreAFolderAndALock) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Preparing);
  ASSERT_TRUE(pods.start(embryo.id));
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Running);
  EXPECT_FALSE(pods.mark(embryo.id).value());
  EXPECT_EQ(pods.remove(embryo.id).error().code(), "E_RUNNING");
  embryo.lock.reset();  // the kernel does this when the pod's PID 1 dies
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Exited);
  EXPECT_TRUE(pods.mark(embryo.id).value());
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::ExitedGarbage);
  ASSERT_TRUE(pods.remove(embryo.id));
  EXPECT_EQ(pods.find(embryo.id).error().code(), "E_NOT_FOUND");
}

TEST_F(PodDirTest, AStrangersReadLockDoesNotMakeAPodLookAlive) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  ASSERT_TRUE(pods.start(embryo.id));
  Fd theirs = sys::openBeneath(embryo.dir, name("lock"), O_RDONLY).value();
  embryo.lock.reset();
  struct flock shared {};
  shared.l_type = F_RDLCK;
  ASSERT_EQ(::fcntl(theirs.get(), F_OFD_SETLK, &shared), 0);
  ::flock(theirs.get(), LOCK_EX | LOCK_NB);
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Exited);
  EXPECT_TRUE(pods.remove(embryo.id));
}

TEST_F(PodDirTest, UuidsMayBeShortenedWhileUnique) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  const auto embryo = make(pods);
  EXPECT_EQ(pods.resolve(embryo.id.text().substr(0, 8)).value(), embryo.id);
  EXPECT_EQ(pods.resolve("zzz").error().message(), "no matches found for \"zzz\"");
}

TEST_F(PodDirTest, StatusFilesAreReadAsThePodsWord) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  Fd status = sys::ensureDirectory(embryo.dir, name("status"), 0755).value();
  ASSERT_TRUE(sys::replaceFile(status, name("web"), "7\n", 0644));
  EXPECT_EQ(pods.find(embryo.id).value().statuses.at(0).second, 7);
  EXPECT_TRUE(pods.find(embryo.id).value().oomKilled.empty());
  ASSERT_TRUE(sys::replaceFile(status, name("web"), "137 oom-killed\n", 0644));
  EXPECT_EQ(pods.find(embryo.id).value().statuses.at(0).second, 137);
  EXPECT_EQ(pods.find(embryo.id).value().oomKilled, std::vector<std::string>{"web"});
  for (const char* odd : {"", "99999\n", "-1\n", "x\n", "7", "11111111111111111111111111\n",
                          " oom-killed\n", "7oom-killed\n", "999 oom-killed\n"}) {
    ASSERT_TRUE(sys::replaceFile(status, name("web"), odd, 0644));
    const auto pod = pods.find(embryo.id).value();
    EXPECT_TRUE(pod.oomKilled.empty()) << odd;
    EXPECT_TRUE(pod.statuses.empty() || pod.statuses[0].second <= 255) << odd;
  }
  ASSERT_EQ(::unlinkat(status.get(), "web", 0), 0);
  ASSERT_EQ(::symlinkat("/etc/passwd", status.get(), "web"), 0);
  EXPECT_TRUE(pods.find(embryo.id).value().statuses.empty());
}

}  // namespace
}  // namespace airlock::store
