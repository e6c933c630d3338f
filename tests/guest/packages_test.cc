// SPDX-License-Identifier: Apache-2.0
// The Debian packages as they are on a running machine: what is installed and started, and that
// purging them ends what runs and leaves nothing.
#include "tests/guest/support.h"

namespace airlock::test {
namespace {

constexpr const char* kEach = "airlock airlock-helper airlock-selinux";

class InstalledPackages : public Guest {};

TEST_F(InstalledPackages, AreWholeAndConfigured) {
  EXPECT_EQ(done(Who::Root,
                 std::string("dpkg-query --show --showformat='${db:Status-Status} ' ") + kEach),
            "installed installed installed ");
  EXPECT_EQ(done(Who::Root, std::string("dpkg --verify ") + kEach), "");
}

TEST_F(InstalledPackages, ProgramsAreRootsAndStage1IsNotToBeRead) {
  EXPECT_EQ(done(Who::Root,
                 "cd /usr/libexec/airlock && stat -c '%U:%G %a %n' airlock-fetch airlock-helper "
                 "airlock-measure airlock-metadata airlock-stage1-container airlock-systemd airlock-verify "
                 "/usr/bin/airlock"),
            "root:root 755 airlock-fetch\n"
            "root:root 755 airlock-helper\n"
            "root:root 755 airlock-measure\n"
            "root:root 755 airlock-metadata\n"
            "root:root 711 airlock-stage1-container\n"
            "root:root 755 airlock-systemd\n"
            "root:root 755 airlock-verify\n"
            "root:root 755 /usr/bin/airlock\n");
  EXPECT_NE(as(Who::Alice, "cat /usr/libexec/airlock/airlock-stage1-container >/dev/null").code, 0);
  const std::string files = std::string("dpkg-query --listfiles ") + kEach +
                            " | sed '/^$/d; /^\\/\\.$/d' | xargs -d '\\n' ";
  EXPECT_EQ(done(Who::Root, files + "sh -c 'find \"$@\" -maxdepth 0 -type f \"(\" -perm /6022 -o "
                                    "! -user root -o ! -group root \")\"; getcap \"$@\"' sh"),
            "");
}

TEST_F(InstalledPackages, TheSocketAndTheTimerAreEnabledAndStarted) {
  const std::string units = "airlock-helper.socket airlock-gc.timer";
  EXPECT_EQ(done(Who::Root, "systemctl is-enabled " + units), "enabled\nenabled\n");
  EXPECT_EQ(done(Who::Root, "systemctl is-active " + units), "active\nactive\n");
  EXPECT_EQ(done(Who::Root, "stat -c '%U:%G %a' /run/airlock /run/airlock/helper.sock"),
            "root:root 755\nroot:root 666\n");
}

TEST_F(InstalledPackages, TheSystemUsersCannotLogIn) {
  EXPECT_EQ(
      done(Who::Root, "getent passwd airlock-fetch airlock-verify airlock-tpm | cut -d: -f1,7"),
      "airlock-fetch:/usr/sbin/nologin\nairlock-verify:/usr/sbin/nologin\n"
      "airlock-tpm:/usr/sbin/nologin\n");
}

TEST_F(InstalledPackages, TheSelinuxModuleIsLoadedAtItsPriority) {
  EXPECT_EQ(done(Who::Root, "semodule --list-modules=full | grep -c '^400 airlock '"), "1\n");
}

// The last: there is nothing to test with after it.
TEST(PurgedPackages, EndThePodsAndLeaveNothing) {
  // Through a pipe, as a login's output goes: the helper takes no descriptor of any file of root's.
  must("(setsid airlock run " + std::string(kGuestImage) +
       " -- -c 'sleep 1000' </dev/null 2>&1 | cat >/run/results/purged-pod.log) & "
       "for i in $(seq 200); do airlock list --no-legend | grep -q running && exit 0; sleep 0.1; "
       "done; cat /run/results/purged-pod.log; exit 1");
  EXPECT_NE(must("pgrep -f '[s]leep 1000' || true"), "");
  const Outcome purge = shell(std::string("dpkg --purge ") + kEach);
  ASSERT_EQ(purge.code, 0) << purge.out << purge.err;

  EXPECT_EQ(must("pgrep -fa '[s]leep 1000|[a]irlock-' || true"), "") << "processes";
  EXPECT_EQ(must("find / -xdev -path /var/log -prune -o -path /tests -prune -o "
                 "-path '/tmp/airlock-test-*' -prune -o "
                 "'(' -name '*airlock*' -o -nouser -o -nogroup ')' -print"),
            "");
  EXPECT_EQ(must("find /run -path /run/results -prune -o -path /run/fixture -prune -o "
                 "'(' -name '*airlock*' -o -nouser -o -nogroup ')' -print"),
            "");
  EXPECT_EQ(must("grep -l airlock /etc/passwd /etc/group /etc/shadow /etc/gshadow || true"), "");
  EXPECT_EQ(must("semodule --list-modules=full | grep airlock || true"), "");
  EXPECT_EQ(must("systemctl list-units --all --plain --no-legend 'airlock*'"), "");
  // But for the group that this very program was moved to when it started a pod: it ends with its
  // unit.
  EXPECT_EQ(must("find /sys/fs/cgroup -name '*airlock*' ! -name airlock-caller"), "");
}

}  // namespace
}  // namespace airlock::test
