// SPDX-License-Identifier: Apache-2.0
// OCI images on their way into root's store, and what runs of them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>

#include "tests/support/engine.h"
#include "tests/support/oci_images.h"
#include "tests/support/shell.h"

namespace airlock::test {
namespace {

class OciImport : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    files_ = std::make_unique<Scratch>();
    busybox_ = makeBusyboxLayer(*files_ / "busybox");
  }
  static void TearDownTestSuite() { files_.reset(); }
  void SetUp() override {
    AIRLOCK_NEEDS_ROOT();
    engine_ = std::make_unique<Engine>();
    engine_->policy("10-unsigned.policy",
                    "allow root fetch,run image=registry.test signer=any insecure=image\n");
  }

  static OciImportOptions unsignedImage() { return {.skipSignature = true}; }
  static OciTestLayer layer(const std::string& name, const std::string& script,
                            const std::string& compress = "gzip -nc") {
    return makeOciLayer(*files_ / name, script, compress);
  }
  ImageId imported(const OciTestImage& image, const OciImportOptions& options = unsignedImage()) {
    const OciReply done = importOci(*engine_, image, options);
    EXPECT_EQ(done.reply.code(), "") << done.reply.text();
    return image.id();
  }
  // What the command prints in a pod of the image.
  std::string run(const ImageId& image, std::vector<std::string> exec) {
    Streams streams = makeStreams();
    Reply reply = engine_->ask(runRequest(image, std::move(exec)), streams.refs());
    EXPECT_EQ(reply.code(), "") << reply.text();
    if (reply.code() != "") return reply.text();
    RunningPod pod = takePod(reply);
    static_cast<void>(eventsOf(pod));
    return streams.printed();
  }
  void expectRefused(const std::string& code, const OciTestImage& image,
                     const OciImportOptions& options) {
    const HostState before = engine_->state();
    const OciReply refused = importOci(*engine_, image, options);
    EXPECT_EQ(refused.reply.code(), code) << refused.reply.text();
    EXPECT_EQ(refused.reply.text().find('\n'), std::string::npos) << refused.reply.text();
    EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
        << difference(before, engine_->state());
  }

  static inline std::unique_ptr<Scratch> files_;
  static inline OciTestLayer busybox_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(OciImport, APodSeesTheStackOfLayers) {
  const OciTestImage image = makeOciImage(
      {busybox_, layer("one", "mkdir d; echo 1 > d/a; echo 1 > d/b; echo old > top"),
       layer("two", "mkdir d; touch d/.wh.a; echo 2 > d/c; echo new > top", "zstd -qc"),
       layer("three", "mkdir -p d; ln -s c d/link", "cat")});
  const ImageId id = imported(image);
  EXPECT_EQ(run(id, {"/bin/sh", "-c", "cd /d; ls; cat c link /top; stat -c %a /tmp"}),
            "b\nc\nlink\n2\n2\nnew\n1777\n");
  const auto images = engine_->images();
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].layers.size(), 4U);
  EXPECT_EQ(images[0].image, id);
}

TEST_F(OciImport, TwentyLayersAreOneTree) {
  std::vector<OciTestLayer> layers = {busybox_};
  for (int i = 1; i < 20; ++i) {
    const std::string n = std::to_string(i);
    layers.push_back(layer("l" + n, "echo " + n + " > f" + n + "; echo " + n + " > last"));
  }
  const ImageId id = imported(makeOciImage(layers));
  EXPECT_EQ(run(id, {"/bin/sh", "-c", "cat /last; ls / | grep -c ^f; echo x > /f3; cat /f3"}),
            "19\n19\nx\n");
}

TEST_F(OciImport, ALayerThatIsThereIsNotAskedForAgain) {
  const OciTestLayer shared = layer("shared", "echo s > s");
  imported(makeOciImage({busybox_, shared, layer("a", "echo a > a")}));
  const OciTestImage second = makeOciImage({busybox_, shared, layer("b", "echo b > b")});
  const OciReply done = importOci(*engine_, second, unsignedImage());
  EXPECT_EQ(done.reply.code(), "") << done.reply.text();
  EXPECT_EQ(done.wanted, std::vector<std::uint32_t>{2});
  EXPECT_EQ(run(second.id(), {"/bin/cat", "/s", "/b"}), "s\nb\n");
}

