// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/disk.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/shell.h"

namespace airlock::test {

namespace {

// Copies, because the policy has domains for the tools where they are installed, which reach only
// the disks of the machine.
const std::string& tools() {
  static const std::string directory = [] {
    must(
        "mkdir -p /run/tools; cp /sbin/mke2fs /sbin/debugfs /sbin/losetup /bin/mount /bin/umount "
        "/run/tools");
    return std::string("/run/tools/");
  }();
  return directory;
}

}  // namespace

Disk::Disk(const std::string& name, const std::string& features)
    : file_("/var/tmp/" + name), mount_("/var/lib/airlock-" + name) {
  must("truncate -s 48M " + file_ + "; " + tools() + "mke2fs -q -F -t ext4 -b 4096 -O " + features +
       " " + file_ + "; mkdir -p " + mount_);
  mount();
  // As an administrator labels another place for a store.
  must("mkdir " + store() + "; chcon -t var_lib_t " + mount_ + "; chcon -t airlock_store_t " +
       store());
}

Disk::~Disk() {
  if (mounted_) shell(tools() + "umount -l " + mount_);
  shell("rm -f " + file_ + "; rmdir " + mount_);
}

void Disk::mount() {
  must(tools() + "mount -o loop " + file_ + " " + mount_);
  mounted_ = true;
}

void Disk::unmount() {
  // A loop device over one of its files lets go of it a moment after the last mount has.
  EXPECT_TRUE(eventually([&] { return shell(tools() + "umount " + mount_).code == 0; }));
  mounted_ = false;
}

std::string Disk::airlock(const std::string& arguments) const {
  return "airlock --dir=" + store() + " " + arguments;
}

void Disk::flip(const std::string& path, std::uint64_t offset) {
  const std::string block = must(tools() + "debugfs -R 'bmap " + path.substr(mount_.size()) + " " +
                                 std::to_string(offset / 4096) + "' " + file_ + " 2>/dev/null");
  const auto at = static_cast<std::streamoff>(std::stoull(block) * 4096 + offset % 4096);
  std::fstream disk(file_, std::ios::in | std::ios::out | std::ios::binary);
  disk.seekg(at);
  const int byte = disk.get();
  disk.seekp(at);
  disk.put(static_cast<char>(byte ^ 1));
  EXPECT_TRUE(disk.good());
}

}  // namespace airlock::test
