// SPDX-License-Identifier: Apache-2.0
// Pods that ask the metadata service who they are, as the host's network lets them.
#include <signal.h>

#include "base/process.h"
#include "base/syscall.h"
#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

class Metadata : public World {
 protected:
  void SetUp() override {
    World::SetUp();
    if (IsSkipped()) return;
    const Fd program = sys::openPath(AIRLOCK_BINARY_DIR "/bin/airlock", O_RDONLY).value();
    service_.emplace(spawn({.executable = program,
                            .arguments = {"airlock", "--dir=" + engine_->data(), "metadata-service",
                                          "--listen-port=0"},
                            .environment = {},
                            .descriptors = {}})
                         .value());
    ASSERT_TRUE(eventually([&] { return exists(engine_->data() + "/run/metadata-svc.sock"); }));
    fetch(Who::Root);
  }
  void TearDown() override {
    service_.reset();
    World::TearDown();
  }
  // "200 BODY" of what the service answers at this URL.
  static std::string asked(const std::string& url) {
    return shell("curl -s -m 20 -w ' %{http_code}' " + url, {}).out;
  }
  std::optional<Child> service_;
};

constexpr const char* kAsk =
    " -- -c 'echo $AC_METADATA_URL; wget -qO- $AC_METADATA_URL/acMetadata/v1/pod/uuid; echo; "
    "wget -qO- $AC_METADATA_URL/acMetadata/v1/apps/busybox/image/id; echo'";

TEST_F(Metadata, TellsAPodWhoItIsWhereverItListens) {
  const std::string uuid = engine_->scratch("uuid");
  const auto said = lines(done(
      Who::Root, "run --net=host --mds-register --uuid-file-save=" + uuid + " " + kImage + kAsk));
  ASSERT_EQ(said.size(), 3U);
  EXPECT_EQ(said[0].find("http://127.0.0.1:"), 0U) << said[0];
  EXPECT_EQ(said[1], must("cat " + uuid));
  EXPECT_EQ(said[2].find("sha512-"), 0U) << said[2];
  EXPECT_EQ(asked(said[0] + "/acMetadata/v1/pod/uuid"), "unauthorized\n 401") << "the pod is over";
}

TEST_F(Metadata, TellsAPreparedPodWhoItIs) {
  const std::string pod =
      lines(done(Who::Root, std::string("prepare --quiet ") + kImage + kAsk)).back();
  const auto said = lines(done(Who::Root, "run-prepared --net=host --mds-register " + pod));
  ASSERT_EQ(said.size(), 3U);
  EXPECT_EQ(said[1], pod);
}

TEST_F(Metadata, ForgetsAPodWhoseCommandWasKilled) {
  const std::string url = engine_->scratch("url");
  const std::string pod =
      lines(
          done(Who::Root, "run --detach --net=host --mds-register --volume=out,kind=host,source=" +
                              engine_->scratch("root-home") + " " + kImage +
                              " --mount volume=out,target=/out -- -c "
                              "'echo $AC_METADATA_URL > /out/url; sleep 1000'"))
          .back();
  const std::string file = engine_->scratch("root-home") + "/url";
  ASSERT_TRUE(eventually([&] { return exists(file) && !must("cat " + file).empty(); }));
  const std::string mine = lines(must("cat " + file)).front() + "/acMetadata/v1/pod/uuid";
  EXPECT_EQ(asked(mine), pod + " 200");
  // The command that holds the pod, which has detached itself.
  const std::string holder = must("pgrep -f -- '--dir=" + engine_->data() + ".*[r]un --detach'");
  ASSERT_EQ(lines(holder).size(), 1U) << holder;
  ::kill(std::stoi(holder), SIGKILL);
  EXPECT_TRUE(eventually([&] { return asked(mine) == "unauthorized\n 401"; })) << asked(mine);
  done(Who::Root, "status --wait " + pod);
}

TEST_F(Metadata, WithoutAServiceAPodThatNeedsItIsNotStarted) {
  service_.reset();
  const Outcome failed =
      airlock(Who::Root, std::string("run --net=host --mds-register ") + kImage + kAsk);
  EXPECT_EQ(failed.code, 254);
  EXPECT_NE(failed.err.find("run: no metadata service can be reached: "), std::string::npos)
      << failed.err;
  EXPECT_EQ(done(Who::Root, "list --no-legend"), "") << "nothing is left of it";
}

}  // namespace
}  // namespace airlock::test
