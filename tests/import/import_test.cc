// SPDX-License-Identifier: Apache-2.0
// Images that are accepted, through the real helper and the real roles.
#include <fcntl.h>

#include "base/digest.h"
#include "base/syscall.h"
#include "tests/import/fixture.h"

namespace airlock::test {
namespace {

TEST_F(Import, ASignedImageIsRecordedAsWhatItIs) {
  const Reply reply = engine_->import(image_, signature_, named());
  ASSERT_EQ(reply.code(), "") << reply.text();
  const auto& imported = reply.as<ipc::Imported>();
  EXPECT_EQ(imported.name.text(), "example.test/tools/busybox");
  EXPECT_FALSE(imported.alreadyThere);
  ASSERT_EQ(imported.signers.size(), 1U);
  EXPECT_EQ(imported.signers[0].fingerprint.text(), signer_->fingerprint());

  const auto images = engine_->images();
  ASSERT_EQ(images.size(), 1U);
  const ipc::CatalogRecord& record = images[0];
  // The names that our tools give and those that everybody else's tools give are the same.
  EXPECT_EQ("sha512-" + must("gzip -dc " + image_ + " | sha512sum | cut -d' ' -f1 | tr -d '\\n'"),
            record.image.text());
  EXPECT_EQ("blake2b-" + must("b2sum < " + image_ + " | cut -d' ' -f1 | tr -d '\\n'"),
            record.blob.text());
  EXPECT_EQ(imported.image, record.image);
  const std::string tree = engine_->data() + "/store/tree/" + record.tree.text();
  EXPECT_EQ("blake2b-" + must("b2sum < " + tree + " | cut -d' ' -f1 | tr -d '\\n'"),
            record.tree.text());
  EXPECT_EQ(record.labels.size(), 3U);
  EXPECT_EQ(labelValue(record.labels, "version"), "1.35");
  EXPECT_TRUE(record.hasSignature);
  EXPECT_EQ(record.importerUid, 0U);
  EXPECT_NE(record.rule.find("50-airlock.policy:6: allow root"), std::string::npos) << record.rule;
  EXPECT_EQ(readFile(engine_->data() + "/store/signature/" + record.image.text()),
            readFile(signature_));
  must("fsck.erofs " + tree);
}

TEST_F(Import, TheSameImageAgainIsAlreadyThere) {
  ASSERT_EQ(engine_->import(image_, signature_, named()).code(), "");
  const Reply again = engine_->import(image_, signature_, named());
  ASSERT_EQ(again.code(), "");
  EXPECT_TRUE(again.as<ipc::Imported>().alreadyThere);
  EXPECT_EQ(engine_->images().size(), 1U);
}

TEST_F(Import, EveryCompressionOfBothTarsIsTheSameImage) {
  for (const char* archiver : {"tar", "bsdtar"}) {
    const std::string tar =
        makeImage(*files_ / "variant.tar", {.compress = "cat", .archiver = archiver});
    std::optional<ImageId> first;
    for (const char* filter : {"gzip -nc", "gzip -9c", "xz -c", "bzip2 -c", "zstd -qc", "cat"}) {
      const std::string path = *files_ / "variant.aci";
      must(std::string(filter) + " < " + tar + " > " + path);
      const Reply reply = engine_->import(path, signer_->sign(path), named());
      ASSERT_EQ(reply.code(), "") << archiver << " | " << filter << ": " << reply.text();
      const auto& imported = reply.as<ipc::Imported>();
      EXPECT_EQ(imported.alreadyThere, first.has_value());
      if (!first) first = imported.image;
      EXPECT_EQ(imported.image, *first);
    }
  }
  EXPECT_EQ(engine_->images().size(), 2U);
}

TEST_F(Import, APipeWillDoAsWellAsAFile) {
  auto pipe = sys::pipe().value();
  const std::string bytes = readFile(image_);
  const pid_t writer = ::fork();
  if (writer == 0) {
    pipe.readEnd.reset();
    ::_exit(sys::writeAll(pipe.writeEnd, bytes) ? 0 : 1);
  }
  pipe.writeEnd.reset();
  const Fd signature = sys::openPath(signature_, O_RDONLY).value();
  ipc::ImportRequest request = named();
  request.hasSignature = true;
  const FdRef fds[] = {pipe.readEnd, signature};
  EXPECT_EQ(engine_->ask(request, fds).code(), "");
  Child(writer, sys::pidfdOpen(writer).value()).wait().value();
}

TEST_F(Import, WithoutANameTheManifestsOwnCounts) {
  const Reply reply = engine_->import(image_, signature_);
  ASSERT_EQ(reply.code(), "") << reply.text();
  EXPECT_EQ(reply.as<ipc::Imported>().name.text(), "example.test/tools/busybox");
}

TEST_F(Import, AMinisignSignatureIsAccepted) {
  const std::string dir = files_->path();
  const std::string image = dir + "/mini.aci";
  must("cd " + dir + "; cp " + image_ +
       " mini.aci; minisign -GfW -p mini.pub -s mini.key >/dev/null; "
       "minisign -Sm mini.aci -s mini.key -x mini.sig -t 'example' >/dev/null");
  const std::string fingerprint =
      "minisign-" +  // minisign writes the number without its leading zeros
      must(
          "awk 'NR == 1 { id = $NF; while (length(id) < 16) id = 0 id; printf \"%s\", "
          "tolower(id) }' " +
          dir + "/mini.pub");
  engine_->trustKey(fingerprint, readFile(dir + "/mini.pub"), "example.test");
  const Reply reply = engine_->import(image, dir + "/mini.sig", named());
  ASSERT_EQ(reply.code(), "") << reply.text();
  EXPECT_EQ(reply.as<ipc::Imported>().signers.at(0).fingerprint.text(), fingerprint);
}

TEST_F(Import, AMemberOfTheGroupImportsThroughTheSocket) {
  engine_->listen();
  Connection alice = engine_->connectAs(memberOfAirlock());
  const Fd image = sys::openPath(image_, O_RDONLY).value();
  const Fd signature = sys::openPath(signature_, O_RDONLY).value();
  ipc::ImportRequest request = named();
  request.hasSignature = true;
  const FdRef fds[] = {image, signature};
  const Reply reply = alice.ask(request, fds);
  ASSERT_EQ(reply.code(), "") << reply.text();
  EXPECT_EQ(engine_->images().at(0).importerUid, 4242U);
}

TEST_F(Import, StoredImagesAreVerifiedAgainOnDemand) {
  ASSERT_EQ(engine_->import(image_, signature_, named()).code(), "");
  const ipc::CatalogRecord record = engine_->images().at(0);
  const Reply intact = engine_->ask(ipc::VerifyImageRequest{record.image});
  ASSERT_EQ(intact.code(), "") << intact.text();
  EXPECT_TRUE(intact.as<ipc::ImageVerified>().treeIntact);
  EXPECT_TRUE(intact.as<ipc::ImageVerified>().signatureHolds);
  // C04: one changed byte is found.
  must("printf x | dd of=" + engine_->data() + "/store/tree/" + record.tree.text() +
       " bs=1 seek=5000 conv=notrunc status=none");
  EXPECT_FALSE(
      engine_->ask(ipc::VerifyImageRequest{record.image}).as<ipc::ImageVerified>().treeIntact);
}

}  // namespace
}  // namespace airlock::test
