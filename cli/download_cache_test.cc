// SPDX-License-Identifier: Apache-2.0
#include "cli/download_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/syscall.h"

namespace airlock::cli {
namespace {

class Cache : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/airlock-cache-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    path_ = path;
    dir_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  void TearDown() override { std::filesystem::remove_all(path_); }
  std::string path_;
  Fd dir_;
};

CacheRecord sample() {
  return {.url = "https://example.com/a.aci",
          .tag = "\"x\"",
          .maxAge = 100,
          .downloadedAt = 1000,
          .image = "sha512-00"};
}

TEST(Freshness, LastsForMaxAge) {
  EXPECT_EQ(freshnessOf(std::nullopt, 0), Freshness::Unknown);
  EXPECT_EQ(freshnessOf(sample(), 1000), Freshness::Fresh);
  EXPECT_EQ(freshnessOf(sample(), 1099), Freshness::Fresh);
  EXPECT_EQ(freshnessOf(sample(), 1100), Freshness::Stale);
}
TEST(Freshness, EndsWhenTheClockWentBack) {
  EXPECT_EQ(freshnessOf(sample(), 999), Freshness::Stale);
}
TEST(Freshness, NeedsAMaxAge) {
  CacheRecord record = sample();
  record.maxAge = 0;
  EXPECT_EQ(freshnessOf(record, 1000), Freshness::Stale);
}

TEST(CacheRecord, ComesBackAsItWas) {
  const auto back = decodeCacheRecord(encode(sample()));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->url, sample().url);
  EXPECT_EQ(back->tag, sample().tag);
  EXPECT_EQ(back->maxAge, 100);
  EXPECT_EQ(back->downloadedAt, 1000);
  EXPECT_EQ(back->image, "sha512-00");
}
TEST(CacheRecord, ThatIsDamagedIsNone) {
  for (const char* bad : {"", "{", "[]", "{}", R"({"url":1,"image":"x"})", R"({"url":"x"})"}) {
    EXPECT_FALSE(decodeCacheRecord(bad).has_value()) << bad;
  }
}

TEST_F(Cache, RemembersWhatARequestBecame) {
  {
    Download download = Download::open(dir_, "example.com/a").value();
    EXPECT_FALSE(download.record().has_value());
    ASSERT_TRUE(download.remember(sample()).has_value());
  }
  EXPECT_EQ(Download::open(dir_, "example.com/a").value().record()->url, sample().url);
  EXPECT_FALSE(Download::open(dir_, "example.com/b").value().record().has_value());
}
TEST_F(Cache, LeavesNoBytesBehind) {
  {
    const Download download = Download::open(dir_, "x").value();
    ASSERT_TRUE(sys::writeAll(download.file(), "part").has_value());
    EXPECT_EQ(sys::list(dir_).value().size(), 1U);
  }
  EXPECT_TRUE(sys::list(dir_).value().empty());
}
TEST_F(Cache, HoldsFilesThatOnlyItsOwnerReads) {
  const Download download = Download::open(dir_, "x").value();
  EXPECT_EQ(sys::status(download.file()).value().st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace airlock::cli
