// SPDX-License-Identifier: Apache-2.0
#include "store/pod_names.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/syscall.h"

namespace airlock::store {
namespace {

class PodNames : public testing::Test {
 protected:
  PodNames() {
    char name[] = "/tmp/airlock-names-XXXXXX";
    path_ = ::mkdtemp(name);
    top_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  ~PodNames() override { std::filesystem::remove_all(path_); }
  static AppName named(const char* text) { return AppName::parse(text).value(); }
  std::string path_;
  Fd top_;
};

TEST_F(PodNames, BelongToOnePodThatExists) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  const auto one = pods.create().value();
  const auto other = pods.create().value();
  EXPECT_EQ(podOfName(top_, named("web")).value(), std::nullopt);
  ASSERT_TRUE(takePodName(top_, pods, one.id, named("web")));
  EXPECT_EQ(takePodName(top_, pods, other.id, named("web")).error().code(), "E_NAME_TAKEN");
  EXPECT_EQ(podOfName(top_, named("web")).value(), one.id);
  ASSERT_TRUE(releasePodName(top_, other.id, "web")) << "not its own";
  EXPECT_EQ(podOfName(top_, named("web")).value(), one.id);
  ASSERT_TRUE(releasePodName(top_, one.id, "web"));
  EXPECT_TRUE(takePodName(top_, pods, other.id, named("web")));
}

TEST_F(PodNames, OfAPodThatIsGoneAreFree) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  const auto there = pods.create().value();
  ASSERT_TRUE(takePodName(top_, pods, there.id, named("there")));
  ASSERT_TRUE(takePodName(top_, pods, PodId::random(), named("web")));
  ASSERT_TRUE(takePodName(top_, pods, PodId::random(), named("db")));
  EXPECT_TRUE(takePodName(top_, pods, there.id, named("web"))) << "as after a crash";
  ASSERT_TRUE(reconcilePodNames(top_, pods));
  EXPECT_EQ(podOfName(top_, named("db")).value(), std::nullopt);
  EXPECT_EQ(podOfName(top_, named("web")).value(), there.id);
}

TEST_F(PodNames, AreNoUuids) {
  const auto pods = PodDirectory::openForWriting(top_).value();
  const PodId id = PodId::random();
  EXPECT_EQ(
      takePodName(top_, pods, id, named("6733c088-4a8c-4b48-8f04-1d1de0ba6ba1")).error().code(),
      "E_NAME");
}

}  // namespace
}  // namespace airlock::store
