// SPDX-License-Identifier: Apache-2.0
// fs-verity on a real kernel and a real file system: what is recorded, what is refused, and what a
// pod sees when the disk gives other bytes.
#include <gmock/gmock.h>

#include <stdexcept>

#include "base/digest.h"
#include "ipc/records.h"
#include "tests/guest/disk.h"
#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

constexpr const char* kPolicy = "/etc/airlock/policy.d/60-content.policy";
constexpr const char* kBusybox = "/run/fixture/busybox.aci";
constexpr const char* kMarked = "/run/images/marked.aci";
constexpr const char* kTrees = "/var/lib/airlock/store/tree/";

class Verity : public Guest {
 protected:
  static void SetUpTestSuite() {
    Guest::SetUpTestSuite();
    // Each disk has an engine of its own, and they have one register: only the first log explains
    // it.
    writeFile("/etc/airlock/policy.d/70-disks.policy", "measure mode=log pcr=15\n");
    must("mkdir -p /run/images");
    signer_->sign(makeImage(kMarked, {.name = "example.test/tools/marked",
                                      .prepare = "yes 'a line that is easy to find' | "
                                                 "head -c 400000 >rootfs/big"}));
  }
  void TearDown() override {
    shell("rm -f " + std::string(kPolicy));
    Guest::TearDown();
  }
  // For stores beside the guest's own: the register belongs to that one's log.
  static void policy(const std::string& text) { writeFile(kPolicy, "measure mode=off\n" + text); }
  static ipc::CatalogRecord record(const std::string& store, const std::string& name) {
    for (const std::string& entry : lines(must("ls " + store + "/store/catalog"))) {
      auto found = ipc::decodeCatalogRecord(readFile(store + "/store/catalog/" + entry));
      if (found && found->name.text() == "example.test/tools/" + name) return *std::move(found);
    }
    throw std::runtime_error("no record of " +
                             name);  // which GoogleTest takes as this test's failure
  }
  static std::string treeOf(const std::string& store, const std::string& name) {
    return store + "/store/tree/" + record(store, name).tree.text();
  }
  static std::string run(const Disk& disk, const std::string& name, const std::string& script) {
    return disk.airlock("run example.test/tools/" + name + ":1.35 -- -c '" + script + "'");
  }
  static void refused(const std::string& command, const std::string& code,
                      const std::string& words) {
    const std::string json = "airlock --json" + command.substr(std::string("airlock").size());
    const Outcome outcome = as(Who::Root, json);
    EXPECT_EQ(outcome.code, 254) << command;
    EXPECT_THAT(outcome.err, HasSubstr("\"" + code + "\""));
    EXPECT_THAT(outcome.err, HasSubstr(words));
  }
};

TEST_F(Verity, C04_TheRecordHasTheDigestThatTheKernelEnforces) {
  const std::string tree = must("ls " + std::string(kTrees) + " | head -n 1");
  const std::string file = kTrees + tree.substr(0, tree.find('\n'));
  const std::string kernel = must("fsverity measure " + file + " | cut -d' ' -f1 | tr : -");
  const std::string digest = kernel.substr(0, kernel.find('\n'));
  EXPECT_THAT(digest, testing::StartsWith("sha256-"));
  EXPECT_THAT(done(Who::Root, "airlock image list --format=json"), HasSubstr(digest));
  writeFile(kPolicy, "require content\n");
  EXPECT_EQ(done(Who::Alice, "airlock run " + std::string(kGuestImage) + " -- -c 'echo hello'"),
            "hello\n");
  // What was compared is in the measured event.
  EXPECT_THAT(
      must("tr '\\036' '\\n' </run/airlock/measure/events.cel | grep '\"type\":\"image\"' | "
           "sed 's/.*\"data\":\"\\([^\"]*\\)\".*/\\1/' | while read -r line; do "
           "printf %s \"$line\" | base64 -d; done"),
      HasSubstr("\"content\":\"verity:" + digest + "\""));
}

