// SPDX-License-Identifier: Apache-2.0
// A file system of its own in a file of the guest, for a store beside the engine's, and for what is
// done to a disk behind its file system's back.  Tests that run in the guest only.
#pragma once

#include <cstdint>
#include <string>

namespace airlock::test {

class Disk {
 public:
  // ext4 with blocks of 4 KiB and these features ("verity", "^verity"), mounted at
  // /var/lib/airlock-NAME, with a directory for the store that is labelled as one.
  Disk(const std::string& name, const std::string& features);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  void mount();
  void unmount();
  std::string store() const { return mount_ + "/airlock"; }
  // The command with that store.
  std::string airlock(const std::string& arguments) const;
  // Inverts a bit of a file (by its path where it is mounted) on the disk.  Not while it is
  // mounted.
  void flip(const std::string& path, std::uint64_t offset);

 private:
  std::string file_;
  std::string mount_;
  bool mounted_ = false;
};

}  // namespace airlock::test
