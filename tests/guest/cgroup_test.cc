// SPDX-License-Identifier: Apache-2.0
// Limits and ends of pods by cgroup v2, with the controllers that a development machine lacks.
#include <gmock/gmock.h>

#include <chrono>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kHierarchy = "/sys/fs/cgroup";

std::uint64_t numberIn(const std::string& content, const std::string& key) {
  for (const std::string& line : lines(content)) {
    if (line.starts_with(key + " ")) return std::stoull(line.substr(key.size() + 1));
  }
  return 0;
}

class Cgroup : public Guest {
 protected:
  // A pod of root's in the background; its standard input never ends.
  struct Started {
    std::string uuid;
    std::string group;  // the path of its cgroup
    std::string file(const std::string& name) const { return readFile(group + "/" + name); }
  };
  static Started start(const std::string& image, const std::string& appArguments,
                       const std::string& before = "") {
    done(Who::Root, "rm -rf /run/cg; mkdir /run/cg; mkfifo /run/cg/in; " + before +
                        "\nsetsid airlock run --uuid-file-save=/run/cg/uuid " + image + " " +
                        appArguments + " <>/run/cg/in >/run/cg/out 2>/run/cg/err &");
    Started pod;
    if (!eventually([] { return !readFile("/run/cg/uuid").empty(); })) {
      ADD_FAILURE() << "no pod was started: " << readFile("/run/cg/err");
      return pod;
    }
    pod.uuid = readFile("/run/cg/uuid");
    while (pod.uuid.ends_with('\n')) pod.uuid.pop_back();
    EXPECT_TRUE(eventually([&] { return stateOf(pod.uuid) == "running"; }))
        << readFile("/run/cg/err");
    pod.group = must(std::string("find ") + kHierarchy + " -type d -name airlock-" + pod.uuid +
                     " | head -n1");
    while (pod.group.ends_with('\n')) pod.group.pop_back();
    EXPECT_FALSE(pod.group.empty());
    return pod;
  }
  static std::string stateOf(const std::string& uuid) {
    const std::string text = as(Who::Root, "airlock status " + uuid).out;
    return text.substr(0, text.find('\n')).substr(std::min<std::size_t>(6, text.size()));
  }
  static std::string groups() {
    return must(std::string("find ") + kHierarchy + " -type d -name 'airlock-*-*-*-*-*'");
  }
  static std::string app(const std::string& script) { return "-- -c '" + script + "'"; }
};

TEST_F(Cgroup, K16_AnAppThatRunsOutOfMemoryIsSaidToHave) {
  const std::string hog = "/bin/busybox dd if=/dev/zero of=/dev/null bs=256M count=1";
  const Outcome outcome =
      as(Who::Alice, "airlock run --uuid-file-save=/tmp/oom " + std::string(kGuestImage) +
                         " --memory=33554432 " + app(hog));
  EXPECT_EQ(outcome.code, 137) << outcome.err;
  EXPECT_THAT(outcome.err,
              HasSubstr("app \"busybox\" was killed: out of memory: its limit is 32 MiB"));
  const std::string status = done(Who::Alice, "airlock status $(cat /tmp/oom); rm /tmp/oom");
  EXPECT_THAT(status, HasSubstr("app-busybox=137\n"));
  EXPECT_THAT(status, HasSubstr("oom-killed=busybox\n"));
  EXPECT_THAT(status, ::testing::ContainsRegex("enforced=[a-z,]*memory"));
}

TEST_F(Cgroup, K16_AForkBombEndsAtItsLimitAndTheHostGoesOn) {
  const Started pod =
      start(kGuestImage, "--pids-limit=50 " + app("(while :; do sleep 1000 & done); read x"));
  EXPECT_TRUE(eventually([&] { return numberIn(pod.file("app-busybox/pids.events"), "max") > 0; }));
  EXPECT_EQ(pod.file("app-busybox/pids.max"), "50\n");
  EXPECT_LE(std::stoul(pod.file("app-busybox/pids.current")), 50U);
  const std::string list = done(Who::Alice, "airlock list");
  EXPECT_THAT(list, HasSubstr(pod.uuid.substr(0, 8)));
  // R03: what enters counts as well.
  EXPECT_NE(as(Who::Root, "airlock enter " + pod.uuid + " /bin/sleep 1000").code, 0);
  done(Who::Root, "airlock stop --force " + pod.uuid);
}

