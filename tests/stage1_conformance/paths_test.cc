// SPDX-License-Identifier: Apache-2.0
// What an app sees: its root, /proc, /sys, /dev, volumes; and what a hostile image cannot make of
// them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "base/syscall.h"
#include "tests/stage1_conformance/launcher.h"

namespace airlock::conformance {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Paths : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const auto need = missingNeed()) GTEST_SKIP() << *need;
  }
};

std::string failureOf(PodRequest request) {
  Stage1 pod = runPod(std::move(request));
  const ipc::LeashEvent* failed = pod.event(ipc::LeashEvent::Kind::Failed);
  return failed == nullptr ? "it ran: " + pod.output : failed->text;
}

AppName name(const char* text) { return AppName::parse(text).value(); }

// A volume "data" mounted at `target` of the first app.
PodRequest withVolume(const std::string& script, const std::string& target, bool readOnly = false) {
  PodRequest request = shellPod(script);
  ipc::VolumeSpec volume{.name = name("data")};
  volume.kind = ipc::VolumeKind::Host;
  volume.source = "/somewhere";
  request.spec.volumes.push_back(volume);
  request.spec.apps[0].mounts.push_back({name("data"), target, readOnly});
  request.volumes.push_back(emptyMount());
  return request;
}

TEST_F(Paths, P05_WhatIsCoveredReadsAsNothingAndWhatIsFixedCannotBeWritten) {
  std::ifstream golden(AIRLOCK_SOURCE_DIR "/tests/stage1_conformance/covered_paths.golden");
  std::string script;
  for (std::string line; std::getline(golden, line);) {
    std::istringstream words(line);
    std::string kind, path;
    words >> kind >> path;
    if (kind == "empty") {
      script += "if [ -d " + path + " ]; then [ -z \"$(ls -A " + path + ")\" ] || echo BAD " +
                path + "; touch " + path + "/x 2>/dev/null && echo WRITE " + path + "; elif [ -e " +
                path + " ]; then [ -z \"$(head -c 1 " + path + " 2>/dev/null)\" ] || echo BAD " +
                path + "; fi\n";
    } else if (kind == "fixed") {
      script += "if [ -d " + path + " ]; then touch " + path + "/x 2>/dev/null && echo BAD " +
                path + "; elif [ -e " + path + " ]; then (cat " + path + " > " + path +
                ") 2>/dev/null && echo BAD " + path + "; fi\n";
    }
  }
  ASSERT_GT(script.size(), 1000U);
  Stage1 pod = runPod(shellPod(script + "echo end"));
  EXPECT_EQ(pod.output, "end\n");
}

TEST_F(Paths, P05_CoversAreTheSameInEveryApp) {
  PodRequest request = shellPod("true");
  request.spec.apps.push_back(shellApp("second", "cat /proc/self/mountinfo"));
  request.roots.emplace_back();
  Stage1 pod = runPod(std::move(request));
  for (const char* path :
       {" /proc/timer_list ", " /proc/sys ro,", " /sys/firmware ro,", " /dev/shm "}) {
    EXPECT_THAT(pod.output, HasSubstr(path));
  }
}

TEST_F(Paths, NothingOfTheHostIsInTheMountTable) {
  Stage1 pod = runPod(shellPod("cut -d' ' -f5 /proc/self/mountinfo"));
  std::istringstream lines(pod.output);
  for (std::string line; std::getline(lines, line);) {
    const bool known = line == "/" || line.starts_with("/proc") || line.starts_with("/sys") ||
                       line.starts_with("/dev");
    EXPECT_TRUE(known) << line;
  }
  EXPECT_THAT(runPod(shellPod("ls / /apps /volumes")).output, Not(HasSubstr("filters")));
}

TEST_F(Paths, P02_DevIsOursWhateverTheImageHas) {
  PodRequest request = shellPod("echo x > /dev/null; stat -c '%F %t %T' /dev/null; ls /dev");
  request.roots[0]
      .directory("/dev")
      .link("/dev/null", "/proc/sys/kernel/core_pattern")
      .file("/dev/sda", "x");
  Stage1 pod = runPod(std::move(request));
  EXPECT_THAT(pod.output, HasSubstr("character special file 1 3\n"));
  EXPECT_THAT(pod.output, Not(HasSubstr("sda")));
}

TEST_F(Paths, P02_P04_ALinkInPlaceOfAKernelViewIsRefused) {
  for (const char* path : {"/dev", "/proc", "/sys"}) {
    PodRequest request = shellPod("true");
    request.roots[0].directory("/elsewhere").link(path, "/elsewhere");
    EXPECT_THAT(failureOf(std::move(request)),
                HasSubstr(std::string(path) + " of the image is not a directory"));
  }
}

