// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "base/syscall.h"
#include "store/signers.h"
#include "store/store_for_test.h"

namespace airlock::store {
namespace {

TEST_F(StoreTest, AnImageExistsWhenItsRecordDoes) {
  Store store = open();
  EXPECT_TRUE(store.commit(staged(store, "example.com/a", "1", "tree")).value());
  EXPECT_FALSE(store.commit(staged(store, "example.com/a", "1", "tree")).value());
  const auto images = store.images().value();
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(store.manifest(images[0]).value(), "{}");
  EXPECT_TRUE(store.openTree(images[0].tree));
  EXPECT_EQ(count("intent"), 0U);
  EXPECT_EQ(count("tree"), 1U);
}

TEST_F(StoreTest, C04_ImportingAgainReplacesWhatTheDiskHasLost) {
  Store store = open();
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "1", "tree")));
  ASSERT_TRUE(store.commit(staged(store, "example.com/b", "1", "tree")));  // shares it
  const ipc::CatalogRecord record = store.images().value()[0];
  const std::string file = path_ + "/store/tree/" + treeName(record.tree).text();
  fs::resize_file(file, 2);
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "1", "tree")));
  EXPECT_EQ(sys::readAll(store.openTree(record.tree).value(), 100).value(), "tree");
  EXPECT_EQ(count("tree"), 1U);
  EXPECT_EQ(count("blob"), 2U);
}

TEST_F(StoreTest, ImportingAgainDoesNotTakeAnImageOver) {
  Store store = open();
  const auto by = [&](uid_t uid) {
    auto image = staged(store, "example.com/a", "1", "tree");
    image.record.importerUid = uid;
    EXPECT_TRUE(store.commit(std::move(image)));
    return store.images().value()[0].importerUid;
  };
  EXPECT_EQ(by(1000), 1000U);
  EXPECT_EQ(by(1001), 1000U);
  EXPECT_EQ(by(0), 0U) << "the administrator may";
  EXPECT_EQ(by(1000), 0U);
}

TEST_F(StoreTest, FindsByNameLabelsAndPrefix) {
  Store store = open();
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "1", "t")));
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "2", "tt")));
  const ImageName a = ImageName::parse("example.com/a").value();
  EXPECT_EQ(labelValue(store.find(a, {}).value()->labels, "version"), "2");  // the newest
  EXPECT_EQ(labelValue(store.find(a, {{"version", "1"}}).value()->labels, "version"), "1");
  EXPECT_FALSE(store.find(a, {{"version", "3"}}).value());
  const std::string id = store.find(a, {}).value()->image.text();
  EXPECT_EQ(store.findByPrefix(id.substr(0, 19)).value().image.text(), id);
  EXPECT_EQ(store.findByPrefix("sha512-").error().code(), "E_DIGEST");
  EXPECT_EQ(store.findByPrefix("sha512-zz").error().code(), "E_NOT_FOUND");
}

TEST_F(StoreTest, RemovingAnImageKeepsWhatOthersShare) {
  Store store = open();
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "1", "shared")));
  ASSERT_TRUE(store.commit(staged(store, "example.com/b", "1", "shared")));
  EXPECT_EQ(count("tree"), 1U);
  ASSERT_TRUE(store.remove(store.images().value()[0]));
  EXPECT_EQ(count("tree"), 1U);
  EXPECT_EQ(count("blob"), 1U);
  ASSERT_TRUE(store.remove(store.images().value()[0]));
  for (const char* folder : {"catalog", "manifest", "blob", "tree", "signature", "intent"}) {
    EXPECT_EQ(count(folder), 0U) << folder;
  }
}

TEST_F(StoreTest, C01_AStoreThatOthersCanWriteIsRefused) {
  fs::permissions(path_, fs::perms::all);
  EXPECT_EQ(Store::openForWriting(path_).error().code(), "E_STORE");
}

TEST_F(StoreTest, ANewerFormatIsLeftAlone) {
  open();
  Fd top = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  ASSERT_TRUE(sys::replaceFile(top, name("VERSION"), "4\n", 0644));
  EXPECT_EQ(Store::openForWriting(path_).error().code(), "E_STORE");
  EXPECT_EQ(Store::openForReading(path_).error().code(), "E_STORE");
  EXPECT_EQ(sys::readFile(top, name("VERSION"), 64).value(), "4\n");
}

