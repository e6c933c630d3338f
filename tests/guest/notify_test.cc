// SPDX-License-Identifier: Apache-2.0
// Units of a real systemd around a pod: readiness, sockets, the journal.
#include <gmock/gmock.h>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

constexpr const char* kSaveUuid = "--uuid-file-save=/run/pod.uuid ";
constexpr const char* kProbe = "example.test/tools/probe:1.35";

class Unit : public Guest {
 protected:
  static void SetUpTestSuite() {
    Guest::SetUpTestSuite();
    import({.name = "example.test/tools/probe",
            .prepare = "cp /tests/stage1_probe rootfs/bin/probe; chmod 755 rootfs/bin/probe",
            .manifest = R"({"acKind":"ImageManifest","acVersion":"0.8.11",)"
                        R"("name":"example.test/tools/probe","labels":[)"
                        R"({"name":"version","value":"1.35"},{"name":"os","value":"linux"},)"
                        R"({"name":"arch","value":"amd64"}],"app":{"exec":["/bin/sh"],)"
                        R"("user":"0","group":"0","ports":[)"
                        R"({"name":"http","protocol":"tcp","port":8080,"socketActivated":true}]},)"
                        R"("annotations":[)"
                        R"({"name":"appc.io/executor/supports-systemd-notify","value":"true"}]})"});
  }
  void TearDown() override {
    if (HasFailure())
      std::puts(must("journalctl -b --no-pager -u pod.service | tail -n 40").c_str());
    must(
        "systemctl stop pod.socket pod.service 2>/dev/null || true; systemctl reset-failed; "
        "rm -f /run/systemd/system/pod.* /run/pod.uuid; systemctl daemon-reload");
    Guest::TearDown();
  }
  static void unit(const std::string& name, const std::string& text) {
    writeFile("/run/systemd/system/" + name, text);
    // As one below /etc has it: machined asks for the states of units by it.
    must("chcon -t systemd_unit_t /run/systemd/system/" + name + "; systemctl daemon-reload");
  }
  static std::string property(const std::string& name) {
    return must("systemctl show --value -p " + name + " pod.service").substr(0, 32);
  }
  // Of a unit whose airlock is called with kSaveUuid.
  static std::string runningPod() {
    return exists("/run/pod.uuid") ? readFile("/run/pod.uuid").substr(0, 36) : "";
  }
  // With pauses: what is asked starts programs, and the guest is slow.
  template <class Condition>
  static bool soon(Condition done) {
    for (int i = 0; i < 60; ++i) {
      if (done()) return true;
      must("sleep 1");
    }
    return false;
  }
  static std::string journal(const std::string& arguments) {
    must("journalctl --sync");
    return as(Who::Root, "journalctl --no-pager -q -o cat " + arguments).out;
  }
};

TEST_F(Unit, IsActiveOnlyWhenTheAppSaysThatItIsReady) {
  unit("pod.service",
       "[Service]\nType=notify\nTimeoutStartSec=300\nExecStart=/usr/bin/airlock run " +
           std::string(kSaveUuid) + kProbe +
           " -- -c 'while ! test -e /tmp/go; do sleep 0.2; done; "
           "exec /bin/probe notify \"STATUS=serving|READY=1\"'\n");
  must("systemctl start --no-block pod.service");
  ASSERT_TRUE(soon([] { return runningPod().size() == 36; }));
  EXPECT_EQ(property("ActiveState"), "activating\n");
  done(Who::Root, "airlock enter " + runningPod() + " /bin/touch /tmp/go");
  EXPECT_TRUE(soon([] { return property("ActiveState") == "active\n"; }))
      << must("systemctl status pod.service || true");
  EXPECT_EQ(property("StatusText"), "serving\n");
  must("systemctl stop pod.service");
  EXPECT_TRUE(done(Who::Root, "airlock status " + runningPod()).contains("state=exited"));
}

