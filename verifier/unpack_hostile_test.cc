// SPDX-License-Identifier: Apache-2.0
// Archives that want something: each test is named by its id in the threat list.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "verifier/tree_test_support.h"
#include "verifier/unpack.h"

namespace airlock::verifier {
namespace {

using namespace std::string_literals;
using testing::base256;
using testing::paxRecord;
using testing::TarBuilder;
using testing::unpack;
using testing::verdict;

TarBuilder image() { return TarBuilder::image(); }

TEST(Unpack, T01_NothingGoesThroughASymlink) {
  EXPECT_EQ(verdict(image().symlink("rootfs/a", "/etc").file("rootfs/a/b", "x").whole()),
            "E_SYMLINK");
  EXPECT_EQ(verdict(image().symlink("rootfs/a", "../..").file("rootfs/a/b", "x").whole()),
            "E_SYMLINK");
  EXPECT_EQ(verdict(image()
                        .directory("rootfs/d")
                        .symlink("rootfs/a", "d")
                        .symlink("rootfs/b", "a")
                        .directory("rootfs/b/c")
                        .whole()),
            "E_SYMLINK");
  EXPECT_EQ(verdict(TarBuilder().file("manifest", "{}").symlink("rootfs", "/").whole()),
            "E_SYMLINK");
  EXPECT_EQ(
      verdict(
          TarBuilder().file("manifest", "{}").symlink("rootfs", "/").file("rootfs/a", "x").whole()),
      "E_SYMLINK");
}

TEST(Unpack, T01_ADirectoryIsNotReplacedByASymlink) {
  EXPECT_EQ(verdict(image().directory("rootfs/a").symlink("rootfs/a", "/").whole()), "E_DUPLICATE");
  EXPECT_EQ(verdict(image().file("rootfs/a/b", "x").symlink("rootfs/a", "/").whole()),
            "E_DUPLICATE");
}

TEST(Unpack, T01_SymlinksAreStoredAsTheyAre) {
  EXPECT_EQ(
      verdict(image().symlink("rootfs/a", "/etc/passwd").symlink("rootfs/b", "../../../x").whole()),
      "accepted");
}

TEST(Unpack, T04_NamesThatLeadElsewhere) {
  EXPECT_EQ(verdict(image().file("/rootfs/a", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().file("//rootfs/a", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().file("../a", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().file("rootfs/b/../../a", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().file("rootfs/..", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().file("", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().file(".", "x").whole()), "E_PATH");
}

TEST(Unpack, T04_NamesWithNul) {
  EXPECT_EQ(verdict(image().file("rootfs/a\0b"s, "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().symlink("rootfs/a", "b\0c"s).whole()), "E_PATH");
  EXPECT_EQ(verdict(image().pax(paxRecord("path", "rootfs/a\0b"s)).file("rootfs/c", "x").whole()),
            "E_PATH");
  EXPECT_EQ(verdict(image().pax(paxRecord("linkpath", "a\0b"s)).symlink("rootfs/c", "x").whole()),
            "E_PATH");
  EXPECT_EQ(verdict(image()
                        .add({.name = "././@LongLink", .type = 'L', .content = "rootfs/a\0b\0"s})
                        .file("rootfs/c", "x")
                        .whole()),
            "E_PATH");
}

TEST(Unpack, T04_NamesAtTheTop) {
  EXPECT_EQ(verdict(image().file("etc/passwd", "x").whole()), "E_LAYOUT");
  EXPECT_EQ(verdict(image().file("rootfs2/a", "x").whole()), "E_LAYOUT");
  EXPECT_EQ(verdict(image().file("manifest/a", "x").whole()), "E_LAYOUT");
}

TEST(Unpack, T04_LongNames) {
  const auto named = [](const std::string& name) {
    return image().pax(paxRecord("path", name)).file("x", "x").whole();
  };
  EXPECT_EQ(verdict(named("rootfs/" + std::string(255, 'a'))), "accepted");
  EXPECT_EQ(verdict(named("rootfs/" + std::string(256, 'a'))), "E_PATH");
  std::string path = "rootfs";
  for (int i = 0; i < 16; ++i) path += "/" + std::string(255, 'a');
  EXPECT_EQ(verdict(named(path)), "accepted") << "4,095 bytes in 16 components";
  path = "rootfs";
  for (int i = 0; i < 15; ++i) path += "/" + std::string(255, 'a');
  EXPECT_EQ(verdict(named(path + "/" + std::string(254, 'a'))), "accepted");
  EXPECT_EQ(verdict(named(path + "/" + std::string(254, 'a') + "/b")), "E_PATH");
}

TEST(Unpack, P16_Depth) {
  const auto deep = [](int depth) {
    std::string path = "rootfs";
    for (int i = 0; i < depth; ++i) path += "/d";
    return image().pax(paxRecord("path", path)).directory("x").whole();
  };
  EXPECT_EQ(verdict(deep(255)), "accepted");
  EXPECT_EQ(verdict(deep(256)), "E_DEPTH");
  EXPECT_EQ(verdict(deep(2000)), "E_DEPTH");
}

TEST(Unpack, T04_TrailingSlashAndFileAsParent) {
  EXPECT_EQ(verdict(image().file("rootfs/a/", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().symlink("rootfs/a/", "x").whole()), "E_PATH");
  EXPECT_EQ(verdict(image().file("rootfs/a", "x").file("rootfs/a/b", "x").whole()), "E_PATH");
}

TEST(Unpack, T05_HardLinkMustNameAnEarlierFile) {
  EXPECT_EQ(verdict(image().file("rootfs/a", "x").hardLink("rootfs/b", "rootfs/a").whole()),
            "accepted");
  EXPECT_EQ(verdict(image().file("rootfs/a", "x").hardLink("rootfs/b", "./rootfs/a").whole()),
            "accepted");
  for (const char* target :
       {"/etc/passwd", "etc/passwd", "../a", "rootfs/../a", "rootfs/c", "rootfs/b", "manifest",
        "rootfs", "rootfs/d", "rootfs/l", "rootfs/l/a", "rootfs/a/", "rootfs/a/x", ""}) {
    EXPECT_EQ(verdict(image()
                          .file("rootfs/a", "x")
                          .directory("rootfs/d")
                          .symlink("rootfs/l", "a")
                          .hardLink("rootfs/b", target)
                          .file("rootfs/c", "x")
                          .whole()),
              "E_LINK")
        << target;
  }
}

TEST(Unpack, T05_HardLinkThenWrite) {
  EXPECT_EQ(verdict(image()
                        .file("rootfs/a", "x")
                        .hardLink("rootfs/b", "rootfs/a")
                        .file("rootfs/b", "y")
                        .whole()),
            "E_DUPLICATE");
}

TEST(Unpack, T05_HardLinkWithContent) {
  EXPECT_EQ(
      verdict(image()
                  .file("rootfs/a", "x")
                  .add({.name = "rootfs/b", .type = '1', .content = "data", .linkName = "rootfs/a"})
                  .whole()),
      "E_TAR");
}

TEST(Unpack, T06_Duplicates) {
  EXPECT_EQ(verdict(image().file("rootfs/a", "1").file("rootfs/a", "2").whole()), "E_DUPLICATE");
  EXPECT_EQ(verdict(image().file("rootfs/a", "1").file("./rootfs//a", "2").whole()), "E_DUPLICATE");
  EXPECT_EQ(verdict(image().symlink("rootfs/a", "b").file("rootfs/a", "2").whole()), "E_DUPLICATE");
  EXPECT_EQ(verdict(image().directory("rootfs/a").file("rootfs/a", "2").whole()), "E_DUPLICATE");
  EXPECT_EQ(verdict(image().directory("rootfs/a").directory("rootfs/a").whole()), "E_DUPLICATE");
  EXPECT_EQ(verdict(image().directory("rootfs").whole()), "E_DUPLICATE");
  EXPECT_EQ(
      verdict(image().file("rootfs/d/a", "").directory("rootfs/d").directory("rootfs/d").whole()),
      "E_DUPLICATE");
}

TEST(Unpack, T07_TheManifest) {
  const auto with = [](TarBuilder tar) { return verdict(tar.directory("rootfs").whole()); };
  EXPECT_EQ(verdict(image().file("manifest", "{}").whole()), "E_DUPLICATE");
  EXPECT_EQ(verdict(image().file("./manifest", "{}").whole()), "E_DUPLICATE");
  EXPECT_EQ(with(TarBuilder()), "E_LAYOUT");
  EXPECT_EQ(with(TarBuilder().symlink("manifest", "rootfs/m")), "E_MANIFEST");
  EXPECT_EQ(with(TarBuilder().file("rootfs/m", "{}").hardLink("manifest", "rootfs/m")),
            "E_MANIFEST");
  EXPECT_EQ(with(TarBuilder().directory("manifest")), "E_MANIFEST");
  EXPECT_EQ(with(TarBuilder().add({.name = "manifest", .type = '6', .content = ""})), "E_TYPE");
  EXPECT_EQ(with(TarBuilder().file("manifest", std::string(limits::kManifestBytes, ' '))),
            "accepted");
  EXPECT_EQ(with(TarBuilder().file("manifest", std::string(8 * limits::MiB, ' '))), "E_MANIFEST");
}

TEST(Unpack, T07_TheRoot) {
  EXPECT_EQ(verdict(TarBuilder().file("manifest", "{}").whole()), "E_LAYOUT");
  EXPECT_EQ(verdict(TarBuilder().file("manifest", "{}").file("rootfs", "x").whole()), "E_LAYOUT");
  EXPECT_EQ(verdict(std::string(1024, '\0')), "E_LAYOUT");
}

TEST(Unpack, T08_DevicesAndOtherTypes) {
  const auto typed = [](char type) {
    return verdict(image().add({.name = "rootfs/dev", .type = type, .content = ""}).whole());
  };
  EXPECT_EQ(typed('3'), "E_DEVICE") << "also with 0:0, which overlayfs would take for a whiteout";
  EXPECT_EQ(typed('4'), "E_DEVICE");
  EXPECT_EQ(typed('6'), "E_TYPE");
  for (const char type : {'7', 's', 'Z', 'A', 'D', 'M', 'N', 'V', 'X', ' ', '\x1b'}) {
    EXPECT_EQ(typed(type), "E_TYPE") << type;
  }
}

TEST(Unpack, T09_SetuidBitsAreMetadata) {
  for (const std::uint64_t mode : {04755u, 02755u, 01777u, 07777u}) {
    EXPECT_EQ(verdict(image().add({.name = "rootfs/a", .content = "x", .mode = mode}).whole()),
              "accepted");
  }
}

TEST(Unpack, T10_ExtendedAttributes) {
  const auto with = [](const std::string& records) {
    return verdict(image().pax(records).file("rootfs/a", "x").whole());
  };
  EXPECT_EQ(with(paxRecord("SCHILY.xattr.user.a", "b\0c"s)), "accepted");
  EXPECT_EQ(with(paxRecord("LIBARCHIVE.xattr.user.a", "Yg==")), "accepted");
  EXPECT_EQ(
      with(paxRecord("LIBARCHIVE.xattr.user.a", "Yg") + paxRecord("SCHILY.xattr.user.a", "b")),
      "accepted");
  EXPECT_EQ(
      with(paxRecord("LIBARCHIVE.xattr.user.a", "Yg") + paxRecord("SCHILY.xattr.user.a", "c")),
      "E_XATTR");
  for (const char* name :
       {"security.capability", "security.selinux", "security.ima", "trusted.overlay.opaque",
        "user.overlay.opaque", "user.overlay.", "user.", "system.posix_acl_access", "x"}) {
    EXPECT_EQ(with(paxRecord("SCHILY.xattr."s + name, "v")), "E_XATTR") << name;
    EXPECT_EQ(with(paxRecord("LIBARCHIVE.xattr."s + name, "dg")), "E_XATTR") << name;
  }
  EXPECT_EQ(with(paxRecord("RHT.security.selinux", "v")), "E_XATTR");
  EXPECT_EQ(with(paxRecord("SCHILY.acl.access", "user::rwx")), "E_XATTR");
  EXPECT_EQ(with(paxRecord("LIBARCHIVE.xattr.%73ecurity.capability", "dg")), "E_XATTR")
      << "an encoded name";
}

TEST(Unpack, T10_ManyOrLargeAttributes) {
  const auto with = [](int count, std::size_t size) {
    std::string records;
    for (int i = 0; i < count; ++i) {
      records += paxRecord("SCHILY.xattr.user." + std::to_string(i), std::string(size, 'x'));
    }
    return verdict(image().pax(records).file("rootfs/a", "x").whole());
  };
  EXPECT_EQ(with(64, 10), "accepted");
  EXPECT_EQ(with(65, 10), "E_LIMIT");
  EXPECT_EQ(with(5000, 10), "E_LIMIT");
  EXPECT_EQ(with(1, 3900), "accepted");
  EXPECT_EQ(with(1, 4000), "E_LIMIT");
  EXPECT_EQ(with(2, 2500), "E_LIMIT");
}

TEST(Unpack, T11_Ids) {
  const auto owned = [](const std::string& rawUid) {
    return verdict(image().add({.name = "rootfs/a", .content = "x", .rawUid = rawUid}).whole());
  };
  EXPECT_EQ(owned(base256(65534, 8)), "accepted");
  EXPECT_EQ(owned(base256(65535, 8)), "E_ID");
  EXPECT_EQ(owned(base256(std::uint64_t{1} << 31, 8)), "E_ID");
  EXPECT_EQ(owned(base256((std::uint64_t{1} << 32) - 1, 8)), "E_ID");
  EXPECT_EQ(owned(base256(std::uint64_t{1} << 32, 8)), "E_ID");
  EXPECT_EQ(owned(base256(~std::uint64_t{0}, 8)), "E_ID");
  EXPECT_EQ(owned("-1\0\0\0\0\0\0"s), "E_ID");
  for (const char* id : {"65535", "4294967296", "-1", "", "0x1", " 1"}) {
    EXPECT_EQ(verdict(image().pax(paxRecord("uid", id)).file("rootfs/a", "x").whole()), "E_ID")
        << id;
    EXPECT_EQ(verdict(image().pax(paxRecord("gid", id)).file("rootfs/a", "x").whole()), "E_ID")
        << id;
  }
}

TEST(Unpack, T11_Modes) {
  const auto with = [](const std::string& mode) {
    return verdict(image().add({.name = "rootfs/a", .content = "x", .rawMode = mode}).whole());
  };
  EXPECT_EQ(with("7777777\0"s), "E_MODE");
  EXPECT_EQ(with("0040755\0"s), "E_MODE") << "a directory's bits on a file";
  EXPECT_EQ(with("garbage\0"s), "E_MODE");
  EXPECT_EQ(with("0009644\0"s), "E_MODE");
  EXPECT_EQ(with(base256(std::uint64_t{1} << 40, 8)), "E_MODE");
}

TEST(Unpack, T12_SizesAndHoles) {
  EXPECT_EQ(verdict(image().add({.name = "rootfs/a", .type = 'S', .content = ""}).whole()),
            "E_SPARSE");
  EXPECT_EQ(verdict(image().pax(paxRecord("GNU.sparse.major", "1")).file("rootfs/a", "x").whole()),
            "E_SPARSE");
  EXPECT_EQ(
      verdict(
          image().pax(paxRecord("GNU.sparse.size", "1099511627776")).file("rootfs/a", "x").whole()),
      "E_SPARSE");
  EXPECT_EQ(verdict(image().pax(paxRecord("SCHILY.realsize", "9")).file("rootfs/a", "x").whole()),
            "E_SPARSE");
  EXPECT_EQ(
      verdict(image().pax(paxRecord("size", "4611686018427387904")).file("rootfs/a", "x").whole()),
      "E_LIMIT");
  EXPECT_EQ(verdict(image().pax(paxRecord("size", "-1")).file("rootfs/a", "x").whole()), "E_LIMIT");
  EXPECT_EQ(
      verdict(image()
                  .add({.name = "rootfs/a", .content = "x", .rawSize = std::string(12, '\xff')})
                  .whole()),
      "E_LIMIT");
  EXPECT_EQ(
      verdict(
          image()
              .add({.name = "rootfs/a", .content = "", .rawSize = base256(limits::kTreeBytes, 12)})
              .whole()),
      "E_TRUNCATED");
}

TEST(Unpack, T13_ExtensionHeaders) {
  const auto withPax = [](const std::string& records, char type = 'x') {
    return verdict(image().pax(records, type).file("rootfs/a", "x").whole());
  };
  EXPECT_EQ(withPax(std::string(64 * limits::MiB, 'x')), "E_LIMIT");
  EXPECT_EQ(verdict(image()
                        .add({.name = "././@LongLink",
                              .type = 'L',
                              .content = std::string(10 * limits::MiB, 'x')})
                        .file("rootfs/a", "x")
                        .whole()),
            "E_LIMIT");
  EXPECT_EQ(withPax(paxRecord("path", "rootfs/evil"), 'g'), "E_PAX");
  EXPECT_EQ(withPax(paxRecord("comment", "a") + paxRecord("path", "b"), 'g'), "E_PAX");
  for (const char* malformed :
       {"", "5 a=b", "9 a=b\n", "0 a=b\n", "x a=b\n", "6 abc\n", "6 =ab\n", "999 a=b\n", "6"}) {
    EXPECT_EQ(withPax(malformed), *malformed == '\0' ? "accepted" : "E_PAX") << malformed;
  }
  EXPECT_EQ(withPax(paxRecord("path", "rootfs/b") + paxRecord("path", "rootfs/c")), "E_PAX");
  EXPECT_EQ(verdict(image()
                        .pax(paxRecord("path", "rootfs/b"))
                        .pax(paxRecord("uid", "1"))
                        .file("c", "x")
                        .whole()),
            "E_PAX");
}

TEST(Unpack, T13_Times) {
  for (const char* time : {"nan", "inf", "1e9", "", "1.", ".5", "9999999999999", "0x10", "1 "}) {
    EXPECT_EQ(verdict(image().pax(paxRecord("mtime", time)).file("rootfs/a", "x").whole()),
              "E_TIME")
        << time;
  }
  for (const char* time : {"-1", "-0.5", "253402300800"}) {
    EXPECT_EQ(verdict(image().pax(paxRecord("mtime", time)).file("rootfs/a", "x").whole()),
              "E_TIME")
        << time;
  }
  EXPECT_EQ(verdict(image().pax(paxRecord("mtime", "1.123456789")).file("rootfs/a", "x").whole()),
            "accepted");
  EXPECT_EQ(
      verdict(image()
                  .add({.name = "rootfs/a", .content = "x", .rawMtime = std::string(12, '\xff')})
                  .whole()),
      "E_TIME");
  EXPECT_EQ(
      verdict(image()
                  .add({.name = "rootfs/a", .content = "x", .rawMtime = base256(1ULL << 40, 12)})
                  .whole()),
      "E_TIME");
}

TEST(Unpack, T14_TooManyEntries) {
  TarBuilder tar = image();
  for (std::size_t i = 0; i <= limits::kTreeEntries; ++i)
    tar.file("rootfs/" + std::to_string(i), "");
  EXPECT_EQ(verdict(tar.whole()), "E_LIMIT");
}

TEST(Unpack, T16_OtherFormats) {
  EXPECT_EQ(verdict("PK\x03\x04" + std::string(2000, '\0')), "E_CHECKSUM");
  EXPECT_EQ(verdict("070707" + std::string(2000, '0')), "E_CHECKSUM");
  EXPECT_EQ(verdict("#mtree\n" + std::string(2000, ' ')), "E_CHECKSUM");
  EXPECT_EQ(verdict("\x1f\x8b\x08" + std::string(2000, '\0')), "E_CHECKSUM");
  EXPECT_EQ(verdict("begin 644 x\n" + std::string(2000, ' ')), "E_CHECKSUM");
}

TEST(Unpack, T17_TheEndOfTheArchive) {
  const std::string tar = image().file("rootfs/a", "x").whole();
  const std::string body = image().file("rootfs/a", "x").withoutEnd();
  EXPECT_EQ(verdict(tar + std::string(10240, '\0')), "accepted");
  EXPECT_EQ(verdict(tar + std::string(limits::kTrailingZeros, '\0')), "accepted");
  EXPECT_EQ(verdict(tar + std::string(limits::kTrailingZeros + 1, '\0')), "E_TRAILING");
  EXPECT_EQ(verdict(tar + "garbage"), "E_TRAILING");
  EXPECT_EQ(verdict(tar + std::string(9000, '\0') + "x"), "E_TRAILING");
  EXPECT_EQ(verdict(tar + tar), "E_TRAILING") << "a second archive";
  EXPECT_EQ(verdict(body), "E_TRUNCATED");
  EXPECT_EQ(verdict(body + std::string(512, '\0')), "E_TRUNCATED");
  EXPECT_EQ(verdict(body + std::string(512, '\0') + image().whole()), "E_TRAILING");
  EXPECT_EQ(verdict(""), "E_TRUNCATED");
}

TEST(Unpack, T17_TruncationAnywhereIsSeen) {
  const std::string tar =
      image().pax(paxRecord("mtime", "1.5")).file("rootfs/a", std::string(3000, 'x')).whole();
  for (std::size_t size = 0; size < tar.size(); size += 37) {
    EXPECT_EQ(verdict(tar.substr(0, size)), "E_TRUNCATED") << size;
  }
}

TEST(Unpack, T17_BadChecksum) {
  EXPECT_EQ(
      verdict(image().add({.name = "rootfs/a", .content = "x", .goodChecksum = false}).whole()),
      "E_CHECKSUM");
}

TEST(Unpack, T18_ControlCharactersAreEscapedInMessages) {
  const auto unpacking = unpack(image()
                                    .file("rootfs/\x1b[31m\r[GNUPG:] GOODSIG", "1")
                                    .file("rootfs/\x1b[31m\r[GNUPG:] GOODSIG", "2")
                                    .whole());
  ASSERT_FALSE(unpacking.result);
  EXPECT_EQ(unpacking.result.error().code(), "E_DUPLICATE");
  EXPECT_EQ(unpacking.result.error().text().find_first_of("\x1b\r"), std::string::npos);
}

TEST(Unpack, T19_NamesAreBytes) {
  EXPECT_EQ(verdict(image()
                        .file("rootfs/\xff\xfe", "x")
                        .file("rootfs/a\\b", "x")
                        .file("rootfs/A", "x")
                        .file("rootfs/a", "x")
                        .pax(paxRecord("path", "rootfs/\xc3\xa9"))
                        .file("x", "x")
                        .pax(paxRecord("path", "rootfs/\xc3"))
                        .file("x", "x")
                        .whole()),
            "accepted");
}

}  // namespace
}  // namespace airlock::verifier
