// SPDX-License-Identifier: Apache-2.0
#include "store/mcs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/syscall.h"
#include "store/pod_file.h"

namespace airlock::store {
namespace {

class McsTest : public testing::Test {
 protected:
  McsTest() {
    char name[] = "/tmp/airlock-mcs-XXXXXX";
    path_ = ::mkdtemp(name);
    top_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  ~McsTest() override { std::filesystem::remove_all(path_); }

  std::set<std::string> registered() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/mcs"))
      names.insert(entry.path().filename());
    return names;
  }
  Result<CategoryPair> take(CategoryRange range = {}, const std::set<CategoryPair>& avoid = {}) {
    return takeCategories(top_, PodId::random(), range, avoid);
  }
  std::string path_;
  Fd top_;
};

TEST_F(McsTest, L04_APairIsAlwaysTwoCategoriesThatDiffer) {
  EXPECT_FALSE(CategoryPair::of(7, 7));
  EXPECT_FALSE(CategoryPair::of(0, kCategories));
  EXPECT_EQ(CategoryPair::of(9, 2)->level(), "s0:c2,c9");
  for (const char* level : {"", "s0", "s0:", "s0:c1", "s0:c1,c1", "s0:c1,c2,c3", "s0:c1.c3",
                            "s0:c1,", "s0:c1,c1024", "s0:c-1,c2", "s0:c1,c2 ", "c1,c2"}) {
    EXPECT_FALSE(CategoryPair::ofLevel(level)) << level;
  }
  EXPECT_EQ(CategoryPair::ofLevel("s0:c2,c1")->text(), "c1,c2");
  EXPECT_EQ(CategoryPair::ofLevel("s0:c1.c2")->text(), "c1,c2");
}

TEST_F(McsTest, L04_ARangeOfOneCategoryIsNone) {
  for (const char* text : {"", "c1", "c1.c1", "c2.c1", "c0.c1024", "c0-c5", "c0.c5 ", "0.5"})
    EXPECT_FALSE(CategoryRange::parse(text)) << text;
  EXPECT_EQ(CategoryRange::parse("c0.c1023")->last, 1023U);
}

TEST_F(McsTest, L03_TwoPodsNeverHaveTheSamePair) {
  std::set<CategoryPair> pairs;
  for (int i = 0; i < 200; ++i) EXPECT_TRUE(pairs.insert(take().value()).second);
  EXPECT_EQ(registered().size(), 200U);
}

TEST_F(McsTest, L03_TheRegistryOutlivesTheProcess) {
  const CategoryRange three{5, 7};
  std::set<CategoryPair> pairs;
  for (int i = 0; i < 3; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(take(three).has_value() ? 0 : 1);
    int status = 1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(registered(), (std::set<std::string>{"c5,c6", "c5,c7", "c6,c7"}));
  EXPECT_EQ(take(three).error().code(), "E_MCS_FULL");
}

TEST_F(McsTest, L03_ManyProcessesAtOnceGetAllPairsOfARange) {
  const CategoryRange five{0, 4};  // ten pairs
  std::vector<pid_t> children;
  for (int i = 0; i < 12; ++i) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(take(five).has_value() ? 0 : 1);
    children.push_back(pid);
  }
  int refused = 0;
  for (const pid_t pid : children) {
    int status = 1;
    ::waitpid(pid, &status, 0);
    refused += status != 0 ? 1 : 0;
  }
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(registered().size(), 10U);
}

TEST_F(McsTest, L03_WhatOtherProcessesHaveIsAvoided) {
  // As virtual machines of libvirt and containers of podman appear in /proc.
  const std::map<std::string, std::string> processes = {
      {"11", std::string("system_u:system_r:svirt_t:s0:c2,c1\0", 35)},
      {"12", "system_u:system_r:container_t:s0:c1,c3\n"},
      {"13", "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023"},
      {"14", "unconfined"},
      {"15", "system_u:system_r:init_t:s0-s0:c2,c3"}};
  for (const auto& [pid, label] : processes) {
    std::filesystem::create_directories(path_ + "/proc/" + pid + "/attr");
    std::ofstream(path_ + "/proc/" + pid + "/attr/current") << label;
  }
  std::filesystem::create_directories(path_ + "/proc/sys");
  std::filesystem::create_directories(path_ + "/proc/77");  // has ended
  const Fd proc = sys::openPath(path_ + "/proc", O_RDONLY | O_DIRECTORY).value();
  const auto theirs = categoriesOfProcesses(proc);
  EXPECT_EQ(theirs, (std::set<CategoryPair>{*CategoryPair::of(1, 2), *CategoryPair::of(1, 3),
                                            *CategoryPair::of(2, 3)}));
  EXPECT_EQ(take({0, 3}, theirs).value().text().substr(0, 2), "c0");
}

TEST_F(McsTest, EveryPairOfARangeIsDrawn) {
  const CategoryRange four{1020, 1023};
  std::map<std::string, int> drawn;
  for (int i = 0; i < 600; ++i) {
    const PodId pod = PodId::random();
    const CategoryPair pair = takeCategories(top_, pod, four, {}).value();
    ++drawn[pair.text()];
    ASSERT_TRUE(releaseCategories(top_, pod, pair));
  }
  EXPECT_EQ(drawn.size(), 6U);
  for (const auto& [pair, times] : drawn) EXPECT_GT(times, 40) << pair;  // 100 each are expected
}

TEST_F(McsTest, GivingBackTwiceDoesNotTakeItFromTheNextPod) {
  const PodId dead = PodId::random();
  const CategoryPair pair = takeCategories(top_, dead, {}, {}).value();
  ASSERT_TRUE(releaseCategories(top_, dead, pair));
  EXPECT_TRUE(registered().empty());
  std::ofstream(path_ + "/mcs/" + pair.text()) << PodId::random().text();
  ASSERT_TRUE(releaseCategories(top_, dead, pair));
  EXPECT_EQ(registered().size(), 1U) << "the pair belongs to another pod by now";
}

TEST_F(McsTest, L03_SweepingKeepsWhatAPodHasAndTakesWhatACrashLeft) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  const auto embryo = pods.create().value();
  const CategoryPair kept = takeCategories(top_, embryo.id, {}, {}).value();
  static_cast<void>(take().value());
  std::ofstream(path_ + "/mcs/c1022,c1023");  // the power failed between making and writing it
  ASSERT_TRUE(sweepLeftovers(top_, pods));
  EXPECT_EQ(registered(), std::set<std::string>{kept.text()});
}

}  // namespace
}  // namespace airlock::store
