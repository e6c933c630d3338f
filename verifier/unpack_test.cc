// SPDX-License-Identifier: Apache-2.0
#include "verifier/unpack.h"

#include <gtest/gtest.h>

#include <clocale>
#include <thread>

#include "base/syscall.h"
#include "verifier/erofs_check.h"
#include "verifier/tree_test_support.h"

namespace airlock::verifier {
namespace {

using testing::paxRecord;
using testing::TarBuilder;
using testing::unpack;
using testing::verdict;

TarBuilder image() { return TarBuilder::image(); }

// --- what is accepted

TEST(Unpack, ReturnsTheBytesOfTheManifest) {
  const auto unpacking =
      unpack(TarBuilder().file("manifest", "{\"a\": 1}").directory("rootfs").whole());
  ASSERT_TRUE(unpacking.result) << unpacking.result.error().text();
  EXPECT_EQ(unpacking.result->manifest, "{\"a\": 1}");
  EXPECT_EQ(unpacking.result->entries, 0u);
}

TEST(Unpack, ManifestMayComeLast) {
  EXPECT_EQ(
      verdict(
          TarBuilder().directory("rootfs").file("rootfs/a", "x").file("manifest", "{}").whole()),
      "accepted");
}

TEST(Unpack, DotSlashNamesAndATopDirectoryMeanTheSame) {
  EXPECT_EQ(verdict(TarBuilder()
                        .directory("./")
                        .file("./manifest", "{}")
                        .directory("./rootfs/")
                        .file("./rootfs/./a", "x")
                        .whole()),
            "accepted");
}

TEST(Unpack, MissingDirectoriesAreMadeAndMayComeLater) {
  const auto unpacking = unpack(TarBuilder()
                                    .file("manifest", "{}")
                                    .file("rootfs/usr/bin/a", "x")
                                    .directory("rootfs/usr/")
                                    .directory("rootfs/")
                                    .whole());
  ASSERT_TRUE(unpacking.result) << unpacking.result.error().text();
  EXPECT_EQ(unpacking.result->entries, 3u);
}

TEST(Unpack, SameArchiveGivesTheSameBytes) {
  const std::string tar =
      image().file("rootfs/a", std::string(5000, 'a')).symlink("rootfs/b", "a").whole();
  const auto first = unpack(tar);
  const auto second = unpack(tar);
  EXPECT_EQ(testing::contentOf(first.image), testing::contentOf(second.image));
}

TEST(Unpack, ReadsAPipeInSmallPieces) {
  const std::string tar = image().file("rootfs/a", std::string(300'000, 'a')).whole();
  auto pipe = sys::pipe();
  ASSERT_TRUE(pipe);
  std::thread writer([&] {
    for (std::string_view rest = tar; !rest.empty();
         rest.remove_prefix(std::min<std::size_t>(rest.size(), 777))) {
      if (!sys::writeAll(pipe->writeEnd, rest.substr(0, 777))) break;
    }
    pipe->writeEnd.reset();
  });
  const Fd file = testing::memoryFile("");
  const auto result = unpackAci(pipe->readEnd, file);
  writer.join();
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_EQ(testing::contentOf(file), testing::contentOf(unpack(tar).image));
  EXPECT_TRUE(checkTree(file));
}

TEST(Unpack, TypeBitsInTheModeAreAllowedWhenTheyFit) {
  EXPECT_EQ(verdict(image().add({.name = "rootfs/a", .content = "x", .mode = 0100644}).whole()),
            "accepted");
}

TEST(Unpack, PaxRecordsThatNobodyNeedsAreIgnored) {
  EXPECT_EQ(verdict(image()
                        .pax(paxRecord("comment", "x"), 'g')
                        .pax(paxRecord("uname", "\xff\xfe") + paxRecord("SCHILY.fflags", "nodump") +
                             paxRecord("mtime", "12.5") + paxRecord("VENDOR.thing", "1"))
                        .file("rootfs/a", "x")
                        .whole()),
            "accepted");
}

TEST(Unpack, DirectoryOfFiveThousandEntries) {
  TarBuilder tar = image();
  for (int i = 0; i < 5000; ++i)
    tar.file("rootfs/d/file-with-a-name-" + std::to_string(i * 7919), "");
  EXPECT_EQ(verdict(tar.whole()), "accepted");
}

TEST(Unpack, EndsOfFilesOfEveryLength) {
  TarBuilder tar = image();
  for (const int size : {0, 1, 31, 32, 4031, 4032, 4033, 4095, 4096, 4097, 8128, 8129, 12288}) {
    tar.file("rootfs/" + std::to_string(size), std::string(static_cast<std::size_t>(size), 'x'));
  }
  EXPECT_EQ(verdict(tar.whole()), "accepted");
}

TEST(Unpack, SymlinksUpTo4095Bytes) {
  const auto link = [](std::size_t size) {
    return image()
        .pax(paxRecord("linkpath", std::string(size, 'x')))
        .symlink("rootfs/a", "x")
        .whole();
  };
  for (const std::size_t size : {1u, 4031u, 4032u, 4033u, 4095u})
    EXPECT_EQ(verdict(link(size)), "accepted") << size;
  EXPECT_EQ(verdict(link(4096)), "E_SYMLINK");
}

TEST(Unpack, T19_SameBytesInEveryLocale) {
  const std::string tar = image()
                              .file("rootfs/latin1-\xe9", "x")
                              .pax(paxRecord("path", "rootfs/\xc3\xa9I\xc4\xb1"))
                              .file("x", "x")
                              .pax(paxRecord("linkpath", "\xff\xc3\xa9"))
                              .symlink("rootfs/link", "x")
                              .whole();
  const std::string expected = testing::contentOf(unpack(tar).image);
  EXPECT_NE(expected.find("latin1-\xe9"), std::string::npos);
  EXPECT_NE(expected.find("\xff\xc3\xa9"), std::string::npos);
  for (const char* locale : {"C.UTF-8", "tr_TR.UTF-8", "tr_TR"}) {
    if (std::setlocale(LC_ALL, locale) == nullptr) continue;  // not on every machine
    EXPECT_EQ(testing::contentOf(unpack(tar).image), expected) << locale;
  }
  std::setlocale(LC_ALL, "C");
}

}  // namespace
}  // namespace airlock::verifier
