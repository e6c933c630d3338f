// SPDX-License-Identifier: Apache-2.0
// Pods as rkt's users know them from its pages, adapted in name only: on a terminal, from a pod
// manifest, collected, and by rkt's own name.
#include <gmock/gmock.h>

#include <regex>

#include "tests/e2e/world.h"
#include "tests/support/terminal.h"

namespace airlock::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class PodPages : public World {
 protected:
  void SetUp() override {
    World::SetUp();
    if (IsSkipped()) return;
    trust();
    home_ = engine_->scratch("root-home");
    must("ln -s " AIRLOCK_BINARY_DIR "/bin/airlock " + engine_->scratch("rkt"));
  }
  // In root's home, as `airlock` or by another name.
  std::string command(const std::string& arguments, const std::string& name = "") const {
    std::string text = name.empty() ? AIRLOCK_BINARY_DIR "/bin/airlock" : engine_->scratch(name);
    for (const std::string& path : engine_->pathArguments()) text += " " + path;
    return "cd " + home_ + " && exec " + text + " " + arguments;
  }
  // Its labels are those of kImage.
  std::string makeShellImage() {
    const std::string file = home_ + "/sh.aci";
    makeImage(
        file,
        {.name = "example.test/tools/busybox-sh",
         .prepare = "mkdir -p rootfs/etc rootfs/root; ln -s busybox "
                    "rootfs/bin/uname; echo 'root:x:0:0:root:/root:/bin/sh' > "
                    "rootfs/etc/passwd; printf 'NAME=\"Busybox Linux\"\\nID=busybox\\n' > "
                    "rootfs/etc/os-release",
         .manifest = R"({"acKind":"ImageManifest","acVersion":"0.8.11",)"
                     R"("name":"example.test/tools/busybox-sh","labels":[)"
                     R"({"name":"version","value":"1.35"},{"name":"os","value":"linux"},)"
                     R"({"name":"arch","value":"amd64"}],"app":{"exec":["/bin/sh","-c","/bin/sh"],)"
                     R"("user":"0","group":"0"}})"});
    site_->signer().sign(file);
    return file;
  }
  // Of the pod that runs, once one does.
  std::string running() {
    std::string pod;
    EXPECT_TRUE(eventually([&] {
      const std::string listed = done(Who::Root, "list --full --no-legend");
      pod = listed.substr(0, 36);
      return listed.find("\trunning\t") != listed.npos;
    }));
    return pod;
  }
  std::string home_;
};

TEST_F(PodPages, AnInteractiveShellIsTheImagesOwnAndLeavesNothing) {
  done(Who::Root, "fetch " + makeShellImage());
  OnTerminal shell(command("run --interactive example.test/tools/busybox-sh -- /bin/sh"));
  ASSERT_TRUE(shell.says("/ # ")) << shell.text();
  EXPECT_THAT(shell.text(), testing::StartsWith("airlock: using image from local store for image "
                                                "name example.test/tools/busybox-sh\n"));
  shell.type("ps\r");
  // PID 1 is ours, then there are the app and what was typed; nothing of the host.
  ASSERT_TRUE(shell.says("\n/ # ")) << shell.text();
  EXPECT_TRUE(std::regex_search(
      shell.text(), std::regex("/ # ps\nPID +USER +(TIME +)?COMMAND\n +1 root +.*airlock-stage1.*\n"
                               "( +[0-9]+ root +.*/bin/sh.*\n)+/ # $")))
      << shell.text();
  shell.type("ls /\r");
  ASSERT_TRUE(shell.says("sys")) << shell.text();
  shell.type("cat /etc/os-release; uname -n\r");
  const std::string pod = running();
  ASSERT_TRUE(shell.says("NAME=\"Busybox Linux\"\nID=busybox\nairlock-" + pod + "\n"))
      << shell.text();
  shell.type("exit 3\r");
  EXPECT_EQ(shell.wait(), 3);
}

TEST_F(PodPages, ALocalFileRunsWithItsSignatureUntilTheEscapeIsTyped) {
  must("mkdir " + home_ + "/imgs");
  const std::string file = home_ + "/imgs/pauser.aci";
  makeImage(file, {.name = "example.test/tools/pauser"});
  const std::string run = command("run imgs/pauser.aci --exec=/bin/sleep -- 1000");
  EXPECT_THAT(shell(run).err, HasSubstr("error opening signature file: open " + file +
                                        ".asc: no such file or directory"));
  site_->signer().sign(file);
  OnTerminal pauser(run);
  const std::string pod = running();
  pauser.type("\x1d\x1d\x1d");
  EXPECT_EQ(pauser.wait(), 137);
  EXPECT_EQ(pauser.text(),
            "airlock: signature verified:\n  Test Signer <signer@example.test>\n"
            "^]^]^]Container airlock-" +
                pod + " terminated by signal KILL.\n");
}

TEST_F(PodPages, TheEscapeEndsAnInteractivePodToo) {
  done(Who::Root, "fetch " + makeShellImage());
  OnTerminal shell(command("run --interactive example.test/tools/busybox-sh", "rkt"));
  ASSERT_TRUE(shell.says("/ # ")) << shell.text();
  const std::string pod = running();
  shell.type("\x1d\x1d\x1d");
  EXPECT_EQ(shell.wait(), 137);
  EXPECT_THAT(shell.text(), HasSubstr("Container rkt-" + pod + " terminated by signal KILL.\n"));
}

