// SPDX-License-Identifier: Apache-2.0
// Pods without a terminal: detached, read, attached to, exported.
#include <regex>

#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

class Streams : public World, public ::testing::WithParamInterface<Who> {
 protected:
  // A pod that goes on by itself; returns its UUID.
  std::string detached(const std::string& words) {
    const std::string printed = done(GetParam(), "run --detach " + words);
    EXPECT_TRUE(std::regex_match(printed, std::regex("[0-9a-f-]{36}\n"))) << printed;
    return printed.substr(0, 36);
  }
  std::string logOf(const std::string& pod, const std::string& flags = "") {
    return done(GetParam(), "logs " + flags + " " + pod);
  }
  bool logHas(const std::string& pod, const std::string& words) {
    return eventually([&] { return logOf(pod).find(words) != std::string::npos; });
  }
};
INSTANTIATE_TEST_SUITE_P(As, Streams, ::testing::Values(Who::Root, Who::Alice),
                         [](const auto& one) {
                           return std::string(one.param == Who::Root ? "Root" : "Alice");
                         });

TEST_P(Streams, ADetachedPodLogsUntilItIsRemoved) {
  fetch(GetParam());
  const std::string pod = detached(std::string(kImage) +
                                   " --name=one -- -c 'echo hello; echo oops >&2; "
                                   "sleep 1000' --- " +
                                   kImage + " --name=two -- -c 'echo from two; sleep 1000'");
  EXPECT_NE(done(GetParam(), "status " + pod).find("state=running"), std::string::npos);
  EXPECT_TRUE(logHas(pod, ": hello\n") && logHas(pod, ": oops\n") && logHas(pod, ": from two\n"));
  const std::regex line(R"(\[ *[0-9]+\.[0-9]{6}\] (one|two)\[[0-9]+\]: [a-z ]+)");
  for (const std::string& each : lines(logOf(pod)))
    EXPECT_TRUE(std::regex_match(each, line)) << each;
  EXPECT_EQ(logOf(pod, "--plain --app=two"), "from two\n");
  EXPECT_TRUE(std::regex_match(logOf(pod, "--no-timestamps --app=two"),
                               std::regex(R"(two\[[0-9]+\]: from two\n)")));
  EXPECT_EQ(airlock(GetParam(), "logs --app=three " + pod).code, 254);
  EXPECT_NE(airlock(Who::Stranger, "logs " + pod).code, 0) << "they are its owner's";

  const Outcome entered = airlock(GetParam(), "enter " + pod + " /bin/true");
  EXPECT_EQ(entered.code, 254);
  EXPECT_NE(entered.err.find("enter: pod contains multiple apps:\nenter: \tone\nenter: \ttwo\n"
                             "enter: unable to determine app name"),
            std::string::npos)
      << entered.err;
  EXPECT_NE(airlock(GetParam(), "enter --app=two " + pod)
                .err.find("enter: no command specified, assuming \"/bin/bash\"\n"),
            std::string::npos);

  done(GetParam(), "stop " + pod);
  EXPECT_NE(airlock(GetParam(), "enter --app=two " + pod)
                .err.find("pod \"" + pod + "\" isn't currently running"),
            std::string::npos);
  const std::string status = done(GetParam(), "status --wait " + pod);
  EXPECT_NE(status.find("state=exited"), std::string::npos) << status;
  EXPECT_NE(status.find("app-one=143"), std::string::npos) << status;
  EXPECT_TRUE(logHas(pod, ": hello\n"));
  EXPECT_NE(logOf(pod, "-f").find(": hello\n"), std::string::npos) << "it ends, as the pod has";
  done(GetParam(), "rm " + pod);
}

TEST_P(Streams, ADetachedStartThatFailsSaysWhy) {
  fetch(GetParam());
  const Outcome failed =
      airlock(GetParam(), std::string("run --detach ") + kImage + " --exec=/nothing");
  EXPECT_EQ(failed.code, 254);
  EXPECT_EQ(failed.out, "");
  EXPECT_NE(failed.err.find("/nothing"), std::string::npos) << failed.err;
}

