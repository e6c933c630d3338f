// SPDX-License-Identifier: Apache-2.0
// Images that are refused: each with its code, one line, and everything left as it was.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/syscall.h"
#include "tests/import/fixture.h"
#include "tests/support/shell.h"
#include "tests/support/software_tpm.h"

namespace airlock::test {
namespace {

TEST_F(Import, WithoutASignature) { expectRefused("E_SIG_MISSING", image_, std::nullopt); }

TEST_F(Import, ByAnUnknownKey) {
  const Signer stranger;
  const std::string image = signedBy(stranger, "unknown.aci");
  expectRefused("E_SIG_NOKEY", image, image + ".asc");
}

TEST_F(Import, ByAKeyThatIsTrustedForAnotherPrefix) {
  const Signer other;
  engine_->trust(other, "example.test/other");
  engine_->trust(other, "example.test/tool");  // S21: not a prefix of example.test/tools
  const std::string image = signedBy(other, "other.aci");
  expectRefused("E_SIG_NOKEY", image, image + ".asc");
  // Without a name to go by, every key is asked, and the name that is found decides.
  expectRefused("E_SIG_UNTRUSTED", image, image + ".asc", {});
}

TEST_F(Import, ByAKeyThatWasTakenAway) {
  engine_->trustKey(signer_->fingerprint(), "", "example.test/tools");  // an empty file masks
  expectRefused("E_SIG_NOKEY", image_, signature_);
}

TEST_F(Import, ByAnExpiredKey) {
  const Signer old({.created = "20200101T000000", .expires = "1y"});
  engine_->trust(old);
  const std::string image = signedBy(old, "expired-key.aci");
  expectRefused("E_SIG_KEY_EXPIRED", image, image + ".asc");
}

TEST_F(Import, WithAnExpiredSignature) {
  const Signer old({.created = "20200101T000000"});
  engine_->trust(old);
  const std::string image = signedBy(old, "expired-signature.aci", "--default-sig-expire 1d");
  expectRefused("E_SIG_EXPIRED", image, image + ".asc");
}

TEST_F(Import, ByARevokedKey) {
  Signer revoked;
  const std::string image = signedBy(revoked, "revoked.aci");
  revoked.revoke();
  engine_->trust(revoked);
  expectRefused("E_SIG_REVOKED", image, image + ".asc");
}

TEST_F(Import, WithASha1Signature) {
  const std::string image = signedBy(*signer_, "sha1.aci", "--digest-algo SHA1");
  expectRefused("E_SIG_HASH", image, image + ".asc");
}

TEST_F(Import, TamperedWith) {
  // Another archive under the old signature; a changed byte; a changed byte that still unpacks.
  const std::string other =
      makeImage(*files_ / "tampered.aci", {.prepare = "echo evil > rootfs/etc/evil"});
  expectRefused("E_SIG_BAD", other, signature_);
  must("cp " + image_ + " " + other + "; printf XXXX | dd of=" + other +
       " bs=1 seek=4000 conv=notrunc status=none");
  expectRefused("E_SIG_BAD", other, signature_);
  // Byte 4 of a gzip header is its time stamp.
  must("cp " + image_ + " " + other + "; printf X | dd of=" + other +
       " bs=1 seek=4 conv=notrunc status=none");
  expectRefused("E_SIG_BAD", other, signature_);
}

TEST_F(Import, Truncated) {
  const std::string part = *files_ / "part.aci";
  must("head -c 100000 " + image_ + " > " + part);
  expectRefused("E_SIG_BAD", part, signature_);
  // With a signature that fits: what is missing is said instead.
  const std::string cut = signer_->sign(part);
  expectRefused("E_TRUNCATED", part, cut);
  writeFile(part, "");
  expectRefused("E_FILTER", part, signer_->sign(part));
}

TEST_F(Import, WithAnotherNameInItsManifest) {
  const std::string image = makeImage(*files_ / "name.aci", {.name = "example.test/tools/other"});
  expectRefused("E_NAME", image, signer_->sign(image));
}

TEST_F(Import, WithoutTheLabelsThatWereAskedFor) {
  ipc::ImportRequest request = named();
  request.labels = {{"version", "2.0"}};
  expectRefused("E_LABEL", image_, signature_, request);
}

TEST_F(Import, NotAnImage) {
  const std::string file = *files_ / "text.aci";
  writeFile(file, "<html>404</html>\n");
  expectRefused("E_FILTER", file, signer_->sign(file));
  must("cd /; tar -czf " + file + " etc/hostname");
  expectRefused("E_LAYOUT", file, signer_->sign(file));
  makeImage(file, {.manifest = "{\"acKind\":\"ImageManifest\""});
  expectRefused("E_JSON", file, signer_->sign(file));
}

TEST_F(Import, WithEntriesThatLeadElsewhere) {
  struct Case {
    const char* name;
    const char* code;
    const char* python;
  };
  const Case cases[] = {
      {"absolute", "E_PATH", "add('/etc/passwd', content=b'x')"},
      {"dot-dot", "E_PATH", "add('rootfs/../../etc/passwd', content=b'x')"},
      {"through-a-link", "E_SYMLINK",
       "add('rootfs/a', tarfile.SYMTYPE, link='/etc'); add('rootfs/a/passwd', content=b'x')"},
      {"hard-link-outside", "E_LINK", "add('rootfs/a', tarfile.LNKTYPE, link='/etc/shadow')"},
      {"duplicate", "E_DUPLICATE", "add('rootfs/a', content=b'1'); add('rootfs/a', content=b'2')"},
      {"second-manifest", "E_DUPLICATE", "add('manifest', content=b'{}')"},
      {"stray", "E_LAYOUT", "add('elsewhere', content=b'x')"},
      {"fifo", "E_TYPE", "add('rootfs/f', tarfile.FIFOTYPE)"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const std::string image = hostile(std::string(one.name) + ".aci", one.python);
    expectRefused(one.code, image, image + ".asc");
  }
}

TEST_F(Import, WithDevices) {
  for (const char* kind : {"CHRTYPE", "BLKTYPE"}) {
    const std::string image =
        hostile("device.aci", std::string("add('rootfs/null', tarfile.") + kind + ")");
    expectRefused("E_DEVICE", image, image + ".asc");
  }
}

TEST_F(Import, ADecompressionBomb) {
  // A good image but for one file, of which bzip2 leaves nothing: a gigabyte from some hundred
  // kilobytes.
  const std::string bomb = makeImage(
      *files_ / "bomb.aci", {.compress = "bzip2 -c", .prepare = "truncate -s 1G rootfs/zeros"});
  ASSERT_LT(readFile(bomb).size(), 2'000'000U);
  expectRefused("E_LIMIT", bomb, signer_->sign(bomb));
}

TEST_F(Import, ByACallerWhoIsNotInPolicy) {
  engine_->listen();
  const HostState before = engine_->state();
  const Fd image = sys::openPath(image_, O_RDONLY).value();
  ipc::ImportRequest request = named();
  request.hasSignature = true;
  const Fd signature = sys::openPath(signature_, O_RDONLY).value();
  const FdRef fds[] = {image, signature};
  {
    Connection stranger = engine_->connectAs({4243, 4243, {}});
    const Reply reply = stranger.ask(request, fds);
    EXPECT_EQ(reply.code(), "E_DENIED");
    EXPECT_NE(reply.text().find("airlock"), std::string::npos)
        << "says what would help: " << reply.text();
  }
  // A member may fetch, and not without a signature.
  {
    Connection alice = engine_->connectAs(memberOfAirlock());
    request.skipSignature = true;
    request.hasSignature = false;
    const FdRef only[] = {image};
    const Reply reply = alice.ask(request, only);
    EXPECT_EQ(reply.code(), "E_DENIED");
    EXPECT_NE(reply.text().find("50-airlock.policy:10"), std::string::npos) << reply.text();
  }
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}

TEST_F(Import, OntoAFullDisk) {
  // In a mount namespace of this process's own; what the helper makes there is seen here alone.
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  const Scratch small;
  const std::string bytes = std::to_string(readFile(image_).size() + 200'000);
  ASSERT_EQ(::mount("tmpfs", small.path().c_str(), "tmpfs", 0, ("mode=0755,size=" + bytes).c_str()),
            0);
  {
    const Engine engine(small.path());
    engine.trust(*signer_, "example.test/tools");
    const HostState before = engine.state();
    const Reply reply = engine.import(image_, signature_, named());
    EXPECT_NE(reply.code(), "");
    EXPECT_NE(reply.code(), "(none)");
    EXPECT_NE(reply.text().find("space"), std::string::npos) << reply.text();
    EXPECT_TRUE(eventually([&] { return difference(before, engine.state()).empty(); }))
        << difference(before, engine.state());
  }
  EXPECT_EQ(::umount2(small.path().c_str(), MNT_DETACH), 0);
}

TEST_F(Import, RunWhereMeasurementIsRequiredAndThereIsNoTpm) {
  ASSERT_EQ(engine_->import(image_, signature_, named()).code(), "");
  SoftwareTpm tpm;
  engine_->policy("60-measure.policy", tpm.policyLine("require"));
  const Streams streams = makeStreams();
  const ipc::RunRequest request = runRequest(engine_->images().at(0).image, {"/bin/true"});
  {
    Reply reply = engine_->ask(request, streams.refs());
    ASSERT_EQ(reply.code(), "") << reply.text();
    RunningPod pod = takePod(reply);
    EXPECT_EQ(exitOf(eventsOf(pod)), 0);
    ASSERT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
  }
  tpm.stop();
  const HostState before = engine_->state();
  const Reply refused = engine_->ask(request, streams.refs());
  EXPECT_EQ(refused.code(), "E_MEASURE") << refused.text();
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}

}  // namespace
}  // namespace airlock::test
