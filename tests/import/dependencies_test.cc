// SPDX-License-Identifier: Apache-2.0
// Images that need others, through the real helper, the real roles and the real command line.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include "base/syscall.h"
#include "tests/import/fixture.h"

namespace airlock::test {
namespace {

namespace fs = std::filesystem;

class Dependencies : public Import {
 protected:
  // example.test/tools/NAME with the files NAME and shared; `more` goes into the manifest.
  std::string image(const std::string& name, const std::string& more = "") {
    return makeImage(
        *files_ / (name + ".aci"),
        {.name = "example.test/tools/" + name,
         .prepare = "echo " + name + " > rootfs/" + name + "; echo " + name + " > rootfs/shared",
         .manifest =
             R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.test/tools/)" +
             name +
             R"(","labels":[{"name":"version","value":"1"},{"name":"os","value":"linux"},)"
             R"({"name":"arch","value":"amd64"}],"app":{"exec":["/bin/true"],"user":"0","group":"0"})" +
             more + "}"});
  }
  static std::string needs(const std::string& names) {
    return R"(,"dependencies":[)" + names + "]";
  }
  static std::string one(const std::string& name) {
    return R"({"imageName":"example.test/tools/)" + name + R"("})";
  }
  Reply take(const std::string& path, const std::string& name) {
    return engine_->import(path, signer_->sign(path), named("example.test/tools/" + name));
  }
  void mustTake(const std::string& path, const std::string& name) {
    const Reply reply = take(path, name);
    ASSERT_EQ(reply.code(), "") << reply.text();
    ASSERT_TRUE(std::holds_alternative<ipc::Imported>(*reply.reply));
  }
  // aa needs bb and cc, cc needs dd.
  void takeAll() {
    mustTake(image("dd"), "dd");
    mustTake(image("bb"), "bb");
    mustTake(image("cc", needs(one("dd"))), "cc");
    mustTake(image("aa", needs(one("bb") + "," + one("cc"))), "aa");
  }
  ipc::CatalogRecord record(const std::string& name) const {
    for (const auto& each : engine_->images())
      if (each.name.text() == "example.test/tools/" + name) return each;
    ADD_FAILURE() << "no image " << name;
    return {.name = ImageName::parse("missing").value()};
  }
  Outcome airlock(const std::string& arguments) const {
    std::string words = std::string(AIRLOCK_BINARY_DIR) + "/bin/airlock";
    for (const std::string& path : engine_->pathArguments()) words += " " + path;
    return shell(words + " " + arguments);
  }
};

TEST_F(Dependencies, AnExtractedImageKeepsTheAttributesOfTheUser) {
  const std::string file = *files_ / "attributed.aci";
  makeImage(file, {.archiver = "tar --xattrs --format=pax",
                   .prepare = "setfattr -n user.origin -v there rootfs/etc/passwd && "
                              "setfattr -n user.of -v directory rootfs/data"});
  signer_->sign(file);
  mustTake(file, "busybox");
  const std::string out = *files_ / "attributed";
  const Outcome done = airlock("image extract --rootfs-only example.test/tools/busybox " + out);
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(must("getfattr --only-values -n user.origin " + out + "/etc/passwd"), "there");
  EXPECT_EQ(must("getfattr --only-values -n user.of " + out + "/data"), "directory");
}

TEST_F(Dependencies, AnImageIsRenderedWithWhatItNeeds) {
  takeAll();
  const ipc::CatalogRecord aa = record("aa");
  ASSERT_EQ(aa.dependencies.size(), 3U);
  EXPECT_EQ(aa.dependencies[0].name.text(), "example.test/tools/cc");
  EXPECT_EQ(aa.dependencies[1].name.text(), "example.test/tools/dd");
  EXPECT_EQ(aa.dependencies[2].name.text(), "example.test/tools/bb");
  EXPECT_EQ(aa.dependencies[1].depth, 2U);
  EXPECT_EQ(aa.dependencies[0].signers.at(0).fingerprint.text(), signer_->fingerprint());

  const std::string out = *files_ / "out";
  const Outcome rendered = airlock("image render example.test/tools/aa " + out + "/render");
  EXPECT_NE(rendered.code, 0) << "the directory above it is not there";
  fs::create_directory(out);
  const Outcome again = airlock("image render example.test/tools/aa " + out + "/render");
  ASSERT_EQ(again.code, 0) << again.err;
  for (const char* name : {"aa", "bb", "cc", "dd"})
    EXPECT_TRUE(fs::exists(out + "/render/rootfs/" + name)) << name;
  EXPECT_EQ(readFile(out + "/render/rootfs/shared"), "aa\n");
  EXPECT_NE(readFile(out + "/render/manifest").find("example.test/tools/aa"), std::string::npos);
  must("fsck.erofs " + engine_->data() + "/store/tree/" + aa.tree.text());

  // Alone it has only what is its own.
  const Outcome alone =
      airlock("image extract --rootfs-only example.test/tools/aa " + out + "/alone");
  ASSERT_EQ(alone.code, 0) << alone.err;
  EXPECT_TRUE(fs::exists(out + "/alone/aa"));
  EXPECT_FALSE(fs::exists(out + "/alone/bb"));
  EXPECT_FALSE(fs::exists(out + "/alone/manifest"));

  const Outcome exported = airlock("image export example.test/tools/aa " + out + "/aa.aci");
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_EQ("sha512-" + must("sha512sum < " + out + "/aa.aci | cut -d' ' -f1 | tr -d '\\n'"),
            aa.image.text());
  const Outcome twice = airlock("image export example.test/tools/aa " + out + "/aa.aci");
  EXPECT_EQ(twice.code, 254);
  EXPECT_NE(twice.err.find("output ACI file exists (try --overwrite)"), std::string::npos);
  EXPECT_EQ(airlock("image export --overwrite example.test/tools/aa " + out + "/aa.aci").code, 0);
  fs::remove_all(out);
}

TEST_F(Dependencies, WhatIsMissingIsNamedAndNothingIsKept) {
  const HostState before = engine_->state();
  const Reply reply =
      take(image("aa", needs(R"({"imageName":"example.test/tools/bb","size":7,"labels":)"
                             R"([{"name":"version","value":"1"}],"imageID":"sha512-abcd"})")),
           "aa");
  ASSERT_EQ(reply.code(), "") << reply.text();
  const auto& missing = reply.as<ipc::DependenciesMissing>().images;
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].name.text(), "example.test/tools/bb");
  EXPECT_EQ(missing[0].id, "sha512-abcd");
  EXPECT_EQ(missing[0].size, 7U);
  EXPECT_EQ(labelValue(missing[0].labels, "version"), "1");
  EXPECT_EQ(difference(before, engine_->state()), "");
}

