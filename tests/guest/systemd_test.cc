// SPDX-License-Identifier: Apache-2.0
// Pods on a host that systemd runs: in whose cgroup they are, what stopping a unit does, what
// machined and systemd-analyze say.  Real systemd-run, systemctl and machinectl.
#include <unistd.h>

#include <chrono>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

constexpr const char* kIgnore = "trap '' TERM; sleep 1000 & wait; sleep 1000";
constexpr const char* kEndless = "sleep 1000 & wait";
constexpr const char* kObedient = "trap 'exit 0' TERM; sleep 1000 & wait";

// Patience, for the guest's processors are simulated.
template <class Condition>
bool soon(Condition done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(90);
  do {
    if (done()) return true;
    ::usleep(200'000);
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

std::string quoted(const std::string& script) {
  std::string text = "'";
  for (const char c : script) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

class Systemd : public Guest {
 protected:
  void SetUp() override {
    if (!hasSystemd()) GTEST_SKIP() << "needs systemd";
  }
  void TearDown() override {
    as(Who::Root, "systemctl stop 'airlock-test-*.service' 'session-9*.scope' 2>/dev/null");
    as(Who::Root, "systemctl reset-failed 2>/dev/null");
    Guest::TearDown();
  }

  static std::string run(const std::string& script) {
    return "airlock run " + std::string(kGuestImage) + " -- -c " + quoted(script);
  }
  static std::string running() {
    return as(Who::Root,
              "airlock list --full --no-legend | awk -F'\\t' '/\\trunning\\t/{print $1}'")
        .out;
  }
  // The one pod that runs.
  static std::string waitForPod() {
    std::string pod;
    EXPECT_TRUE(soon([&] {
      pod = running();
      return pod.size() == 37;
    })) << as(Who::Root, "airlock list --full; journalctl -b --no-pager | tail -n 30").out;
    return pod.substr(0, 36);
  }
  // A pod runs before its app does, and the app before its shell has set its traps.  Brackets: grep
  // has arguments, too.
  static std::string waitForApp() {
    std::string pod = waitForPod();
    EXPECT_TRUE(
        soon([] { return as(Who::Root, "grep -qszx '[1]000' /proc/[0-9]*/cmdline").code == 0; }));
    return pod;
  }
  static bool waitForNoPod() {
    return soon([] { return running().empty(); });
  }
  // A service of Alice's whose main process is the command line.
  static std::string startService(const std::string& unit, const std::string& script,
                                  const std::string& properties = "") {
    done(Who::Root, "systemd-run --quiet --unit=" + unit + " -p User=alice -p Type=exec " +
                        properties + " " + run(script));
    return waitForApp();
  }
  // A command of Alice's in a login session's scope, as logind would name it.
  static std::string startInSession(const std::string& scope, const std::string& script) {
    done(Who::Root,
         "systemd-run --quiet --scope --unit=" + scope +
             " --slice=user-4242.slice setpriv --reuid=4242 --regid=4242 --init-groups " +
             run(script) + " </dev/null >/run/" + scope + ".log 2>&1 &");
    return waitForApp();
  }
  static std::string statusOf(const std::string& pod, const std::string& key) {
    const Outcome outcome =
        as(Who::Root, "airlock status " + pod + " | sed -n 's/^" + key + "=//p'");
    return outcome.out.substr(0, outcome.out.find('\n'));
  }
  static std::string cgroupOf(const std::string& pod) {
    return done(Who::Root, "sed -n 's/^0:://p' /proc/" + statusOf(pod, "pid") + "/cgroup");
  }
  static std::string show(const std::string& unit, const std::string& property) {
    const std::string text = done(Who::Root, "systemctl show --value -p " + property + " " + unit);
    return text.substr(0, text.find('\n'));
  }
  static std::string machines() { return done(Who::Root, "machinectl list --no-legend"); }
};

TEST_F(Systemd, AMemberOfTheGroupNeedsNothingButTheSocket) {
  EXPECT_EQ(done(Who::Alice, run("echo $((6 * 7))")), "42\n");
  const Outcome refused = as(Who::Stranger, run("echo $((6 * 7))"));
  EXPECT_EQ(refused.code, 254);
  EXPECT_EQ(refused.out, "");
}

// The capabilities and devices of the unit are enough for all of them.
TEST_F(Systemd, AMemberOfTheGroupDoesAllThatPolicyGrantsThroughTheUnit) {
  done(Who::Alice, "mkdir /home/alice/volume");
  done(Who::Root, "chcon -t airlock_pod_file_t -l s0 /home/alice/volume");
  done(Who::Root,
       "systemd-run --quiet --unit=airlock-test-all -p User=alice airlock run "
       "--volume=v,kind=host,source=/home/alice/volume " +
           std::string(kGuestImage) + " --mount=volume=v,target=/v -- -c " +
           quoted("echo written >/v/file; mkdir -m 700 /closed; touch /closed/file; " +
                  std::string(kEndless)));
  const std::string pod = waitForPod();
  EXPECT_EQ(done(Who::Alice, "airlock enter " + pod + " /bin/busybox cat /v/file"), "written\n");
  done(Who::Alice, "airlock stop " + pod);
  done(Who::Alice, "airlock rm " + pod);
  done(Who::Alice, "airlock image verify " + std::string(kGuestImage));
  EXPECT_EQ(done(Who::Root, "stat -c %U /home/alice/volume/file"), "alice\n");
  done(Who::Root, "rm -r /home/alice/volume");
}

TEST_F(Systemd, R16_APodIsInTheServiceThatRunsIt) {
  const std::string pod = startService("airlock-test-place", kEndless);
  EXPECT_TRUE(cgroupOf(pod).starts_with("/system.slice/airlock-test-place.service/airlock-" + pod));
  EXPECT_EQ(statusOf(pod, "unit"), "airlock-test-place.service");
  // Accounting and limits of a unit are those of everything below its cgroup: CLI, PID 1, app.
  EXPECT_GE(std::stoi(show("airlock-test-place.service", "TasksCurrent")), 3);
}

TEST_F(Systemd, ExitStatusIsTheApps) {
  for (const char* properties : {"-p User=root", "-p User=alice -p Type=exec"}) {
    EXPECT_EQ(as(Who::Root, std::string("systemd-run --quiet --wait --unit=airlock-test-exit ") +
                                properties + " " + run("exit 7"))
                  .code,
              7)
        << properties;
    as(Who::Root, "systemctl reset-failed");
  }
}

TEST_F(Systemd, AServiceWithADynamicUserRunsAPod) {
  done(Who::Root,
       "systemd-run --quiet --unit=airlock-test-dynamic -p DynamicUser=yes -p "
       "SupplementaryGroups=airlock " +
           run(kObedient));
  const std::string pod = waitForApp();
  EXPECT_TRUE(cgroupOf(pod).starts_with("/system.slice/airlock-test-dynamic.service/"));
  done(Who::Root, "systemctl stop airlock-test-dynamic");
  EXPECT_EQ(show("airlock-test-dynamic.service", "Result"), "success");
  EXPECT_EQ(running(), "");
}

TEST_F(Systemd, StoppingAServiceStopsItsPodInOrder) {
  const std::string obedient =
      startService("airlock-test-stop", "trap 'sleep 2; exit 0' TERM; sleep 1000 & wait");
  done(Who::Root, "systemctl stop airlock-test-stop");
  EXPECT_EQ(running(), "");
  EXPECT_EQ(statusOf(obedient, "app-busybox"), "0");

  // An app that TERM ends is no failure of the unit.
  startService("airlock-test-stop2", kEndless);
  done(Who::Root, "systemctl stop airlock-test-stop2");
  EXPECT_EQ(show("airlock-test-stop2.service", "Result"), "success");
  EXPECT_EQ(running(), "");

  // TERM to the command line alone does the same.
  startService("airlock-test-stop3", kEndless, "-p KillMode=mixed");
  done(Who::Root, "systemctl stop airlock-test-stop3");
  EXPECT_EQ(show("airlock-test-stop3.service", "Result"), "success");
  EXPECT_EQ(running(), "");
}

TEST_F(Systemd, AnAppThatIgnoresTermIsKilled) {
  startService("airlock-test-ignore", kIgnore);
  done(Who::Root, "systemctl stop airlock-test-ignore");
  EXPECT_EQ(running(), "");
}

TEST_F(Systemd, WhenTheCommandLineIsKilledNothingStays) {
  startService("airlock-test-kill", kIgnore);
  done(Who::Root, "systemctl kill --signal=KILL airlock-test-kill");
  EXPECT_TRUE(waitForNoPod());
  // Not by systemd, which leaves others alone here: by the leash.
  startService("airlock-test-leash", kEndless, "-p KillMode=process");
  done(Who::Root, "systemctl kill --kill-whom=main --signal=KILL airlock-test-leash");
  EXPECT_TRUE(waitForNoPod());
}

// Only what the shell itself says: a process that is gone before journald has looked has no unit
// there.
TEST_F(Systemd, LimitsOfTheServiceHoldForItsPod) {
  done(Who::Root,
       "systemd-run --quiet --unit=airlock-test-limits -p User=alice -p MemoryMax=48M -p "
       "MemorySwapMax=0 -p LimitNOFILE=1234 -p OOMScoreAdjust=123 " +
           run("ulimit -n; read score </proc/self/oom_score_adj; echo $score; dd if=/dev/zero "
               "of=/dev/null bs=128M "
               "count=1"));
  EXPECT_TRUE(soon([] { return show("airlock-test-limits.service", "ActiveState") == "failed"; }));
  EXPECT_EQ(show("airlock-test-limits.service", "Result"), "oom-kill");
  const auto log = [] {
    return done(Who::Root, "journalctl --sync; journalctl -b -o cat -u airlock-test-limits");
  };
  EXPECT_TRUE(soon([&] { return log().contains("1234\n123\n"); })) << log();
}

TEST_F(Systemd, InALoginSessionAPodGetsAScopeOfItsOwn) {
  const std::string pod = startInSession("session-99", kObedient);
  const std::string scope = "airlock-" + pod + ".scope";
  EXPECT_TRUE(cgroupOf(pod).starts_with("/user.slice/user-4242.slice/" + scope + "/"))
      << cgroupOf(pod) << statusOf(pod, "machine");
  EXPECT_EQ(statusOf(pod, "unit"), scope);
  EXPECT_EQ(show(scope, "Delegate"), "yes");
  EXPECT_EQ(show(scope, "Slice"), "user-4242.slice");
  // Stopping the scope is an orderly end; the session is not touched, and nothing of the unit
  // stays.
  done(Who::Root, "systemctl stop " + scope);
  EXPECT_TRUE(waitForNoPod());
  EXPECT_EQ(statusOf(pod, "app-busybox"), "0");
  EXPECT_EQ(show(scope, "LoadState"), "not-found");
}

TEST_F(Systemd, TheEndOfASessionEndsItsPods) {
  startInSession("session-98", kEndless);
  done(Who::Root, "systemctl stop session-98.scope");
  EXPECT_TRUE(waitForNoPod());
}

TEST_F(Systemd, ARealLoginRunsAPod) {
  EXPECT_EQ(done(Who::Root, "su --login alice --command " + quoted(run("echo hello"))), "hello\n");
}

TEST_F(Systemd, MachinedKnowsAPodThatHasItsUnitForItself) {
  const std::string pod = startService("airlock-test-machine", kObedient);
  const std::string machine = "airlock-" + pod;
  EXPECT_EQ(statusOf(pod, "machine"), machine);
  EXPECT_TRUE(machines().contains(machine + " container airlock"));
  const std::string shown = done(Who::Root, "machinectl show " + machine);
  EXPECT_TRUE(shown.contains("Unit=airlock-test-machine.service\n")) << shown;
  EXPECT_TRUE(shown.contains("Leader=" + statusOf(pod, "pid") + "\n")) << shown;
  const std::string status = done(Who::Root, "machinectl status " + machine);
  EXPECT_TRUE(status.contains("sleep 1000")) << status;

  done(Who::Root, "machinectl poweroff " + machine);
  EXPECT_TRUE(waitForNoPod());
  EXPECT_EQ(statusOf(pod, "app-busybox"), "0");
  EXPECT_TRUE(soon([] { return machines().empty(); }));
}

TEST_F(Systemd, MachinectlTerminateEndsThePodAndNotTheSession) {
  const std::string pod = startInSession("session-97", kObedient);
  ASSERT_EQ(statusOf(pod, "machine"), "airlock-" + pod);
  done(Who::Root, "machinectl terminate airlock-" + pod);
  EXPECT_TRUE(waitForNoPod());
  EXPECT_TRUE(soon([] { return machines().empty(); }));
}

TEST_F(Systemd, AUnitThatIsNotThePodsAloneIsNoMachine) {
  // machinectl terminate would stop it, and all else in it.
  done(Who::Root,
       "systemd-run --quiet --scope --unit=airlock-test-shared setpriv --reuid=4242 --regid=4242 "
       "--init-groups " +
           run(kEndless) + " </dev/null >/dev/null 2>&1 &");
  const std::string pod = waitForPod();
  EXPECT_EQ(statusOf(pod, "unit"), "airlock-test-shared.scope");
  EXPECT_TRUE(statusOf(pod, "machine").starts_with("none: "));
  EXPECT_EQ(machines(), "");
  done(Who::Root, "systemctl stop airlock-test-shared.scope");
  EXPECT_TRUE(waitForNoPod());
}

TEST_F(Systemd, WithoutDBusAPodStartsAllTheSame) {
  done(Who::Root, "mv /run/dbus/system_bus_socket /run/dbus/away");
  const Outcome started = as(Who::Alice, run("echo $((6 * 7))"));
  done(Who::Root, "mv /run/dbus/away /run/dbus/system_bus_socket");
  EXPECT_EQ(started.out, "42\n") << started.err;
}

TEST_F(Systemd, ABusThatHangsKeepsNoPodFromStarting) {
  done(Who::Root, "kill -STOP $(systemctl show --value -p MainPID dbus.service)");
  const Outcome started = as(Who::Alice, run("echo $((6 * 7))"));
  done(Who::Root, "kill -CONT $(pidof dbus-daemon)");
  EXPECT_EQ(started.out, "42\n") << started.err;
}

TEST_F(Systemd, GarbageIsCollectedByItsService) {
  done(Who::Alice, run("true"));
  done(Who::Root,
       "mkdir -p /run/systemd/system/airlock-gc.service.d && printf "
       "'[Service]\\nEnvironment=GRACE_PERIOD=0s\\n' "
       ">/run/systemd/system/airlock-gc.service.d/now.conf && systemctl daemon-reload");
  done(Who::Root, "systemctl start airlock-gc.service && systemctl start airlock-gc.service");
  EXPECT_EQ(done(Who::Root, "ls /var/lib/airlock/pods/exited-garbage /var/lib/airlock/pods/run"),
            "/var/lib/airlock/pods/exited-garbage:\n\n/var/lib/airlock/pods/run:\n");
  EXPECT_EQ(done(Who::Root, "systemctl is-enabled airlock-gc.timer"), "enabled\n");
  done(Who::Root, "rm -r /run/systemd/system/airlock-gc.service.d && systemctl daemon-reload");
}

// docs/boundaries.md has these numbers, and why the helper's is not lower.
TEST_F(Systemd, UnitsAreAsTightAsRecorded) {
  for (const char* unit :
       {"--threshold=82 airlock-helper@x.service", "--threshold=34 airlock-gc.service"}) {
    const Outcome outcome = as(Who::Root, std::string("systemd-analyze security ") + unit);
    EXPECT_EQ(outcome.code, 0) << outcome.out;
  }
}

TEST_F(Systemd, UnitsUsersAndDirectoriesAreWhatTheirToolsTakeWithoutComplaint) {
  const Outcome units =
      as(Who::Root,
         "systemd-analyze verify --man=no airlock-helper.socket airlock-gc.service "
         "airlock-gc.timer 2>&1 | grep -i airlock");
  EXPECT_EQ(units.out, "");
  const Outcome users = as(Who::Root, "systemd-sysusers --dry-run airlock.conf 2>&1");
  EXPECT_EQ(users.code, 0);
  EXPECT_EQ(users.out, "");
  const Outcome directories = as(Who::Root, "systemd-tmpfiles --create airlock.conf 2>&1");
  EXPECT_EQ(directories.code, 0);
  EXPECT_EQ(directories.out, "");
}

}  // namespace
}  // namespace airlock::test