TEST_F(Verity, C04_ABitThatFlippedOnTheDiskIsAnInputOutputErrorAndIsFound) {
  Disk disk("verity", "verity");
  done(Who::Root, disk.airlock("fetch " + std::string(kBusybox) + " " + kMarked));
  policy("require content\n");
  EXPECT_EQ(done(Who::Root, run(disk, "marked", "wc -c </big")), "400000\n");
  const std::string tree = treeOf(disk.store(), "marked");
  const std::uint64_t at =
      std::stoull(must("grep -obUam 1 'a line that is easy to find' " + tree + " | cut -d: -f1")) +
      200'000;
  done(Who::Root, disk.airlock("gc --grace-period=0s >/dev/null"));
  must("sync");
  disk.unmount();
  disk.flip(tree, at);
  disk.mount();

  // The pod starts: that page is not asked for.  The app that asks gets EIO, and nothing of it.
  const Outcome outcome = as(Who::Root, run(disk, "marked", "echo started; cat /big >/dev/null"));
  EXPECT_NE(outcome.code, 0);
  EXPECT_EQ(outcome.out, "started\n");
  EXPECT_THAT(outcome.err, HasSubstr("nput/output error"));

  // All images are asked about; the one that is damaged is named, with what is wrong.
  const Outcome verified = as(Who::Root, disk.airlock("image verify"));
  EXPECT_EQ(verified.code, 254);
  EXPECT_THAT(verified.out, HasSubstr("\"example.test/tools/busybox:1.35\""));
  EXPECT_THAT(verified.err, HasSubstr("example.test/tools/marked:1.35 (" +
                                      record(disk.store(), "marked").image.text() + ")"));
  EXPECT_THAT(verified.err, HasSubstr("cannot be read back"));
  EXPECT_THAT(verified.err, HasSubstr("the medium is bad"));
  EXPECT_EQ(lines(verified.err).size(), 1U) << verified.err;

  // Fetching it again repairs it.
  done(Who::Root, disk.airlock("fetch " + std::string(kMarked)));
  EXPECT_EQ(done(Who::Root, run(disk, "marked", "wc -c </big")), "400000\n");
  done(Who::Root, disk.airlock("image verify"));
  done(Who::Root, disk.airlock("gc --grace-period=0s >/dev/null"));
}

TEST_F(Verity, C04_RequireContentRefusesAFileSystemWithoutIt) {
  Disk disk("plain", "^verity");
  done(Who::Root, disk.airlock("fetch " + std::string(kBusybox)));
  policy("require content\n");
  refused(run(disk, "busybox", "true"), "E_REQUIRED", "example.test/tools/busybox");
  policy("require content=rehash\n");
  EXPECT_EQ(done(Who::Root, run(disk, "busybox", "echo hello")), "hello\n");
  must("printf x | dd of=" + treeOf(disk.store(), "busybox") +
       " bs=1 seek=5000 conv=notrunc status=none");
  refused(run(disk, "busybox", "true"), "E_CONTENT", "is not the one that was imported");
  done(Who::Root, disk.airlock("gc --grace-period=0s >/dev/null"));
}

TEST_F(Verity, C04_AnotherTreeInItsPlaceIsRefusedWhateverPolicySays) {
  Disk disk("replaced", "verity");
  policy("");
  done(Who::Root, disk.airlock("fetch " + std::string(kBusybox)));
  const std::string tree = treeOf(disk.store(), "busybox");
  // With fs-verity of its own, as somebody would put it there who can write the disk.
  must("cp " + tree +
       " /run/changed; printf x | dd of=/run/changed bs=1 seek=5000 conv=notrunc "
       "status=none; cp /run/changed " +
       tree + ".new; fsverity enable " + tree + ".new; mv -f " + tree + ".new " + tree);
  refused(run(disk, "busybox", "true"), "E_CONTENT", "is not the one that was imported");
  // And without.
  must("cp /run/changed " + tree + ".new; mv -f " + tree + ".new " + tree);
  refused(run(disk, "busybox", "true"), "E_CONTENT", "is not the one that was imported");
  done(Who::Root, disk.airlock("fetch " + std::string(kBusybox)));
  EXPECT_EQ(done(Who::Root, run(disk, "busybox", "echo hello")), "hello\n");
  done(Who::Root, disk.airlock("gc --grace-period=0s >/dev/null"));
}

TEST_F(Verity, C04_ARecordWithAnotherDigestIsRefused) {
  Disk disk("record", "verity");
  policy("");
  done(Who::Root, disk.airlock("fetch " + std::string(kBusybox)));
  ipc::CatalogRecord changed = record(disk.store(), "busybox");
  const std::string file = disk.store() + "/store/catalog/" + changed.image.text();
  ASSERT_TRUE(changed.verity);
  changed.verity = VerityDigest(VerityDigest::Bytes{1});
  writeFile(file, ipc::encode(changed).value());
  refused(run(disk, "busybox", "true"), "E_CONTENT", "is not the one that was imported");
  // As an older engine wrote it: the image is used, but nothing says that the kernel checks it.
  changed.verity.reset();
  writeFile(file, ipc::encode(changed).value());
  EXPECT_EQ(done(Who::Root, run(disk, "busybox", "echo hello")), "hello\n");
  policy("require content\n");
  refused(run(disk, "busybox", "true"), "E_REQUIRED", "example.test/tools/busybox");
  done(Who::Root, disk.airlock("fetch " + std::string(kBusybox)));
  EXPECT_EQ(done(Who::Root, run(disk, "busybox", "echo hello")), "hello\n");
  done(Who::Root, disk.airlock("gc --grace-period=0s >/dev/null"));
}

TEST_F(Verity, NobodyCanWriteAStoredTree) {
  const std::string tree = must("ls " + std::string(kTrees) + " | head -n 1");
  EXPECT_NE(shell("printf x >>" + std::string(kTrees) + tree).code, 0);
}

}  // namespace
}  // namespace airlock::test