TEST_F(StoreTest, TheNameIndexFollowsTheCatalog) {
  Store store = open();
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "1", "t")));
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "2", "tt")));
  ASSERT_TRUE(store.commit(staged(store, "example.com/b", "1", "ttt")));
  EXPECT_EQ(count("name"), 2U);
  ASSERT_TRUE(store.remove(*store.find(ImageName::parse("example.com/b").value(), {}).value()));
  EXPECT_EQ(count("name"), 1U);
  // A store without it is only slower: an older engine may have left one.
  fs::remove_all(path_ + "/store/name");
  EXPECT_TRUE(store.find(ImageName::parse("example.com/a").value(), {{"version", "1"}}).value());
}

TEST_F(StoreTest, WithoutAVersionWhatWasFetchedWithoutOneComesFirst) {
  Store store = open();
  auto latest = staged(store, "example.com/a", "1", "t");
  latest.record.latest = true;
  ASSERT_TRUE(store.commit(std::move(latest)));
  ASSERT_TRUE(store.commit(staged(store, "example.com/a", "2", "tt")));
  const ImageName a = ImageName::parse("example.com/a").value();
  EXPECT_EQ(labelValue(store.find(a, {}).value()->labels, "version"), "1");
  EXPECT_EQ(labelValue(store.find(a, {{"version", "2"}}).value()->labels, "version"), "2");
}

#ifdef AIRLOCK_TEST_HOOKS
TEST_F(StoreTest, C03_KilledAtAnyStepOfACommitTheStoreIsAsBeforeOrAfter) {
  for (const char* point : {"import-synced", "import-intent", "import-blob", "import-linked",
                            "import-indexed", "import-recorded"}) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("AIRLOCK_FAULT", point, 1);
      Store store = open();
      static_cast<void>(store.commit(staged(store, "example.com/a", "1", "tree")));
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << point;
    Store store = open();  // repairs
    const auto images = store.images().value();
    EXPECT_EQ(count("intent"), 0U) << point;
    EXPECT_EQ(count("tree"), images.size()) << point;
    EXPECT_EQ(count("blob"), images.size()) << point;
    for (const auto& image : images) ASSERT_TRUE(store.remove(image));
  }
}

TEST_F(StoreTest, C03_KilledWhileRemovingTheImageIsThereOrGone) {
  for (const char* point : {"remove-intent", "remove-unlinked"}) {
    {
      Store store = open();
      ASSERT_TRUE(store.commit(staged(store, "example.com/a", "1", "tree")));
    }
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("AIRLOCK_FAULT", point, 1);
      Store store = open();
      static_cast<void>(store.remove(store.images().value()[0]));
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << point;
    Store store = open();
    EXPECT_EQ(count("tree"), store.images().value().size()) << point;
    EXPECT_EQ(count("intent"), 0U) << point;
  }
}
#endif

const KeyFingerprint kKey = KeyFingerprint::parse(std::string(40, 'a')).value();

ipc::SignatureVerdict verdict(const char* code, char key) {
  return {.code = code,
          .fingerprint = std::string(40, key),
          .userId = "A <a@example.com>",
          .hash = "SHA512"};
}

TEST(Signatures, S04_OneGoodOneUnknownIsEnough) {
  const auto signers =
      decideSignatures({true, {verdict("E_SIG_NOKEY", 'b'), verdict("good", 'a')}}, {kKey}, "x");
  ASSERT_TRUE(signers);
  EXPECT_EQ(signers->size(), 1U);
}

TEST(Signatures, S05_ABadSignatureByATrustedKeyOutweighsAGoodOne) {
  EXPECT_EQ(decideSignatures({true, {verdict("good", 'a'), verdict("E_SIG_BAD", 'a')}}, {kKey}, "x")
                .error()
                .code(),
            "E_SIG_BAD");
}

TEST(Signatures, S06_TheSameKeyTwiceCountsOnce) {
  EXPECT_EQ(decideSignatures({true, {verdict("good", 'a'), verdict("good", 'a')}}, {kKey}, "x")
                .value()
                .size(),
            1U);
}

TEST(Signatures, I14_AVerdictForAKeyThatIsNotTrustedHereIsNotBelieved) {
  EXPECT_EQ(decideSignatures({true, {verdict("good", 'b')}}, {kKey}, "x").error().code(),
            "E_SIG_UNTRUSTED");
}

TEST(Signatures, I14_WithoutANameTheAdviceNamesNone) {
  const Error error = decideSignatures({true, {verdict("good", 'b')}}, {kKey}, "").error();
  EXPECT_TRUE(error.message().starts_with("the image is signed by "));
  EXPECT_NE(error.hint().find("--prefix=<image name> "), std::string::npos) << error.hint();
}

TEST(Signatures, S11_NoSignatureIsNeverSuccess) {
  EXPECT_EQ(decideSignatures({true, {}}, {kKey}, "x").error().code(), "E_SIG_MISSING");
}

}  // namespace
}  // namespace airlock::store