TEST_F(Unit, HasFailedWhenTheAppEndsBeforeItIsReady) {
  unit("pod.service", "[Service]\nType=notify\nExecStart=/usr/bin/airlock run " +
                          std::string(kProbe) + " -- -c 'exit 0'\n");
  EXPECT_NE(as(Who::Root, "systemctl start pod.service").code, 0);
  EXPECT_EQ(property("Result"), "protocol\n");
}

TEST_F(Unit, IsReadyWhenItsAppsRunIfNoneNotifies) {
  unit("pod.service", "[Service]\nType=notify\nExecStart=/usr/bin/airlock run " +
                          std::string(kGuestImage) + " --exec=/bin/sleep -- 1000\n");
  done(Who::Root, "systemctl start pod.service");
  EXPECT_EQ(property("ActiveState"), "active\n");
}

TEST_F(Unit, ASocketUnitServesFromThePod) {
  unit("pod.socket", "[Socket]\nListenStream=127.0.0.1:8080\n");
  unit("pod.service", "[Service]\nExecStart=/usr/bin/airlock run " + std::string(kProbe) +
                          " --exec=/bin/probe -- serve\n");
  done(Who::Root, "systemctl start pod.socket");
  EXPECT_EQ(done(Who::Root, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; cat <&3'"),
            "from the pod\n");
}

TEST_F(Unit, R13_AnotherPortIsNotPassed) {
  unit("pod.socket", "[Socket]\nListenStream=127.0.0.1:8081\n");
  unit("pod.service", "[Service]\nExecStart=/usr/bin/airlock run " + std::string(kProbe) +
                          " -- -c 'echo fds: $${LISTEN_FDS-none}'\n");
  done(Who::Root, "systemctl start pod.socket; systemctl start pod.service");
  ASSERT_TRUE(soon([] { return journal("-u pod.service").contains("fds: none"); }))
      << journal("-u pod.service");
  EXPECT_THAT(journal("-u pod.service"), HasSubstr("(tcp 8081)"));
}

TEST_F(Unit, EachAppHasItsOwnNameInTheJournal) {
  done(Who::Root, "systemd-run --unit=podjournal --wait airlock run " + std::string(kGuestImage) +
                      " --name=first -- -c 'echo hello from first' --- " +
                      std::string(kGuestImage) +
                      " --name=second -- -c 'echo hello from second >&2'");
  EXPECT_EQ(journal("-t first"), "hello from first\n");
  EXPECT_EQ(journal("-t second"), "hello from second\n");
  EXPECT_EQ(journal("-u podjournal -t first"), "hello from first\n");
  EXPECT_EQ(journal("-u podjournal -t second"), "hello from second\n");
}

TEST_F(Unit, AJournalNamespaceIsThePodsOwnJournal) {
  unit("pod.service",
       "[Service]\nLogNamespace=pods\nExecStart=/usr/bin/airlock run --journal=pods " +
           std::string(kSaveUuid) + kGuestImage +
           " --name=alone -- -c 'echo hello from alone; exec sleep 1000'\n");
  done(Who::Root, "systemctl start pod.service");
  ASSERT_TRUE(soon([] { return runningPod().size() == 36; }))
      << journal("-u pod.service") << journal("--namespace=pods");
  EXPECT_TRUE(soon([] {
    return as(Who::Root,
              "journalctl --namespace=pods --sync; journalctl --namespace=pods -q -o cat -t alone")
        .out.contains("hello from alone");
  })) << as(Who::Root, "journalctl --namespace=pods").out;
  // What journalctl -M is given by machined, without machined.
  const std::string pid =
      must("airlock status " + runningPod() + " | sed -n 's/^pid=//p'").substr(0, 10);
  EXPECT_THAT(
      as(Who::Root, "journalctl -q -o cat -t alone --root=/proc/$(echo " + pid + ")/root").out,
      HasSubstr("hello from alone"));
  if (!as(Who::Root, "machinectl --no-legend list").out.contains("airlock-" + runningPod()))
    GTEST_SKIP() << "the pod is not registered with machined";
  EXPECT_THAT(as(Who::Root, "journalctl -q -o cat -M airlock-" + runningPod() + " -t alone").out,
              HasSubstr("hello from alone"));
}

}  // namespace
}  // namespace airlock::test