TEST_F(OciImport, ALayerThatComesTwiceIsSentOnce) {
  const OciTestLayer twice = layer("twice", "echo t > t");
  const OciTestImage image = makeOciImage({busybox_, twice, layer("gone", "touch .wh.t"), twice});
  const OciReply done = importOci(*engine_, image, unsignedImage());
  EXPECT_EQ(done.reply.code(), "") << done.reply.text();
  EXPECT_EQ(done.wanted, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(run(image.id(), {"/bin/cat", "/t"}), "t\n");
}

TEST_F(OciImport, WhatALayerNeedsOfThoseBelowMayComeLater) {
  // Made by hand: tar writes no link to a file that it does not have.
  const OciTestLayer linked{.path = *files_ / "linked"};
  must("python3 - <<'END'\nimport tarfile,gzip\nt=tarfile.open('" + linked.path +
       "','w:gz')\ni=tarfile.TarInfo('alias'); i.type=tarfile.LNKTYPE; i.linkname='bin/busybox'\n"
       "t.addfile(i)\ni=tarfile.TarInfo('tmp/x'); i.size=0; t.addfile(i)\nt.close()\nEND");
  const OciTestImage image = makeOciImage({busybox_, linked});
  const ImageId id = imported(image);
  EXPECT_EQ(run(id, {"/bin/sh", "-c", "cmp /alias /bin/busybox && stat -c %a /tmp"}), "1777\n");
}

TEST_F(OciImport, TheConfigSaysWhatRunsAndAsWhom) {
  const OciTestImage image =
      makeOciImage({busybox_}, R"({"Entrypoint":["/bin/id"],"User":"www","Env":["A=1"]})");
  const ImageId id = imported(image);
  const std::string manifest = readFile(engine_->data() + "/store/manifest/" + id.text());
  EXPECT_NE(manifest.find("\"exec\":[\"/bin/id\"]"), std::string::npos) << manifest;
  EXPECT_NE(manifest.find("\"group\":\"@user\""), std::string::npos) << manifest;
}

TEST_F(OciImport, S28_AnUnsignedImageIsRefused) {
  expectRefused("E_SIG_MISSING", makeOciImage({busybox_}), {});
}

TEST_F(OciImport, PolicyIsAskedBeforeALayerIs) {
  engine_->policy("50-airlock.policy", "");
  OciImportOptions options = unsignedImage();
  options.name = "elsewhere.test/tools/busybox";
  const OciReply refused = importOci(*engine_, makeOciImage({busybox_}), options);
  EXPECT_EQ(refused.reply.code(), "E_DENIED") << refused.reply.text();
  EXPECT_TRUE(refused.wanted.empty());
}

TEST_F(OciImport, F05_ALayerThatIsAnotherOneIsRefused) {
  const OciTestLayer other = layer("other", "echo other > o");
  OciImportOptions options = unsignedImage();
  options.instead = std::pair(1U, other.path);
  expectRefused("E_DIGEST", makeOciImage({busybox_, layer("right", "echo right > r")}), options);
}

TEST_F(OciImport, F05_AConfigThatTheManifestDoesNotNameIsRefused) {
  OciTestImage image = makeOciImage({busybox_});
  image.config += " ";
  expectRefused("E_DIGEST", image, unsignedImage());
}

TEST_F(OciImport, AnIndexMustNameTheManifest) {
  OciTestImage image = makeOciImage({busybox_});
  const auto index = [](const std::string& manifest) {
    return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)"
           R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
           ociText(ociDigestOf(manifest)) + R"(","size":)" + std::to_string(manifest.size()) +
           R"(,"platform":{"os":"linux","architecture":"amd64"}}]})";
  };
  image.index = index("another");
  expectRefused("E_DIGEST", image, unsignedImage());
  image.index = index(image.manifest);
  const ImageId id = imported(image);
  EXPECT_EQ(engine_->images()[0].index, ociDigestOf(image.index));
  EXPECT_EQ(engine_->images()[0].image, id);
}