TEST_F(Cgroup, EveryPodHasALimitOfProcesses) {
  const Started pod = start(kGuestImage, app("read x"));
  EXPECT_EQ(pod.file("pids.max"), "4096\n");
  EXPECT_EQ(pod.file("init/cgroup.procs"),
            must("cut -d' ' -f1 /var/lib/airlock/pods/run/" + pod.uuid + "/pid"));
}

TEST_F(Cgroup, R03_WhatEntersIsInTheAppsGroup) {
  const Started pod = start(kGuestImage, app("read x"));
  const std::size_t before = lines(pod.file("app-busybox/cgroup.procs")).size();
  done(Who::Root,
       "setsid airlock enter " + pod.uuid + " /bin/sleep 1000 </dev/null >/dev/null 2>&1 &");
  // The entered process, and the one that watches it.
  EXPECT_TRUE(eventually([&] {
    return lines(pod.file("app-busybox/cgroup.procs")).size() == before + 2;
  })) << pod.file("app-busybox/cgroup.procs");
  EXPECT_EQ(done(Who::Root, "airlock enter " + pod.uuid + " /bin/grep ^0:: /proc/self/cgroup"),
            "0::/\n");
}

TEST_F(Cgroup, R16_AnAppIsInItsGroupFromItsFirstInstruction) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(done(Who::Root, "airlock run " + std::string(kGuestImage) +
                                  " --exec=/bin/grep -- ^0:: /proc/self/cgroup"),
              "0::/\n");
  }
}

TEST_F(Cgroup, AppsGetTheShareOfTheProcessorTheyMayHave) {
  const Started pod =
      start(kGuestImage, "--cpu=100m --cpu-shares=512 " + app("while :; do :; done"));
  EXPECT_EQ(pod.file("app-busybox/cpu.max"), "10000 100000\n");
  EXPECT_EQ(pod.file("app-busybox/cpu.weight"), "20\n");
  EXPECT_TRUE(
      eventually([&] { return numberIn(pod.file("app-busybox/cpu.stat"), "nr_throttled") > 0; }));
}

TEST_F(Cgroup, StatusTellsWhatAPodUses) {
  const Started pod = start(kGuestImage, app("read x"));
  const std::string status = done(Who::Alice, "airlock status " + pod.uuid);
  for (const char* key : {"memory-bytes=", "cpu-usec=", "processes="})
    EXPECT_THAT(status, HasSubstr(key));
  EXPECT_THAT(done(Who::Alice, "airlock status --format=json " + pod.uuid),
              HasSubstr("\"usage\":{"));
}

TEST_F(Cgroup, K24_TenThousandThreadsEndAtOnce) {
  done(Who::Root, "airlock fetch /run/fixture/probe.aci");
  writeFile("/etc/airlock/policy.d/11-threads.policy", "limit pids=12000\n");
  const Started pod = start("example.test/tools/probe:1", "--exec=/bin/probe -- threads 10000",
                            "sysctl -qw kernel.threads-max=40000; ulimit -p unlimited;");
  bool made = false;
  for (int i = 0; i < 9 && !made; ++i)
    made = eventually([] { return readFile("/run/cg/out").contains(" threads"); });
  EXPECT_EQ(readFile("/run/cg/out"), "10000 threads\n") << readFile("/run/cg/err");
  EXPECT_GE(std::stoul(pod.file("pids.current")), 10'000U);
  const auto begin = std::chrono::steady_clock::now();
  done(Who::Root, "airlock stop --force " + pod.uuid);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  // An emulated processor: the time is told, and that it came to an end is what is asserted.
  std::printf("10,000 threads ended in %.2f s\n", took.count());
  RecordProperty("seconds", std::to_string(took.count()));
  EXPECT_EQ(stateOf(pod.uuid), "exited");
  std::remove("/etc/airlock/policy.d/11-threads.policy");
}

TEST_F(Cgroup, NothingOfAGroupIsLeftBehind) {
  const Started pod = start(kGuestImage, app("read x"));
  EXPECT_THAT(groups(), HasSubstr(pod.uuid));
  done(Who::Root, "airlock stop --force " + pod.uuid + "; airlock rm " + pod.uuid);
  EXPECT_THAT(groups(), Not(HasSubstr(pod.uuid)));
}

TEST_F(Cgroup, DoctorTellsTheControllers) {
  EXPECT_THAT(as(Who::Root, "airlock doctor").out,
              HasSubstr("cgroup: enforced: v2 with cpu memory pids"));
}

}  // namespace
}  // namespace airlock::test