TEST_F(Dependencies, AnUnsignedImageMakesNobodyFetch) {
  const std::string path = image("aa", needs(one("bb")));
  const Reply reply = engine_->import(path, std::nullopt, named("example.test/tools/aa"));
  EXPECT_EQ(reply.code(), "E_SIG_MISSING") << reply.text();
}

TEST_F(Dependencies, ADamagedFileOfADependencyIsRefused) {
  mustTake(image("bb"), "bb");
  mustTake(image("other"), "other");
  const std::string blobs = engine_->data() + "/store/blob/";
  fs::copy_file(blobs + record("other").blob.text(), blobs + record("bb").blob.text(),
                fs::copy_options::overwrite_existing);
  const std::string aa = image("aa", needs(one("bb")));
  expectRefused("E_DIGEST", aa, signer_->sign(aa), named("example.test/tools/aa"));
}

#ifdef AIRLOCK_TEST_HOOKS
TEST_F(Dependencies, KilledWhenTheTreeIsRenderedNothingIsLeft) {
  mustTake(image("bb"), "bb");
  const std::string aa = image("aa", needs(one("bb")));
  const std::string signature = signer_->sign(aa);
  const HostState before = engine_->state();
  const Reply died =
      engine_->import(aa, signature, named("example.test/tools/aa"), {.fault = "render-done"});
  ASSERT_TRUE(died.helper);
  EXPECT_EQ(died.helper->signal, SIGKILL);
  EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "");
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}
#endif

