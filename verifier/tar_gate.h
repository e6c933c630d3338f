// SPDX-License-Identifier: Apache-2.0
// What stands between an archive and libarchive: a strict reader of tar headers that lets through
// only archives which every tar program reads alike, and only the extension records that we use.
// For the role unpack.
//
// libarchive 3.6 by itself accepts NUL in pax paths, global pax headers that rename (GNU tar obeys
// them), data behind the end, archives without an end, and converts names by locale; it also parses
// ACLs, sparse maps and file flags that we would throw away.  None of these reach it.  Format:
// POSIX.1-2017 pax(1), ustar; GNU tar manual "Basic Tar Format".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::verifier {

struct TarHeader;

// An ACI is refused for what cannot be in an image.  The layers of the world hold device nodes,
// ACLs and file capabilities that were never meant for us: those pass, or are left out, as layer.h
// says.
enum class TarOf : std::uint8_t { Aci, Layer };

// What the gate saw of an entry: libarchive must see the same (takeEntry).
struct GatedEntry {
  std::uint64_t position;  // of its first header among the bytes that next() returned
  std::uint64_t size;
  char type;  // '0', '1', '2' or '5'; of a layer '3', '4' and '6', too
};

class TarGate {
 public:
  explicit TarGate(TarOf what = TarOf::Aci);

  // The next bytes for libarchive, valid until the next call; empty at the end of the archive.
  // Everything up to the real end of `tar` has then been read, and was at most kTrailingZeros zero
  // bytes.
  Result<std::span<const std::uint8_t>> next(FdRef tar);
  // The entries in the order of the archive, each once.
  std::optional<GatedEntry> takeEntry();
  bool atEnd() const { return ended_; }

 private:
  static constexpr std::size_t kRecord = 512;

  Result<bool> fill(FdRef tar);  // false at the end of the input
  Result<bool> readRecord(FdRef tar, std::array<std::uint8_t, kRecord>& record);
  Result<std::string> readBody(FdRef tar, std::uint64_t size);
  Result<std::span<const std::uint8_t>> passBody(FdRef tar);
  Result<void> readHeaders(FdRef tar);
  Result<void> readExtension(FdRef tar, const TarHeader& header);
  Result<void> takeLongName(char type, std::string body);
  Result<void> takePaxHeader(const std::string& body);
  Result<void> takePaxRecord(std::string_view key, std::string_view value, std::string_view record);
  Result<void> takeEntryHeader(const TarHeader& header);
  Result<void> drain(FdRef tar);
  void end();

  TarOf what_;
  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string output_;             // headers for libarchive, of one entry
  std::uint64_t outputBytes_ = 0;  // everything that next() has returned
  std::uint64_t bodyLeft_ = 0;     // of the current entry, with padding
  std::uint64_t padding_ = 0;      // of it
  std::deque<GatedEntry> entries_;
  // Extensions that wait for their entry.
  std::string pax_;
  std::set<std::string, std::less<>> paxKeys_;
  std::optional<std::uint64_t> paxSize_;
  bool longName_ = false;
  bool longLink_ = false;
  bool ended_ = false;
};

}  // namespace airlock::verifier