TEST_F(PodPages, APodInTheBackgroundLeavesTheTerminalAlone) {
  fetch(Who::Root);
  // A shell with job control, as people have it.
  OnTerminal terminal("exec /bin/bash --norc --noprofile -i");
  terminal.type("PS1='here> '\r");
  ASSERT_TRUE(terminal.says("\nhere> ")) << terminal.text();
  terminal.type("(" + command(std::string("run ") + kImage + " --exec=/bin/sleep -- 1000") +
                ") &\r");
  const std::string pod = running();
  terminal.type("echo typed $((1+1)); stty -a | grep -c -- -icanon; jobs\r");
  EXPECT_TRUE(terminal.says("typed 2\n")) << terminal.text();
  EXPECT_TRUE(terminal.says("Running")) << terminal.text();
  EXPECT_EQ(terminal.text().find("Stopped"), std::string::npos) << terminal.text();
  done(Who::Root, "stop " + pod);
  terminal.type("wait; exit\r");
  terminal.wait();
}

TEST_F(PodPages, APodManifestIsTheWholeTruth) {
  fetch(Who::Root);
  const std::string id =
      done(Who::Root, "image list --no-legend --full --fields=id").substr(0, 135);
  const std::string manifest = home_ + "/pod.json";
  const auto app = [&](const char* name, const char* says) {
    return std::string(R"({"name":")") + name + R"(","image":{"id":")" + id +
           R"("},"app":{"exec":["/bin/sh","-c",")" + says + R"("],"user":"0","group":"0"}})";
  };
  writeFile(manifest, R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[)" +
                          app("one", "echo from one") + "," + app("two", "echo from two; exit 4") +
                          "]}");
  const Outcome ran = airlock(Who::Root, "run --pod-manifest=" + manifest);
  EXPECT_EQ(ran.code, 4) << ran.err;
  EXPECT_THAT(lines(ran.out), testing::UnorderedElementsAre("from one", "from two"));
  for (const std::string flag :
       {"--volume=v,kind=empty", "--port=http:8888", "--set-env=A=b", "--inherit-env", kImage}) {
    for (const char* verb : {"run", "prepare"}) {
      const Outcome refused =
          airlock(Who::Root, std::string(verb) + " --pod-manifest=" + manifest + " " + flag);
      EXPECT_EQ(refused.code, 254) << flag;
      EXPECT_EQ(refused.err,
                std::string(verb) + ": conflicting flags set with --pod-manifest (see --help)\n")
          << flag;
    }
  }
  const std::string pod =
      lines(done(Who::Root, "prepare --quiet --pod-manifest=" + manifest)).back();
  EXPECT_EQ(airlock(Who::Root, "run-prepared " + pod).code, 4);
}

TEST_F(PodPages, CollectingTellsWhatItDidAndWhatHasToWait) {
  fetch(Who::Root);
  std::vector<std::string> moving;
  std::vector<std::string> waiting;
  std::vector<std::string> collecting;
  for (int i = 0; i < 3; ++i) done(Who::Root, std::string("run ") + kImage + " --exec=/bin/true");
  for (const std::string& line : lines(done(Who::Root, "list --full --no-legend"))) {
    const std::string pod = "\"" + line.substr(0, 36) + "\"";
    moving.push_back("Moving pod " + pod + " to garbage");
    waiting.push_back("Pod " + pod + " not removed: still within grace period (30m0s)");
    collecting.push_back("Garbage collecting pod " + pod);
  }
  ASSERT_EQ(moving.size(), 3U);
  moving.insert(moving.end(), waiting.begin(), waiting.end());
  const Outcome marked = airlock(Who::Root, "gc");
  EXPECT_EQ(lines(marked.err), moving);
  EXPECT_EQ(marked.out, "");
  const Outcome collected = airlock(Who::Root, "gc --grace-period=0");
  EXPECT_EQ(lines(collected.out), collecting);
  EXPECT_EQ(collected.err, "");
  EXPECT_EQ(done(Who::Root, "list"), "UUID\tAPP\tIMAGE NAME\tSTATE\tCREATED\tSTARTED\tNETWORKS\n");
}

TEST_F(PodPages, CalledRktItUsesRktsNames) {
  fetch(Who::Root);
  const std::string uuid = home_ + "/uuid";
  const Outcome ran = shell(command(
      std::string("run --uuid-file-save=") + uuid + " " + kImage + " --exec=/bin/hostname", "rkt"));
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "rkt-" + readFile(uuid) + "\n");
  EXPECT_EQ(ran.err,
            std::string("rkt: using image from local store for image name ") + kImage + "\n");
  EXPECT_THAT(
      lines(shell(command("trust key.asc", "rkt")).err),
      ElementsAre("trust: aborting due to implicit unbounded trust (root domain); please "
                  "specify --prefix or --root",
                  "To trust a key for images of one name, and of all names below it:",
                  "    rkt trust --prefix=example.com/foo [PUBKEY]",
                  "To trust it for every image (not recommended):", "    rkt trust --root PUBKEY"));
  EXPECT_THAT(shell(command("status 00000000-0000-0000-0000-000000000000", "rkt")).err,
              HasSubstr("status: problem retrieving pod: no matches found for "
                        "\"00000000-0000-0000-0000-000000000000\""));
}

}  // namespace
}  // namespace airlock::test
