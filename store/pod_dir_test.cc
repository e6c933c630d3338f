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
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Embryo);
  ASSERT_TRUE(pods.start(embryo));
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

TEST_F(PodDirTest, APreparedPodIsStartedByOneAtATime) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  ASSERT_TRUE(pods.prepare(embryo));
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Preparing);
  EXPECT_FALSE(pods.abort(embryo.id).value()) << "it is being prepared";
  EXPECT_EQ(pods.takePrepared(embryo.id).error().code(), "E_STATE");
  ASSERT_TRUE(pods.keepPrepared(embryo));
  embryo.lock.reset();
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Prepared);
  auto first = pods.takePrepared(embryo.id).value();
  EXPECT_EQ(pods.takePrepared(embryo.id).error().code(), "E_STATE");
  EXPECT_FALSE(pods.expire(embryo.id).value()) << "it is being started";
  EXPECT_EQ(pods.remove(embryo.id).error().code(), "E_RUNNING");
  ASSERT_TRUE(pods.start(first));
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Running);
  first.lock.reset();
  first.claim.reset();  // the helper has ended long before
  EXPECT_EQ(pods.takePrepared(embryo.id).error().code(), "E_STATE");
  EXPECT_TRUE(pods.remove(embryo.id));
}

TEST_F(PodDirTest, PreparationsThatFailedOrExpiredBecomeGarbage) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto aborted = make(pods);
  ASSERT_TRUE(pods.prepare(aborted));
  aborted.lock.reset();
  EXPECT_EQ(pods.find(aborted.id).value().state, PodState::AbortedPrepare);
  EXPECT_TRUE(pods.abort(aborted.id).value());
  EXPECT_EQ(pods.find(aborted.id).value().state, PodState::Garbage);
  EXPECT_FALSE(pods.abort(aborted.id).value()) << "another was first";
  auto expired = make(pods);
  ASSERT_TRUE(pods.prepare(expired));
  ASSERT_TRUE(pods.keepPrepared(expired));
  expired.lock.reset();
  EXPECT_TRUE(pods.expire(expired.id).value());
  EXPECT_EQ(pods.find(expired.id).value().state, PodState::Garbage);
  EXPECT_TRUE(pods.remove(expired.id));
  EXPECT_TRUE(pods.remove(aborted.id));
  EXPECT_TRUE(pods.ids().value().empty());
}

TEST_F(PodDirTest, WhoeverReadsAnExitedPodKeepsItFromBeingDeleted) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  ASSERT_TRUE(pods.start(embryo));
  EXPECT_EQ(pods.holdExited(embryo.id).error().code(), "E_STATE") << "it runs";
  embryo.lock.reset();
  auto first = pods.holdExited(embryo.id);
  auto second = pods.holdExited(embryo.id);
  ASSERT_TRUE(first && second) << "they share it";
  first->claim.reset();
  EXPECT_EQ(pods.remove(embryo.id).error().code(), "E_DELETING");
  EXPECT_TRUE(pods.mark(embryo.id).value()) << "its grace period may begin";
  EXPECT_EQ(pods.remove(embryo.id).error().code(), "E_DELETING");
  second->claim.reset();
  EXPECT_TRUE(pods.remove(embryo.id));
  EXPECT_EQ(pods.holdExited(embryo.id).error().code(), "E_NOT_FOUND");
}

TEST_F(PodDirTest, WhoeverDeletesAPodHoldsItsLock) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  ASSERT_TRUE(pods.start(embryo));
  embryo.lock.reset();
  ASSERT_TRUE(pods.mark(embryo.id).value());
  Fd lock = sys::openBeneath(embryo.dir, name("lock"), O_RDWR).value();
  Fd claim = sys::openBeneath(embryo.dir, name("claim"), O_RDWR).value();
  struct flock whole {};
  whole.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(claim.get(), F_OFD_SETLK, &whole), 0);
  ASSERT_EQ(::fcntl(lock.get(), F_OFD_SETLK, &whole), 0);
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::ExitedDeleting);
  EXPECT_EQ(checkIdle(pods.find(embryo.id).value()).error().message(),
            "pod \"" + embryo.id.text() + "\" is currently being deleted");
  EXPECT_EQ(pods.remove(embryo.id).error().code(), "E_DELETING");
  lock.reset();
  EXPECT_EQ(pods.remove(embryo.id).error().code(), "E_DELETING");
  claim.reset();
  EXPECT_TRUE(pods.remove(embryo.id));
}

TEST_F(PodDirTest, APodWithoutARecordIsBrokenAndNobodys) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto one = make(pods);
  auto other = make(pods);
  for (auto* pod : {&one, &other}) {
    ASSERT_TRUE(pods.start(*pod));
    pod->lock.reset();
  }
  ASSERT_TRUE(sys::replaceFile(one.dir, name("record"), "nonsense", 0644));
  const auto all = pods.list().value();
  ASSERT_EQ(all.size(), 2U);
  for (const Pod& pod : all) {
    EXPECT_EQ(pod.broken.empty(), pod.record.pod == other.id);
    EXPECT_EQ(pod.record.ownerUid, pod.broken.empty() ? 1000 : kNoOwner);
    EXPECT_EQ(pod.state, PodState::Exited);
  }
  EXPECT_TRUE(pods.mark(one.id).value());
  EXPECT_TRUE(pods.remove(one.id));
}

TEST_F(PodDirTest, AStrangersReadLockDoesNotMakeAPodLookAlive) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  ASSERT_TRUE(pods.start(embryo));
  Fd theirs = sys::openBeneath(embryo.dir, name("lock"), O_RDONLY).value();
  embryo.lock.reset();
  struct flock shared {};
  shared.l_type = F_RDLCK;
  ASSERT_EQ(::fcntl(theirs.get(), F_OFD_SETLK, &shared), 0);
  ::flock(theirs.get(), LOCK_EX | LOCK_NB);
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Exited);
  EXPECT_TRUE(pods.remove(embryo.id));
}

TEST_F(PodDirTest, AStrangersReadLockKeepsNobodyFromAPreparedPod) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  auto embryo = make(pods);
  ASSERT_TRUE(pods.prepare(embryo));
  ASSERT_TRUE(pods.keepPrepared(embryo));
  embryo.lock.reset();
  Fd theirs = sys::openBeneath(embryo.dir, name("lock"), O_RDONLY).value();
  struct flock shared {};
  shared.l_type = F_RDLCK;
  ASSERT_EQ(::fcntl(theirs.get(), F_OFD_SETLK, &shared), 0);
  auto taken = pods.takePrepared(embryo.id);
  ASSERT_TRUE(taken) << taken.error().text();
  ASSERT_TRUE(pods.start(*taken));
  EXPECT_EQ(pods.find(embryo.id).value().state, PodState::Running);
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