TEST_F(Dependencies, ADependencyWhoseKeyIsNoLongerTrustedStopsTheStart) {
  const Signer other;
  engine_->trust(other, "example.test/tools/bb");
  const std::string bb = image("bb");
  ASSERT_EQ(engine_->import(bb, other.sign(bb), named("example.test/tools/bb")).code(), "");
  mustTake(image("aa", needs(one("bb"))), "aa");
  must("find " + engine_->config() + " -name " + other.fingerprint() + " -delete");
  engine_->listen();
  Connection alice = engine_->connectAs(memberOfAirlock());
  const Streams streams = makeStreams();
  const auto fds = streams.refs();
  const Reply reply = alice.ask(runRequest(record("aa").image, {"/bin/true"}), fds);
  EXPECT_EQ(reply.code(), "E_SIG_UNTRUSTED") << reply.text();
  EXPECT_NE(reply.text().find("example.test/tools/bb:1, which is part of"), std::string::npos)
      << reply.text();
}

TEST_F(Dependencies, AnOwnWhitelistHoldsWithoutDependencies) {
  mustTake(image("aa", R"(,"pathWhitelist":["/bin/busybox","/aa"])"), "aa");
  const std::string out = *files_ / "white";
  const Outcome rendered = airlock("image render --rootfs-only example.test/tools/aa " + out);
  ASSERT_EQ(rendered.code, 0) << rendered.err;
  EXPECT_TRUE(fs::exists(out + "/aa"));
  EXPECT_TRUE(fs::exists(out + "/bin/busybox"));
  EXPECT_FALSE(fs::exists(out + "/shared"));
  fs::remove_all(out);
}

TEST_F(Dependencies, AnImageIsReadOnlyByWhoMayRunIt) {
  mustTake(image("aa"), "aa");
  const ImageId id = record("aa").image;
  engine_->listen();
  Connection stranger = engine_->connectAs({.uid = 4343, .gid = 4343, .groups = {}});
  EXPECT_EQ(stranger.ask(ipc::OpenImageRequest{id, false}).code(), "E_DENIED");
  Connection alice = engine_->connectAs(memberOfAirlock());
  Reply reply = alice.ask(ipc::OpenImageRequest{id, false});
  ASSERT_EQ(reply.code(), "") << reply.text();
  const Fd file = reply.fds.take(0).value();
  EXPECT_EQ(::fcntl(file.get(), F_GETFL) & O_ACCMODE, O_RDONLY);
}

TEST_F(Dependencies, CollectingTakesWhatNobodyUses) {
  takeAll();
  const Outcome kept = airlock("image gc");
  EXPECT_EQ(kept.code, 0) << kept.err;
  EXPECT_EQ(kept.out, "");
  EXPECT_EQ(engine_->images().size(), 4U);
  const Outcome gone = airlock("image gc --grace-period=0");
  EXPECT_EQ(gone.code, 0) << gone.err;
  EXPECT_NE(gone.out.find("successfully removed aci for image: \"sha512-"), std::string::npos);
  EXPECT_NE(gone.out.find("(\"example.test/tools/aa:1\")"), std::string::npos);
  EXPECT_NE(gone.err.find("4 image(s) successfully removed"), std::string::npos);
  for (const char* folder : {"catalog", "name", "manifest", "signature", "blob", "tree"})
    EXPECT_TRUE(fs::is_empty(engine_->data() + "/store/" + folder)) << folder;
}

}  // namespace
}  // namespace airlock::test
