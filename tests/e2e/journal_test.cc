// SPDX-License-Identifier: Apache-2.0
// Pods whose apps write to the journal, with a real journald in this program's own mount namespace.
#include <signal.h>
#include <sys/mount.h>

#include "base/process.h"
#include "base/syscall.h"
#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

constexpr const char* kJournald = "/usr/lib/systemd/systemd-journald";

// What systemd does for a unit: output and errors are a stream into the journal.
constexpr const char* kInJournal = R"(
import os, socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect("/run/systemd/journal/stdout")
stream.sendall(b"airlock\n\n6\n1\n0\n0\n0\n")
info = os.fstat(stream.fileno())
os.environ["JOURNAL_STREAM"] = "%d:%d" % (info.st_dev, info.st_ino)
os.dup2(stream.fileno(), 1)
os.dup2(stream.fileno(), 2)
os.execv(sys.argv[1], sys.argv[1:])
)";

class Journal : public World {
 protected:
  void SetUp() override {
    World::SetUp();
    if (IsSkipped()) return;
    if (!exists(kJournald) || !exists("/usr/bin/journalctl"))
      GTEST_SKIP() << "needs systemd-journald and journalctl";
    fetch(Who::Root);
    writeFile(engine_->scratch("in-journal.py"), kInJournal);
  }
  void TearDown() override {
    if (journald_) {
      journald_.reset();
      for (const char* place : {"/run/systemd", "/run/log", "/etc/machine-id"})
        ::umount2(place, MNT_DETACH);
    }
    World::TearDown();
  }
  // Its files are in memory, and go with it.
  void startJournal() {
    must("mkdir -p /run/systemd /run/log; touch /etc/machine-id");
    ASSERT_EQ(::mount("tmpfs", "/run/systemd", "tmpfs", 0, nullptr), 0);
    ASSERT_EQ(::mount("tmpfs", "/run/log", "tmpfs", 0, nullptr), 0);
    writeFile(engine_->scratch("machine-id"), "0123456789abcdef0123456789abcdef\n");
    ASSERT_EQ(::mount(engine_->scratch("machine-id").c_str(), "/etc/machine-id", nullptr, MS_BIND,
                      nullptr),
              0);
    must(
        "mkdir -p /run/systemd/journal /run/log/journal; "
        "chgrp systemd-journal /run/log/journal; chmod 2755 /run/log/journal");
    const Fd program = sys::openPath(kJournald, O_RDONLY).value();
    journald_.emplace(spawn({.executable = program,
                             .arguments = {"systemd-journald"},
                             .environment = {},
                             .descriptors = {}})
                          .value());
    ASSERT_TRUE(eventually([] { return exists("/run/systemd/journal/stdout"); }));
  }
  // `airlock run` as a unit does it; returns the pod's UUID once it exists.
  std::string inJournal(const std::string& words) {
    const std::string uuid = engine_->scratch("uuid");
    ::unlink(uuid.c_str());
    std::string command = "exec /usr/bin/python3 " + engine_->scratch("in-journal.py") + " " +
                          AIRLOCK_BINARY_DIR "/bin/airlock";
    for (const std::string& path : engine_->pathArguments()) command += " " + path;
    const Fd shell = sys::openPath("/bin/sh", O_RDONLY).value();
    unit_.emplace(
        spawn({.executable = shell,
               .arguments = {"sh", "-c", command + " run --uuid-file-save=" + uuid + " " + words},
               .environment = {"PATH=/usr/bin:/bin"},
               .descriptors = {},
               .noNewPrivileges = false})
            .value());
    EXPECT_TRUE(eventually([&] { return exists(uuid) && readFile(uuid).size() == 36; }));
    return readFile(uuid);
  }
  std::optional<Child> journald_;
  std::optional<Child> unit_;
};

TEST_F(Journal, HasWhatAppsWroteAndLogsTellsItByApp) {
  startJournal();
  const std::string pod =
      inJournal(std::string(kImage) + " --name=one -- -c 'echo first; echo oops >&2' --- " +
                kImage + " --name=two -- -c 'echo of two'");
  ASSERT_EQ(unit_->wait().value().shellCode(), 0);
  // Another pod with an app of that name, at the same time.
  const std::string other =
      inJournal(std::string(kImage) + " --name=one -- -c 'echo of another pod'");
  ASSERT_EQ(unit_->wait().value().shellCode(), 0);
  const auto all = [&] { return done(Who::Root, "logs --plain " + pod); };
  EXPECT_TRUE(eventually([&] {
    const std::string text = airlock(Who::Root, "logs --plain " + pod).out;
    return text.find("oops\n") != text.npos && text.find("of two\n") != text.npos;
  })) << all();
  EXPECT_EQ(all().find("of another pod"), std::string::npos) << all();
  EXPECT_EQ(done(Who::Root, "logs --plain --app=two " + pod), "of two\n");
  EXPECT_EQ(done(Who::Root, "logs --plain " + other), "of another pod\n");
  EXPECT_NE(done(Who::Root, "logs --app=two " + pod).find("] two["), std::string::npos);
  EXPECT_EQ(airlock(Who::Root, "logs --app=three " + pod).code, 254);
  // Whom the journal is closed to learns that.
  const Outcome stranger = airlock(Who::Stranger, "logs " + pod);
  EXPECT_EQ(stranger.code, 254);
  EXPECT_NE(stranger.err.find("the journal has none of it that you may read"), std::string::npos)
      << stranger.err;
}

TEST_F(Journal, IsFollowedUntilThePodHasEnded) {
  startJournal();
  const std::string pod =
      inJournal(std::string(kImage) +
                " -- -c 'echo first; while ! test -e /tmp/go; do sleep 0.1; done; echo last'");
  const std::string file = engine_->scratch("followed");
  std::string command = AIRLOCK_BINARY_DIR "/bin/airlock";
  for (const std::string& path : engine_->pathArguments()) command += " " + path;
  const Fd program = sys::openPath("/bin/sh", O_RDONLY).value();
  Child follower =
      spawn({.executable = program,
             .arguments = {"sh", "-c", "exec " + command + " logs -f --plain " + pod + " >" + file},
             .environment = {},
             .descriptors = {}})
          .value();
  EXPECT_TRUE(eventually([&] { return readFile(file) == "first\n"; })) << readFile(file);
  done(Who::Root, "enter " + pod + " /bin/touch /tmp/go");
  EXPECT_EQ(follower.wait().value().shellCode(), 0);
  EXPECT_EQ(readFile(file), "first\nlast\n");
  EXPECT_EQ(unit_->wait().value().shellCode(), 0);
}

TEST_F(Journal, IsNotThereAndThatIsSaid) {
  for (const char* place : {"/run/log", "/var/log"}) {
    must(std::string("mkdir -p ") + place);
    ASSERT_EQ(::mount("tmpfs", place, "tmpfs", 0, nullptr), 0);
  }
  done(Who::Root, std::string("run ") + kImage + " -- -c 'echo hello'");
  const std::string pod = lines(done(Who::Root, "list --no-legend --full"))[0].substr(0, 36);
  const Outcome none = airlock(Who::Root, "logs " + pod);
  for (const char* place : {"/run/log", "/var/log"}) ::umount2(place, MNT_DETACH);
  EXPECT_EQ(none.code, 254);
  EXPECT_NE(none.err.find("keeps no logs, and this host has no journal"), std::string::npos)
      << none.err;
}

}  // namespace
}  // namespace airlock::test
