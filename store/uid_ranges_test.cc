// SPDX-License-Identifier: Apache-2.0
#include "store/uid_ranges.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::store {
namespace {

class UidRangesTest : public testing::Test {
 protected:
  UidRangesTest() {
    char name[] = "/tmp/airlock-uids-XXXXXX";
    path_ = ::mkdtemp(name);
    top_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  ~UidRangesTest() override { std::filesystem::remove_all(path_); }

  std::size_t taken() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/uid-ranges")) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  std::string slotOf(UidRange range) const {
    return path_ + "/uid-ranges/" +
           std::to_string((range.first - limits::kFirstPodUid) / limits::kPodUids);
  }
  std::string path_;
  Fd top_;
};

TEST_F(UidRangesTest, TwoPodsNeverHaveTheSame) {
  const PodId one = PodId::random();
  PodId other = one;
  const UidRange first = takeUidRange(top_, one).value();
  const UidRange second = takeUidRange(top_, other).value();
  EXPECT_NE(first.first, second.first);
}

TEST_F(UidRangesTest, GivingBackTwiceDoesNotTakeItFromTheNextPod) {
  const PodId dead = PodId::random();
  const UidRange range = takeUidRange(top_, dead).value();
  ASSERT_TRUE(releaseUidRange(top_, dead, range));
  EXPECT_EQ(taken(), 0U);

  const PodId living = PodId::random();
  std::ofstream(slotOf(range)) << living.text();
  ASSERT_TRUE(releaseUidRange(top_, dead, range));
  EXPECT_EQ(taken(), 1U) << "the range belongs to another pod by now";
  ASSERT_TRUE(releaseUidRange(top_, living, range));
  EXPECT_EQ(taken(), 0U);
  EXPECT_TRUE(releaseUidRange(top_, living, range)) << "none is fine";
}

TEST_F(UidRangesTest, ReconcilingKeepsWhatAPodHasAndTakesTheRest) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  const auto embryo = pods.create().value();
  const UidRange kept = takeUidRange(top_, embryo.id).value();
  static_cast<void>(takeUidRange(top_, PodId::random()).value());
  // As a power cut between making the file and writing it leaves it.
  std::ofstream(path_ + "/uid-ranges/" + std::to_string(limits::kPodUidSlots + 1));
  ASSERT_EQ(taken(), 3U);
  ASSERT_TRUE(reconcileUidRanges(top_, pods));
  EXPECT_EQ(taken(), 1U);
  EXPECT_TRUE(std::filesystem::exists(slotOf(kept)));
}

}  // namespace
}  // namespace airlock::store
