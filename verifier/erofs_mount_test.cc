// SPDX-License-Identifier: Apache-2.0
// What the kernel and fsck.erofs make of our images, and what we make of the archives of real tar
// programs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/syscall.h"
#include "verifier/erofs_check.h"
#include "verifier/tree_test_support.h"

namespace airlock::verifier {
namespace {

namespace fs = std::filesystem;

// A folder with manifest, rootfs/ and room for archives; gone with the test.
class TreeImage : public ::testing::Test {
 protected:
  TreeImage() {
    char name[] = "/tmp/airlock-tree-XXXXXX";
    base_ = ::mkdtemp(name);
    fs::create_directories(base_ / "rootfs");
    write("../manifest", "{}");
  }
  ~TreeImage() override { fs::remove_all(base_); }

  fs::path in(const std::string& name) const { return base_ / "rootfs" / name; }
  void write(const std::string& name, const std::string& content) const {
    fs::create_directories(in(name).parent_path());
    std::ofstream(in(name), std::ios::binary) << content;
  }
  void run(const std::string& command) const {
    ASSERT_EQ(std::system(("cd " + base_.string() + " && " + command).c_str()), 0) << command;
  }

  // Archives the folder with the command, unpacks, checks; the image is then in base_/image.
  void unpackWith(const std::string& command) {
    run(command);
    const auto tar = sys::openPath((base_ / "tar").string(), O_RDONLY);
    const auto image = sys::openPath((base_ / "image").string(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ASSERT_TRUE(tar && image);
    const auto unpacked = unpackAci(*tar, *image);
    ASSERT_TRUE(unpacked) << command << ": " << unpacked.error().text();
    EXPECT_EQ(unpacked->manifest, "{}");
    EXPECT_EQ(unpacked->treeBytes, fs::file_size(base_ / "image"));
    const auto checked = checkTree(*image);
    ASSERT_TRUE(checked) << command << ": " << checked.error().text();
    run("fsck.erofs image");
  }

  // A detached mount: nothing to see in the mount table, gone with its descriptor.
  Fd mounted() const {
    auto mount = [&]() -> Result<Fd> {
      const Fd context = TRY(sys::fsopen("erofs"));
      TRY(sys::fsconfigString(context, "source", (base_ / "image").string()));
      TRY(sys::fsconfigFlag(context, "ro"));
      TRY(sys::fsconfigCreate(context));
      return sys::fsmount(context, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
    }();
    EXPECT_TRUE(mount) << mount.error().text();
    return mount ? std::move(*mount) : Fd();
  }

  fs::path base_;
};

std::string contentOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::map<std::string, std::string> xattrsOf(const fs::path& path) {
  std::map<std::string, std::string> found;
  std::string names(65536, '\0');
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  for (std::size_t at = 0; size > 0 && at < static_cast<std::size_t>(size);) {
    const std::string name = names.c_str() + at;
    std::string value(65536, '\0');
    const ssize_t got = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    value.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    if (name.starts_with("user.")) found[name] = value;
    at += name.size() + 1;
  }
  return found;
}

struct Comparison {
  bool nanoseconds = true;
  std::size_t entries = 0;
  std::map<ino_t, ino_t> inodes;  // a hard link there is a hard link here

  void compare(const fs::path& original, const fs::path& copy) {
    struct stat a;
    struct stat b;
    ASSERT_EQ(::lstat(original.c_str(), &a), 0);
    ASSERT_EQ(::lstat(copy.c_str(), &b), 0) << original;
    EXPECT_EQ(a.st_mode, b.st_mode) << original;
    EXPECT_EQ(a.st_uid, b.st_uid) << original;
    EXPECT_EQ(a.st_gid, b.st_gid) << original;
    EXPECT_EQ(a.st_mtim.tv_sec, b.st_mtim.tv_sec) << original;
    if (nanoseconds) {
      EXPECT_EQ(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec) << original;
    }
    EXPECT_EQ(inodes.try_emplace(a.st_ino, b.st_ino).first->second, b.st_ino) << original;
    EXPECT_EQ(xattrsOf(original), xattrsOf(copy)) << original;
    ++entries;
    if (S_ISREG(a.st_mode)) {
      EXPECT_EQ(a.st_nlink, b.st_nlink) << original;
      EXPECT_EQ(a.st_size, b.st_size) << original;
      EXPECT_TRUE(contentOf(original) == contentOf(copy)) << original;
    } else if (S_ISLNK(a.st_mode)) {
      EXPECT_EQ(fs::read_symlink(original), fs::read_symlink(copy)) << original;
    } else if (S_ISDIR(a.st_mode)) {
      compareDirectories(original, copy, b.st_nlink);
    }
  }

  void compareDirectories(const fs::path& original, const fs::path& copy, nlink_t links) {
    std::map<std::string, bool> names;
    nlink_t directories = 2;
    for (const auto& entry : fs::directory_iterator(original)) {
      names[entry.path().filename()] = true;
      if (entry.symlink_status().type() == fs::file_type::directory) ++directories;
    }
    std::map<std::string, bool> copied;
    for (const auto& entry : fs::directory_iterator(copy)) copied[entry.path().filename()] = true;
    EXPECT_EQ(names, copied) << original;
    EXPECT_EQ(links, directories) << original;
    for (const auto& [name, present] : names) compare(original / name, copy / name);
  }
};

std::string noise(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 12345;
  for (char& c : text) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return text;
}

TEST_F(TreeImage, KernelSeesWhatTheArchiveSays) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  for (const int size : {0, 1, 100, 4031, 4032, 4033, 4095, 4096, 4097, 10'000, 1'500'000}) {
    write("sizes/" + std::to_string(size), noise(static_cast<std::size_t>(size)));
  }
  for (int i = 0; i < 5000; ++i)
    write("many/entry-" + std::to_string(i * 7919) + (i % 3 ? "" : "-longer"), "");
  write("hard/a", "linked");
  fs::create_hard_link(in("hard/a"), in("hard/b"));
  fs::create_directories(in("hard/0"));
  fs::create_hard_link(in("hard/a"), in("hard/0/c"));
  fs::create_symlink("/etc/passwd", in("absolute"));
  fs::create_symlink("../nowhere", in("dangling"));
  fs::create_symlink(std::string(4095, 'x'), in("longest"));
  fs::create_symlink(std::string(4032, 'x'), in("inline"));
  std::string deep = "deep";
  for (int i = 0; i < 253; ++i) deep += "/d";
  write(deep + "/leaf", "at the bottom");
  write("!before-the-dots", "x");
  write(".hidden", "x");
  write(std::string(255, 'n'), "long name");
  write("\xc3\xa9\xff\x01 name", "bytes");
  fs::create_directories(in("empty"));
  write("owned", "x");
  ASSERT_EQ(::chown(in("owned").c_str(), 65534, 1234), 0);
  write("setuid", "x");
  ASSERT_EQ(::chmod(in("setuid").c_str(), 04755), 0);
  ASSERT_EQ(::chmod(in("empty").c_str(), 01777), 0);
  const bool xattrs = ::setxattr(in("owned").c_str(), "user.origin", "a\0b", 3, 0) == 0;
  if (xattrs) {
    ASSERT_EQ(::setxattr(in("owned").c_str(), "user.b", "", 0, 0), 0);
    ASSERT_EQ(::setxattr(in("empty").c_str(), "user.a", "directory", 9, 0), 0);
    ASSERT_EQ(::setxattr(in("sizes/4031").c_str(), "user.big", noise(2000).data(), 2000, 0), 0);
  }
  unpackWith("tar --format=pax --xattrs -cf tar manifest rootfs");
  if (HasFatalFailure()) return;
  const Fd mount = mounted();
  ASSERT_TRUE(mount.valid());
  Comparison comparison;
  comparison.compare(base_ / "rootfs", "/proc/self/fd/" + std::to_string(mount.get()) + "/.");
  EXPECT_GT(comparison.entries, 5270u);
}

TEST_F(TreeImage, KernelMountsAnEmptyTree) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  unpackWith("tar -cf tar manifest rootfs");
  if (HasFatalFailure()) return;
  const Fd mount = mounted();
  ASSERT_TRUE(mount.valid());
  Comparison comparison{.nanoseconds = false, .entries = 0, .inodes = {}};
  comparison.compare(base_ / "rootfs", "/proc/self/fd/" + std::to_string(mount.get()) + "/.");
  EXPECT_EQ(comparison.entries, 1u);
}

TEST_F(TreeImage, KernelReadsAFileBeyondFourGibibytes) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (std::getenv("AIRLOCK_TEST_LARGE") == nullptr) {
    GTEST_SKIP() << "writes 4 GiB: set AIRLOCK_TEST_LARGE=1";
  }
  // The archive exists only as a pipe.
  const std::uint64_t size = (std::uint64_t{4} << 30) + 5;
  const auto image = sys::openPath((base_ / "image").string(), O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(image);
  const std::string command =
      "cd " + base_.string() + " && truncate -s " + std::to_string(size) +
      " rootfs/large && printf END | dd of=rootfs/large bs=1 seek=" + std::to_string(size - 3) +
      " conv=notrunc status=none && tar --format=pax -cf - manifest rootfs";
  FILE* pipe = ::popen(command.c_str(), "re");
  const auto unpacked = unpackAci(FdRef(::fileno(pipe)), *image);
  EXPECT_EQ(::pclose(pipe), 0);
  ASSERT_TRUE(unpacked) << unpacked.error().text();
  ASSERT_TRUE(checkTree(*image));
  const Fd mount = mounted();
  ASSERT_TRUE(mount.valid());
  const std::string path = "/proc/self/fd/" + std::to_string(mount.get()) + "/large";
  EXPECT_EQ(fs::file_size(path), size);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(size - 5));
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), std::string("\0\0END", 5));
}

TEST_F(TreeImage, ArchivesOfRealProgramsAreAccepted) {
  write("usr/bin/tool", noise(9000));
  fs::create_hard_link(in("usr/bin/tool"), in("usr/bin/alias"));
  fs::create_symlink("usr/bin", in("bin"));
  fs::create_directories(in("empty"));
  write("zero", "");
  for (const char* command :
       {"tar --format=v7 -cf tar manifest rootfs", "tar --format=ustar -cf tar manifest rootfs",
        "tar --format=oldgnu -cf tar manifest rootfs",
        "tar -C . --format=gnu -cf tar ./rootfs ./manifest", "tar -b 2048 -cf tar manifest rootfs",
        "bsdtar --format=ustar -cf tar manifest rootfs"}) {
    unpackWith(command);
  }
  // What v7 and ustar cannot hold.
  write(std::string(120, 'd') + "/" + std::string(150, 'f'), "long");
  write("\xc3\xa9t\xc3\xa9/\xe6\x97\xa5", "x");
  write("latin1-\xe9", "x");
  std::string deep = "deep";
  for (int i = 0; i < 40; ++i) deep += "/component";
  write(deep + "/file", "x");
  fs::create_symlink(deep, in("long-link"));
  fs::create_hard_link(in(deep + "/file"), in(deep + "/hard"));
  for (const char* command :
       {"tar --format=gnu -cf tar manifest rootfs",
        "tar --format=pax --xattrs -cf tar manifest rootfs",
        "bsdtar --format=pax -cf tar manifest rootfs",
        "LC_ALL=C.UTF-8 bsdtar --format=pax -cf tar rootfs manifest",
        "bsdtar --format=gnutar -cf tar manifest rootfs",
        "/usr/bin/python3 -c 'import tarfile as t; f = t.open(\"tar\", \"w\", "
        "format=t.PAX_FORMAT); f.add(\"manifest\"); f.add(\"rootfs\"); f.close()'",
        "/usr/bin/python3 -c 'import tarfile as t; f = t.open(\"tar\", \"w\", "
        "format=t.GNU_FORMAT); f.add(\"manifest\"); f.add(\"rootfs\"); f.close()'"}) {
    unpackWith(command);
  }
}

TEST_F(TreeImage, T12_ArchivesOfSparseFilesAreRefused) {
  run("truncate -s 1T rootfs/hole && tar --sparse -cf tar manifest rootfs");
  const auto tar = sys::openPath((base_ / "tar").string(), O_RDONLY);
  ASSERT_TRUE(tar);
  const auto unpacked = unpackAci(*tar, testing::memoryFile(""));
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(unpacked.error().code(), "E_SPARSE");
}

}  // namespace
}  // namespace airlock::verifier
