// SPDX-License-Identifier: Apache-2.0
#include "cli/download_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
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
TEST_F(Cache, KeepsWhatABrokenDownloadLeft) {
  {
    Download download = Download::open(dir_, "x").value();
    EXPECT_FALSE(download.part().has_value());
    ASSERT_TRUE(download.begin({.url = "https://a.b/x.aci", .tag = "\"v1\""}).has_value());
    ASSERT_TRUE(sys::writeAll(download.file(), "part").has_value());
    EXPECT_EQ(download.keep(), 4U);
  }
  {
    const Download again = Download::open(dir_, "x").value();
    ASSERT_TRUE(again.part().has_value());
    EXPECT_EQ(again.part()->record.url, "https://a.b/x.aci");
    EXPECT_EQ(again.part()->record.tag, "\"v1\"");
    EXPECT_EQ(again.part()->bytes, 4U);
  }
  EXPECT_TRUE(sys::list(dir_).value().empty());  // it was not kept a second time
}
TEST_F(Cache, KeepsNothingWhoseVersionHasNoName) {
  {
    Download download = Download::open(dir_, "x").value();
    ASSERT_TRUE(download.begin({.url = "https://a.b/x.aci", .tag = "\"v1\""}).has_value());
    ASSERT_TRUE(sys::writeAll(download.file(), "part").has_value());
    download.forget();
    EXPECT_EQ(download.keep(), 0U);
  }
  EXPECT_TRUE(sys::list(dir_).value().empty());
}
TEST_F(Cache, TakesBytesOfUnknownOriginForNone) {
  {
    Download download = Download::open(dir_, "x").value();
    ASSERT_TRUE(download.begin({.url = "https://a.b/x.aci", .tag = "\"v1\""}).has_value());
    ASSERT_TRUE(sys::writeAll(download.file(), "part").has_value());
    download.keep();
  }
  const std::vector<std::string> names = sys::list(dir_).value();
  for (const std::string& name : names) {
    if (name.ends_with(".resume")) std::filesystem::remove(path_ + "/" + name);
  }
  const Download again = Download::open(dir_, "x").value();
  EXPECT_FALSE(again.part().has_value());
  EXPECT_EQ(sys::status(again.file()).value().st_size, 0);
}
TEST_F(Cache, RemovesPartsThatAreOlderThanADay) {
  {
    Download download = Download::open(dir_, "x").value();
    ASSERT_TRUE(download.begin({.url = "https://a.b/x.aci", .tag = "\"v1\""}).has_value());
    ASSERT_TRUE(sys::writeAll(download.file(), "part").has_value());
    download.keep();
  }
  const std::vector<std::string> names = sys::list(dir_).value();
  for (const std::string& name : names) {
    if (!name.ends_with(".part")) continue;
    std::filesystem::last_write_time(
        path_ + "/" + name, std::filesystem::file_time_type::clock::now() - std::chrono::hours(25));
  }
  { const Download other = Download::open(dir_, "y").value(); }
  EXPECT_TRUE(sys::list(dir_).value().empty());
}
TEST_F(Cache, HoldsFilesThatOnlyItsOwnerReads) {
  const Download download = Download::open(dir_, "x").value();
  EXPECT_EQ(sys::status(download.file()).value().st_mode & 0777U, 0600U);
}

}  // namespace
}  // namespace airlock::cli