TEST_F(OciImport, LayersOfUnknownKindsAreRefusedByName) {
  OciTestLayer foreign = busybox_;
  foreign.mediaType = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  expectRefused("E_MEDIA_TYPE", makeOciImage({foreign}), unsignedImage());
}

TEST_F(OciImport, T14_ABombIsRefused) {
  expectRefused("E_RATIO",
                makeOciImage({busybox_, layer("bomb", "truncate -s 300M zeros", "gzip -9nc")}),
                unsignedImage());
}

TEST_F(OciImport, ACallerThatStopsLeavesNothing) {
  const OciTestImage image = makeOciImage({busybox_, layer("more", "echo m > m")});
  const HostState before = engine_->state();
  OciImportOptions options = unsignedImage();
  options.stopAfter = 1;
  importOci(*engine_, image, options);
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}

TEST_F(OciImport, AKilledImportLeavesNothing) {
  const OciTestImage image = makeOciImage({busybox_, layer("kill", "echo k > k")});
  for (const char* point :
       {"oci-authenticated", "oci-described", "oci-layer-copied", "oci-layer-converted",
        "import-synced", "import-intent", "import-blob", "import-linked", "import-indexed"}) {
    Engine engine;
    engine.policy("10-unsigned.policy",
                  "allow root fetch,run image=registry.test signer=any insecure=image\n");
    OciImportOptions options = unsignedImage();
    options.start.fault = point;
    // Layers are taken by copies of the helper: it outlives one, and says so.
    const bool ofACopy = std::string_view(point).starts_with("oci-layer-");
    EXPECT_EQ(importOci(engine, image, options).reply.code(), ofACopy ? "E_WORKER" : "(none)")
        << point;
    EXPECT_TRUE(engine.images().empty()) << point;
    // The next one repairs what was left, and succeeds.
    EXPECT_EQ(importOci(engine, image, unsignedImage()).reply.code(), "") << point;
    EXPECT_EQ(must("ls " + engine.data() + "/store/blob | wc -l"), "4\n") << point;
    EXPECT_EQ(must("ls " + engine.data() + "/store/tree | wc -l"), "2\n") << point;
    EXPECT_EQ(must("ls " + engine.data() + "/store/intent | wc -l"), "0\n") << point;
  }
}

TEST_F(OciImport, RemovalKeepsWhatOtherImagesNeed) {
  const OciTestLayer shared = layer("kept", "echo s > s");
  const ImageId first = imported(makeOciImage({busybox_, shared, layer("ra", "echo a > a")}));
  const ImageId second = imported(makeOciImage({busybox_, shared, layer("rb", "echo b > b")}));
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{first}).code(), "");
  EXPECT_EQ(run(second, {"/bin/cat", "/s", "/b"}), "s\nb\n");
  must("rm -rf " + engine_->data() + "/pods/*/*");
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{second}).code(), "");
  for (const char* folder : {"blob", "tree", "manifest", "catalog", "name", "signature"}) {
    EXPECT_EQ(must("ls " + engine_->data() + "/store/" + folder), "") << folder;
  }
}

TEST_F(OciImport, VerifyTellsAChangedLayer) {
  const ImageId id = imported(makeOciImage({busybox_, layer("v", "echo v > v")}));
  const auto verify = [&] { return engine_->ask(ipc::VerifyImageRequest{id}); };
  EXPECT_TRUE(verify().as<ipc::ImageVerified>().treeIntact);
  must("f=$(ls -S " + engine_->data() +
       "/store/tree/* | tail -1); chmod u+w $f; "
       "printf X | dd of=$f bs=1 seek=5000 conv=notrunc status=none");
  const Reply changed = verify();
  EXPECT_FALSE(changed.as<ipc::ImageVerified>().treeIntact);
  EXPECT_NE(changed.as<ipc::ImageVerified>().detail.find("layer sha256-"), std::string::npos);
}

}  // namespace
}  // namespace airlock::test