TEST_P(Streams, AttachReadsAndTypes) {
  fetch(GetParam());
  const std::string pod = detached(std::string(kImage) +
                                   " --stdin=stream --stdout=stream -- -c "
                                   "'while read l; do echo got $l; done; exit 3'");
  EXPECT_EQ(done(GetParam(), "attach --mode=list " + pod), "stdin\nstdout\n");
  EXPECT_NE(airlock(GetParam(), "attach --mode=tty " + pod).err.find("not available"),
            std::string::npos);
  EXPECT_NE(airlock(GetParam(), "attach --mode=x " + pod).err.find("invalid attach mode"),
            std::string::npos);
  EXPECT_EQ(airlock(Who::Stranger, "attach --mode=stdout " + pod).code, 254);
  const std::string typed = engine_->scratch("typed");
  must("echo hi there > " + typed);
  const Outcome attached = airlock(GetParam(), "attach --mode=stdin,stdout " + pod + " < " + typed);
  EXPECT_EQ(attached.code, 0) << attached.err;
  EXPECT_EQ(attached.out, "got hi there\n");
  const std::string status = done(GetParam(), "status --wait " + pod);
  EXPECT_NE(status.find("app-busybox=3"), std::string::npos) << status;
  EXPECT_NE(airlock(GetParam(), "attach " + pod).err.find("isn't currently running"),
            std::string::npos);
}

TEST_P(Streams, WhatAnAppLeftIsAnImageAgain) {
  fetch(GetParam());
  done(GetParam(), std::string("run ") + kImage +
                       " -- -c 'echo kept > /kept; chown 1000:7 /kept; chmod 600 /kept; "
                       "ln /kept /again; rm /bin/wget; ln -s kept /link'");
  const std::string pod = lines(done(GetParam(), "list --no-legend --full"))[0].substr(0, 36);
  const std::string home =
      engine_->scratch(GetParam() == Who::Root ? "root-home" : "home") + "/left.aci";
  EXPECT_NE(airlock(GetParam(), "export " + pod + " " + home + ".tar")
                .err.find("extension must be .aci (given .tar)"),
            std::string::npos);
  done(GetParam(), "export " + pod + " " + home);
  EXPECT_NE(airlock(GetParam(), "export " + pod + " " + home).err.find("already exists"),
            std::string::npos);
  done(GetParam(), "export --overwrite " + pod + " " + home);
  EXPECT_EQ(
      airlock(Who::Stranger, "export " + pod + " " + engine_->scratch("other") + "/x.aci").code,
      254);
  const std::string listed = must("tar --numeric-owner -tvzf " + home);
  EXPECT_TRUE(
      std::regex_search(listed, std::regex("-rw------- 1000/7 +5 .* rootfs/(kept|again)\n")))
      << listed;
  EXPECT_EQ(listed.find("/bin/wget"), std::string::npos);
  EXPECT_NE(listed.find("rootfs/link -> kept"), std::string::npos);
  done(GetParam(), "rm " + pod);
  // Of a signed name only what is signed may be in the store with it (decision 0018).
  done(GetParam(), std::string("image rm ") + kImage);
  const Outcome again =
      airlock(Who::Root, "--insecure-options=image run " + home +
                             " --exec=/bin/sh -- -c 'cat /kept /again; stat -c %u:%g:%a /kept'");
  EXPECT_EQ(again.out, "kept\nkept\n1000:7:600\n") << again.err;
}

TEST_P(Streams, WhatIsLeftOfAPodOutlivesItsImage) {
  fetch(GetParam());
  const std::string pod = detached(std::string(kImage) + " -- -c 'echo hello; exit 3'");
  EXPECT_NE(done(GetParam(), "status --wait " + pod).find("app-busybox=3"), std::string::npos);
  EXPECT_TRUE(logHas(pod, ": hello\n"));
  done(GetParam(), std::string("image rm ") + kImage);
  EXPECT_EQ(done(GetParam(), "image list --no-legend"), "");
  EXPECT_TRUE(logHas(pod, ": hello\n"));
  EXPECT_NE(done(GetParam(), "status " + pod).find(" signer=unknown (no longer in the store)\n"),
            std::string::npos);
  EXPECT_NE(done(GetParam(), "list").find(kImage), std::string::npos);
  EXPECT_NE(done(GetParam(), "cat-manifest " + pod).find("sha512-"), std::string::npos);
  const Outcome exported =
      airlock(GetParam(), "export " + pod + " " +
                              engine_->scratch(GetParam() == Who::Root ? "root-home" : "home") +
                              "/gone.aci");
  EXPECT_EQ(exported.code, 254);
  EXPECT_NE(exported.err.find("of the pod is not in the store any more"), std::string::npos)
      << exported.err;
  EXPECT_EQ(lines(exported.err).size(), 1U) << exported.err;
  done(GetParam(), "rm " + pod);
}

}  // namespace
}  // namespace airlock::test
