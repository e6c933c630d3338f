// SPDX-License-Identifier: Apache-2.0
// What is in the Debian packages that tools/build-packages has made, and that they are made well.
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "tests/support/images.h"
#include "tests/support/shell.h"

namespace airlock::test {
namespace {

const std::string kPackages = AIRLOCK_SOURCE_DIR "/build/packages";
bool hasProgram(const std::string& name) { return shell("command -v " + name).code == 0; }

// Of every entry of a package, by its name ("/usr/bin/airlock"): "-rwxr-xr-x root/root".
std::map<std::string, std::string> contentsOf(const std::string& package) {
  std::map<std::string, std::string> entries;
  for (const std::string& line :
       lines(must("dpkg-deb --contents " + kPackages + "/" + package + "_*.deb"))) {
    entries[line.substr(line.find(" ./") + 2)] = line.substr(0, line.find(' ', 11));
  }
  return entries;
}

class Packages : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!hasProgram("dpkg-deb")) GTEST_SKIP() << "needs dpkg";
    if (shell("ls " + kPackages + "/airlock_*.deb").code != 0)
      GTEST_SKIP() << "needs the packages: tools/build-packages";
  }
};

TEST_F(Packages, ProgramsAreRootsAndNothingIsSetuid) {
  const std::map<std::string, std::map<std::string, std::string>> programs = {
      {"airlock",
       {{"/usr/bin/airlock", "-rwxr-xr-x"},
        {"/usr/libexec/airlock/airlock-attest", "-rwxr-xr-x"},
        {"/usr/libexec/airlock/airlock-fetch", "-rwxr-xr-x"},
        {"/usr/libexec/airlock/airlock-verify", "-rwxr-xr-x"}}},
      {"airlock-helper",
       {{"/usr/libexec/airlock/airlock-helper", "-rwxr-xr-x"},
        {"/usr/libexec/airlock/airlock-measure", "-rwxr-xr-x"},
        {"/usr/libexec/airlock/airlock-metadata", "-rwxr-xr-x"},
        {"/usr/libexec/airlock/airlock-systemd", "-rwxr-xr-x"},
        // R06: not to be read, so that what executes it is never dumpable.
        {"/usr/libexec/airlock/airlock-stage1-container", "-rwx--x--x"}}},
      {"airlock-selinux", {}}};
  for (const auto& [package, expected] : programs) {
    const auto contents = contentsOf(package);
    for (const auto& [name, mode] : expected) {
      ASSERT_TRUE(contents.contains(name)) << package << " lacks " << name;
      EXPECT_EQ(contents.at(name), mode + " root/root") << name;
    }
    for (const auto& [name, mode] : contents) {
      EXPECT_TRUE(mode.ends_with(" root/root")) << name << " " << mode;
      EXPECT_EQ(mode.substr(0, 10).find_first_of("sStT"), mode.npos) << name << " " << mode;
      EXPECT_EQ(mode[5], '-') << name << " can be written by a group";
      EXPECT_EQ(mode[8], '-') << name << " can be written by everyone";
    }
  }
}

// Which program is in which package is what an administrator chooses between: nothing that root
// lends is on a machine that has the engine alone.
TEST_F(Packages, TheEngineHasNothingPrivileged) {
  for (const auto& [name, mode] : contentsOf("airlock")) {
    for (const char* part : {"helper", "measure", "stage1", "systemd", "sysusers", "policy.d"}) {
      EXPECT_EQ(name.starts_with("/usr/share/doc/") ? name.npos : name.find(part), name.npos)
          << name << " is in the package airlock";
    }
  }
  EXPECT_EQ(must("dpkg-deb --ctrl-tarfile " + kPackages +
                 "/airlock_*.deb | tar --list | grep -E 'preinst|postinst|prerm' || true"),
            "");
}

TEST_F(Packages, TheEngineAloneFetchesAndSaysWhatRunningNeeds) {
  if (exists("/run/airlock/helper.sock")) GTEST_SKIP() << "a helper serves this machine";
  const Scratch scratch;
  must("dpkg-deb --extract " + kPackages + "/airlock_*.deb " + (scratch / "root"));
  const Signer signer;
  const std::string image = makeImage(scratch / "image.aci");
  signer.sign(image);
  writeFile(scratch / "key.asc", signer.publicKey());
  must("mkdir " + (scratch / "home") + " && chmod -R a+rX " + scratch.path());
  ShellOptions user{.environment = {"HOME=" + (scratch / "home")}, .identity = {}, .input = ""};
  if (::geteuid() == 0) {
    must("chown 4242:4242 " + (scratch / "home"));
    user.identity = Identity{4242, 4242, {}};
  }
  const std::string airlock = scratch / "root/usr/bin/airlock ";
  must(airlock + "trust --root --skip-fingerprint-review " + (scratch / "key.asc"), user);
  must(airlock + "fetch " + image, user);
  EXPECT_NE(must(airlock + "image list --no-legend", user).find("example.test/tools/busybox"),
            std::string::npos);
  const Outcome run = shell(airlock + "run example.test/tools/busybox:1.35", user);
  EXPECT_EQ(run.code, 254);
  EXPECT_NE(run.err.find("no helper can be reached"), run.err.npos) << run.err;
}

TEST_F(Packages, LintianFindsNothingThatIsNotExplained) {
  if (!hasProgram("lintian")) GTEST_SKIP() << "needs lintian";
  const Outcome lintian =
      shell("lintian --allow-root --fail-on error,warning --info " + kPackages + "/*.changes");
  EXPECT_EQ(lintian.code, 0) << lintian.out << lintian.err;
}

// In a tree of Debian's packages, the one that the guest is made of.  The guest's group `packages`
// shows the same for a machine that runs.
TEST_F(Packages, AreInstalledAndPurgedLeavingNothing) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (!hasProgram("mmdebstrap")) GTEST_SKIP() << "needs mmdebstrap";
  must(AIRLOCK_SOURCE_DIR "/tests/guest/image --base 2>&1");
  const Outcome purge = shell(AIRLOCK_SOURCE_DIR "/tests/packages/install-and-purge " +
                              std::string(AIRLOCK_SOURCE_DIR "/build/guest/base.tar ") + kPackages);
  EXPECT_EQ(purge.code, 0) << purge.out << purge.err;
}

TEST_F(Packages, AreTheSameBytesWhereverAndWheneverTheyAreBuilt) {
  if (!hasProgram("dh") || !hasProgram("scdoc")) GTEST_SKIP() << "needs debhelper and scdoc";
  const Outcome check = shell(AIRLOCK_SOURCE_DIR "/tools/check-reproducible");
  EXPECT_EQ(check.code, 0) << check.out << check.err;
}

}  // namespace
}  // namespace airlock::test
