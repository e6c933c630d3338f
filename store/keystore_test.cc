// SPDX-License-Identifier: Apache-2.0
#include "store/keystore.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace airlock::store {
namespace {

namespace fs = std::filesystem;
const std::string kA(40, 'a');
const std::string kB(40, 'b');

class KeyStoreTest : public testing::Test {
 protected:
  KeyStoreTest() {
    ::umask(022);
    char name[] = "/tmp/airlock-keystore-XXXXXX";
    top_ = ::mkdtemp(name);
  }
  ~KeyStoreTest() override { fs::remove_all(top_); }
  void put(const std::string& path, const std::string& content) {
    fs::create_directories((top_ / path).parent_path());
    std::ofstream(top_ / path) << content;
  }
  KeyStore open() const { return KeyStore::open({top_ / "sys", top_ / "loc"}).value(); }
  static std::vector<std::string> namesFor(const KeyStore& keys, const char* name) {
    std::vector<std::string> result;
    const auto found = keys.keysFor(ImageName::parse(name).value()).value();
    for (const auto& key : found) {
      result.push_back(key.fingerprint.text().substr(0, 1) + ":" + key.content);
    }
    return result;
  }
  fs::path top_;
};

TEST_F(KeyStoreTest, S21_APrefixEndsAtAComponent) {
  put("loc/trustedkeys/prefix.d/example.com/app/" + kA, "key");
  const KeyStore keys = open();
  EXPECT_EQ(namesFor(keys, "example.com/app").size(), 1U);
  EXPECT_EQ(namesFor(keys, "example.com/app/sub").size(), 1U);
  EXPECT_TRUE(namesFor(keys, "example.com/application").empty());
  EXPECT_TRUE(namesFor(keys, "example.com/app-evil").empty());
  EXPECT_TRUE(namesFor(keys, "example.com").empty());
}

TEST_F(KeyStoreTest, KeysOfEachKindStandSideBySide) {
  put("loc/trustedkeys/prefix.d/registry.example~5000/team/" + kA, "openpgp");
  put("loc/trustedkeys/prefix.d/registry.example~5000/team/minisign-0123456789abcdef", "minisign");
  put("loc/trustedkeys/prefix.d/registry.example~5000/team/sha256-" + std::string(64, 'c'), "pem");
  EXPECT_EQ(namesFor(open(), "registry.example~5000/team/web").size(), 3U);
  put("loc/trustedkeys/root.d/sha256-" + kA, "short");
  EXPECT_FALSE(KeyStore::open({top_ / "sys", top_ / "loc"}));
}

TEST_F(KeyStoreTest, ALogsKeyIsNoSignersAndHasAScopeToo) {
  const std::string log = "sha256-" + std::string(64, 'd');
  put("sys/trustedkeys/rekor.d/" + log, "log");
  put("loc/trustedkeys/rekor.d/example.com/internal/" + log, "");
  const KeyStore keys = open();
  const auto with = [&](const char* name) {
    return keys.keysAndLogsFor(ImageName::parse(name).value()).value();
  };
  EXPECT_TRUE(namesFor(keys, "example.com/app").empty());
  ASSERT_EQ(with("example.com/app").size(), 1U);
  EXPECT_TRUE(with("example.com/app")[0].log);
  EXPECT_TRUE(with("example.com/internal/app").empty());
  EXPECT_TRUE(keys.everyKey().value().empty());
  EXPECT_TRUE(keys.all().value().empty());
  EXPECT_EQ(keys.all(KeyStore::Of::Log).value().size(), 2U);
  put("loc/trustedkeys/rekor.d/" + kA, "openpgp");
  EXPECT_FALSE(KeyStore::open({top_ / "sys", top_ / "loc"}));
}

TEST_F(KeyStoreTest, S22_AnEmptyFileLaterInTheOrderTakesAKeyAway) {
  put("sys/trustedkeys/root.d/" + kA, "vendor");
  put("sys/trustedkeys/root.d/" + kB, "other");
  put("loc/trustedkeys/prefix.d/example.com/" + kA, "");
  const KeyStore keys = open();
  EXPECT_EQ(namesFor(keys, "example.com/x"), std::vector<std::string>{"b:other"});
  EXPECT_EQ(namesFor(keys, "example.org/x").size(), 2U);
  // Trusted again for a longer prefix, and only there.
  put("loc/trustedkeys/prefix.d/example.com/good/" + kA, "again");
  EXPECT_EQ(namesFor(open(), "example.com/good").size(), 2U);
  EXPECT_EQ(namesFor(open(), "example.com/x").size(), 1U);
}

TEST_F(KeyStoreTest, S22_TheLocalLayerOverridesTheVendors) {
  put("sys/trustedkeys/root.d/" + kA, "old");
  put("loc/trustedkeys/root.d/" + kA, "new");
  EXPECT_EQ(namesFor(open(), "x.test/y"), std::vector<std::string>{"a:new"});
}

TEST_F(KeyStoreTest, S22_ADirectoryThatOthersCanWriteIsRefused) {
  put("loc/trustedkeys/root.d/" + kA, "key");
  fs::permissions(top_ / "loc/trustedkeys/root.d", fs::perms::all);
  EXPECT_EQ(KeyStore::open({top_ / "loc"}).error().code(), "E_KEYSTORE");
}

TEST_F(KeyStoreTest, AFileThatIsNoKeyMakesTheWholeLoadFail) {
  put("loc/trustedkeys/root.d/README", "hello");
  EXPECT_EQ(KeyStore::open({top_ / "loc"}).error().code(), "E_KEYSTORE");
}

TEST_F(KeyStoreTest, TheFilesAreThoseOfTheLastRootThatHasThemMasksAndLogsIncluded) {
  const std::string log = "sha256-" + std::string(64, 'c');
  put("sys/trustedkeys/root.d/" + kA, "vendor's");
  put("sys/trustedkeys/root.d/" + kB, "masked");
  put("loc/trustedkeys/root.d/" + kA, "local");
  put("loc/trustedkeys/root.d/" + kB, "");
  put("loc/trustedkeys/rekor.d/example.com/" + log, "pem");
  const std::map<std::string, ContentDigest> expected{
      {"rekor.d/example.com/" + log, digestOf(std::string_view("pem"))},
      {"root.d/" + kA, digestOf(std::string_view("local"))},
      {"root.d/" + kB, digestOf(std::string_view(""))}};
  EXPECT_EQ(open().files().value(), expected);
}

TEST_F(KeyStoreTest, NothingConfiguredIsNoKeys) {
  EXPECT_TRUE(namesFor(open(), "example.com/x").empty());
  EXPECT_TRUE(open().all().value().empty());
}

}  // namespace
}  // namespace airlock::store
