// SPDX-License-Identifier: Apache-2.0
// Makes archives byte by byte, hostile ones too, and runs the roles on them.  For the tests of this
// folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"
#include "verifier/unpack.h"

namespace airlock::verifier::testing {

// The fields of a ustar header that a test may want to be wrong.
struct RawEntry {
  std::string name;
  char type = '0';
  std::string content;
  std::string linkName = {};
  std::uint64_t mode = 0644;
  std::uint64_t mtime = 1'000'000'000;
  std::string rawSize = {};  // instead of the content's, as is
  std::string rawUid = {};
  std::string rawMode = {};
  std::string rawMtime = {};
  std::string magic = std::string(
      "ustar\0"
      "00",
      8);
  bool goodChecksum = true;
};

class TarBuilder {
 public:
  // `manifest` with "{}" and the directory rootfs: what most tests begin with.
  static TarBuilder image();

  TarBuilder& add(const RawEntry& entry);
  TarBuilder& file(std::string_view name, std::string_view content);
  TarBuilder& directory(std::string_view name);
  TarBuilder& symlink(std::string_view name, std::string_view target);
  TarBuilder& hardLink(std::string_view name, std::string_view target);
  // An extended header of type 'x' or 'g' with these records, for the entry that follows.
  TarBuilder& pax(std::string_view records, char type = 'x');
  TarBuilder& bytes(std::string_view raw);

  std::string whole() const { return bytes_ + std::string(1024, '\0'); }
  const std::string& withoutEnd() const { return bytes_; }

 private:
  std::string bytes_;
};

// "LENGTH key=value\n"
std::string paxRecord(std::string_view key, std::string_view value);
// A number as GNU tar writes what octal cannot hold: big-endian with the top bit set.
std::string base256(std::uint64_t value, std::size_t width);

// Writes the right checksum into the header at this place of an archive.
void fixChecksum(std::string& tar, std::size_t at);
// The image with the right checksum in its superblock, where it has one.
std::string resigned(std::string image);

Fd memoryFile(std::string_view content);
std::string contentOf(FdRef file);

struct Unpacking {
  Result<Unpacked> result;
  Fd image;
};
Unpacking unpack(std::string_view tar);
// The code of the refusal, or "accepted" when checkTree agrees with unpackAci.
std::string verdict(std::string_view tar);

}  // namespace airlock::verifier::testing