TEST_F(Paths, P04_L01_WhatCannotBeLabelledDoesNotStart) {
  // A label that no policy knows, and that a kernel without SELinux cannot take.
  PodRequest request = shellPod("echo ran");
  request.spec.selinuxProcess = "system_u:system_r:airlock_no_such_t:s0:c1,c2";
  EXPECT_THAT(failureOf(std::move(request)), HasSubstr("set its SELinux label"));
}

TEST_F(Paths, P04_NoVolumeCoversAKernelView) {
  for (const char* target : {"/proc", "/proc/self", "/proc/sys/kernel", "/sys", "/sys/fs/cgroup",
                             "/dev", "/dev/pts", "/", "/link/self", "/etc/../proc"}) {
    PodRequest request = withVolume("true", target);
    request.roots[0].link("/link", "/proc");
    EXPECT_THAT(failureOf(std::move(request)), HasSubstr("mount")) << target;
  }
}

TEST_F(Paths, K17_OnlyHarmlessDevicesExist) {
  Stage1 pod = runPod(shellPod("ls -A /dev"));
  EXPECT_EQ(pod.output,
            "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nuran"
            "dom\nzero\n");
}

TEST_F(Paths, P08_NoCgroupFileSystemIsVisible) {
  Stage1 pod = runPod(shellPod("ls -A /sys/fs; cat /proc/self/cgroup | head -n 1 | cut -d: -f3"));
  EXPECT_THAT(pod.output, HasSubstr("/"));
}

TEST_F(Paths, P10_MissingFilesAreMadeAndNoLinkIsFollowed) {
  Stage1 plain = runPod(shellPod("cat /etc/hostname; stat -c %a /tmp; test -d /run && echo run"));
  EXPECT_THAT(plain.output, HasSubstr("airlock-"));
  EXPECT_THAT(plain.output, HasSubstr("\n1777\nrun\n"));
  PodRequest request = shellPod("cat /etc/hosts; ls /target 2>/dev/null; readlink /etc/hostname");
  request.roots[0].file("/etc/hosts", "mine\n").link("/etc/hostname", "/target");
  EXPECT_EQ(runPod(std::move(request)).output, "mine\n/target\n");
  request = shellPod("ls /escaped");
  request.roots[0].remove("/etc").link("/etc", "../../../../escaped").directory("/escaped");
  EXPECT_EQ(runPod(std::move(request)).output, "hostname\nhosts\n");
}

TEST_F(Paths, AVolumeIsMountedWithoutSetuidAndDevices) {
  Stage1 pod = runPod(withVolume(
      "echo kept > /data/sub/file; cat /data/sub/file; grep ' /data/sub ' /proc/self/mountinfo",
      "/data/sub"));
  EXPECT_THAT(pod.output, HasSubstr("kept\n"));
  EXPECT_THAT(pod.output, HasSubstr("nosuid,nodev"));
}

TEST_F(Paths, AReadOnlyVolumeStaysSo) {
  Stage1 pod = runPod(
      withVolume("touch /data/file || echo refused; mount -o remount,rw /data || echo refused",
                 "/data", true));
  EXPECT_EQ(pod.output, "refused\nrefused\n");
}

TEST_F(Paths, AnEmptyVolumeBeginsAsWhatTheImageHasThere) {
  const std::string show = "cd /data; stat -c '%n %F %a' * sub/*; readlink link; cat sub/file";
  for (const bool empty : {true, false}) {
    PodRequest request = withVolume(show, "/data");
    if (empty) request.spec.volumes[0].kind = ipc::VolumeKind::Empty;
    request.roots[0]
        .directory("/data")
        .directory("/data/sub")
        .file("/data/sub/file", "kept\n")
        .link("/data/link", "../../etc/passwd");
    const std::string output = runPod(std::move(request)).output;
    EXPECT_EQ(output.find("kept\n") != output.npos, empty) << output;
    EXPECT_EQ(output.find("../../etc/passwd\n") != output.npos, empty) << output;
  }
}

