// SPDX-License-Identifier: Apache-2.0
// Images that buildah and podman have made, and ours in their hands.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "tests/support/engine.h"
#include "tests/support/shell.h"

namespace airlock::test {
namespace {

constexpr const char* kProgram = AIRLOCK_BINARY_DIR "/bin/airlock";

class Producers : public ::testing::Test {
 protected:
  void SetUp() override {
    AIRLOCK_NEEDS_ROOT();
    for (const char* program : {"/usr/bin/buildah", "/usr/bin/podman"})
      if (!exists(program)) GTEST_SKIP() << "needs " << program;
    engine_ = std::make_unique<Engine>();
    engine_->policy("10-unsigned.policy",
                    "allow root * image=localhost signer=any insecure=image\n"
                    "allow root * image=registry-1.docker.io signer=any insecure=image\n");
  }
  void TearDown() override {
    // Their storage has mounts while it is used.
    if (engine_)
      static_cast<void>(shell("umount -R " + path("storage/*/overlay") + " 2>/dev/null"));
  }
  std::string path(const std::string& name) const { return engine_->scratch(name); }
  std::string with(const std::string& program) const {
    const std::string top = path("storage/" + program);
    return program + " --root " + top + " --runroot " + top + "-run --storage-driver vfs ";
  }
  // Two layers by buildah; /bin/sh is what runs.
  void build(const std::string& config, const std::string& target) const {
    must("{ cd " + path("") +
         "; mkdir -p context/bin; cp /bin/busybox context/bin\n"
         "for a in sh cat sleep; do ln -sf busybox context/bin/$a; done; echo built > made\n"
         "c=$(" +
         with("buildah") + "from scratch); " + with("buildah") + "copy -q $c context /; " +
         with("buildah") + "config " + config + " $c; " + with("buildah") +
         "commit -q $c localhost/made:1; n=$(" + with("buildah") + "from localhost/made:1); " +
         with("buildah") + "copy -q $n made /made; " + with("buildah") + "commit -q $n " + target +
         "; } 2>&1");
  }
  Outcome airlock(const std::string& arguments) const {
    std::string command = kProgram;
    for (const std::string& option : engine_->pathArguments()) command += " " + option;
    return shell(command + " --insecure-options=image " + arguments,
                 {.environment = {"HOME=" + path("home")}});
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(Producers, WhatBuildahCommitsRuns) {
  build("--entrypoint '[\"/bin/cat\"]' --cmd /made", "oci:" + path("layout:1"));
  must("chmod -R a+rX " + path("layout"));
  const Outcome ran = airlock("run oci:" + path("layout") + ":1");
  EXPECT_EQ(ran.out, "built\n") << ran.err;
}

TEST_F(Producers, WhatPodmanSavesRunsAndWhatWeExportIsLoaded) {
  build("--entrypoint '[\"/bin/cat\"]' --cmd /made",
        "docker-archive:" + path("first.tar:team/b:1"));
  must(with("podman") + "load -q -i " + path("first.tar") + "; " + with("podman") +
       "save -q --format oci-archive -o " + path("saved.tar") + " docker.io/team/b:1; chmod a+r " +
       path("saved.tar"));
  const Outcome ran = airlock("run oci-archive:" + path("saved.tar"));
  ASSERT_EQ(ran.out, "built\n") << ran.err;
  const auto images = engine_->images();
  ASSERT_EQ(images.size(), 1U);
  const Outcome exported =
      airlock("image export " + images[0].image.text() + " " + path("out.tar"));
  ASSERT_EQ(exported.code, 0) << exported.err;
  must(with("podman") + "rmi -af; " + with("podman") + "load -q -i " + path("out.tar"));
  EXPECT_NE(must(with("podman") + "images --digests").find(images[0].image.hex()),
            std::string::npos);
}

TEST_F(Producers, TheStopSignalOfAnImageIsWhatStopsIt) {
  build(
      R"(--stop-signal SIGQUIT --entrypoint '["/bin/sh","-c","trap \"echo quit; exit 7\" QUIT; echo up; while :; do sleep 1; done"]')",
      "oci:" + path("layout:1"));
  must("chmod -R a+rX " + path("layout"));
  std::string command = kProgram;
  for (const std::string& option : engine_->pathArguments()) command += " " + option;
  const Outcome stopped =
      shell(command + " --insecure-options=image run --uuid-file-save=" + path("uuid") +
                " oci:" + path("layout") + ":1 > " + path("printed") +
                " & pod=$!; until grep -q up " + path("printed") + "; do sleep 0.1; done; " +
                command + " stop --uuid-file=" + path("uuid") +
                "; wait $pod || echo code $?; cat " + path("printed"),
            {.environment = {"HOME=" + path("home")}});
  EXPECT_NE(stopped.out.find("code 7\nup\nquit\n"), std::string::npos)
      << stopped.out << stopped.err;
}

}  // namespace
}  // namespace airlock::test