TEST_F(Paths, ResolvConfAndHostsAreWhatTheSpecSays) {
  using Rule = ipc::GivenFile::Rule;
  const auto shown = [](const ipc::GivenFile& resolvConf, const ipc::GivenFile& hosts) {
    PodRequest request = shellPod("cat /etc/resolv.conf /etc/hosts; cat /outside");
    request.spec.hostname = "h";
    request.spec.resolvConf = resolvConf;
    request.spec.hosts = hosts;
    request.roots[0]
        .file("/etc/resolv.conf", "image\n")
        .file("/outside", "outside\n")
        .link("/etc/hosts", "../outside");
    return runPod(std::move(request)).output;
  };
  EXPECT_EQ(shown({}, {}), "image\noutside\noutside\n");
  EXPECT_EQ(shown({Rule::None, ""}, {Rule::None, ""}), "image\noutside\noutside\n");
  // A link is replaced, not followed.
  EXPECT_EQ(shown({Rule::Replace, "ours\n"}, {Rule::Replace, "hosts\n"}), "ours\nhosts\noutside\n");
  EXPECT_EQ(shown({Rule::None, ""}, {Rule::Add, "192.0.2.1\tx\n"}),
            "image\n127.0.0.1\tlocalhost h\n::1\tlocalhost ip6-localhost\n192.0.2.1\tx\n"
            "outside\n");
}

TEST_F(Paths, OneVolumeCanBeInTwoAppsAndTwoPlaces) {
  PodRequest request = withVolume(
      "echo shared > /data/file; until [ -e /data/ack ]; do sleep 0.02; done; cat /again/file",
      "/data");
  request.spec.apps[0].mounts.push_back({name("data"), "/again", true});
  request.spec.apps.push_back(shellApp(
      "second", "until [ -s /data/file ]; do sleep 0.02; done; cat /data/file; touch /data/ack"));
  request.spec.apps[1].mounts.push_back({name("data"), "/data", false});
  request.roots.emplace_back();
  EXPECT_EQ(runPod(std::move(request)).output, "shared\nshared\n");
}

TEST_F(Paths, LinksInATargetStayInsideTheRoot) {
  PodRequest request = withVolume("grep -c ' /real/dir/x ' /proc/self/mountinfo", "/way/x");
  request.roots[0].directory("/real").directory("/real/dir").link("/way", "../../../../real/dir");
  EXPECT_EQ(runPod(std::move(request)).output, "1\n");
}

TEST_F(Paths, AReadOnlyRootHasWritableVolumes) {
  PodRequest request = withVolume(
      "touch /x || echo refused; touch /etc/x || echo refused; touch /data/x && echo volume; "
      "echo > /dev/shm/x && echo shm",
      "/data");
  request.spec.apps[0].readOnlyRoot = true;
  EXPECT_EQ(runPod(std::move(request)).output, "refused\nrefused\nvolume\nshm\n");
}

TEST_F(Paths, AnOverlayIsARootToo) {
  char scratch[] = "/tmp/airlock-conformance-XXXXXX";
  ASSERT_NE(::mkdtemp(scratch), nullptr);
  for (const bool readOnly : {false, true}) {
    const std::string directory = std::string(scratch) + (readOnly ? "/ro" : "/rw");
    ASSERT_EQ(::mkdir(directory.c_str(), 0755), 0);
    PodRequest request = withVolume(
        "touch /etc/x && echo written; touch /data/x && echo volume; stat -c '%u %a' /tmp",
        "/data");
    request.roots[0].stack(directory);
    request.spec.apps[0].readOnlyRoot = readOnly;
    EXPECT_EQ(runPod(std::move(request)).output,
              readOnly ? "volume\n0 1777\n" : "written\nvolume\n0 1777\n");
  }
  Fd parent = sys::openPath("/tmp", O_RDONLY | O_DIRECTORY).value();
  EXPECT_TRUE(sys::removeTree(parent, Component::parse(scratch + 5).value()));
}

TEST_F(Paths, AppsDoNotSeeEachOthersRoots) {
  PodRequest request = shellPod("touch /first; ls /apps /proc/1/root/apps; sleep 0.2");
  request.spec.apps.push_back(shellApp("second", "sleep 0.1; ls /first /apps; ls /proc/1/root/"));
  request.roots.emplace_back();
  Stage1 pod = runPod(std::move(request));
  EXPECT_EQ(pod.output, "");
}

TEST_F(Paths, P12_NoMountReachesTheHost) {
  const auto table = [] {
    std::ifstream file("/proc/self/mountinfo");
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = table();
  Stage1 pod = startPod(withVolume("echo up; sleep 0.3", "/data"));
  EXPECT_EQ(pod.readLine(), "up");
  EXPECT_EQ(table(), before);
  pod.finish();
}

}  // namespace
}  // namespace airlock::conformance
