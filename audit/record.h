// SPDX-License-Identifier: Apache-2.0
// The files of the audit record: each line names the one before, and nothing is ever written over.
// The helper appends; it reads none of the lines, it counts and hashes them (docs/audit.md).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "audit/end_file.h"
#include "audit/entry.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/result.h"

namespace airlock::audit {

enum class Durable { Now, WithTheNext };

struct Written {
  std::uint64_t sequence;
  OciDigest digest;
  std::string line;
};

class Record {
 public:
  // Below the data directory `top`; what is missing is made.  Waits for whoever is writing, and
  // keeps others waiting while it lives.  E_AUDIT
  static Result<Record> open(FdRef top);

  const End& end() const { return end_; }
  Result<Written> append(const Entry& entry, Durable durable);
  // Keeps `content`, a policy or a list of trusted keys, under its digest.
  Result<void> keep(const ContentDigest& digest, std::string_view content);
  // What is in force from the next line on; it lasts with a durable one.
  void setPolicy(const ContentDigest& digest) { end_.policy = digest; }
  void setTrust(const ContentDigest& digest) { end_.trust = digest; }
  // Whether the group that may read it is there.
  bool readable() const { return group_ != 0; }
  // Bytes that were there when it was last written to, and are not any more.
  bool cut() const { return cut_; }

 private:
  Record(EndFile endFile, Fd directory, gid_t group)
      : endFile_(std::move(endFile)), directory_(std::move(directory)), group_(group) {}
  Result<Fd> openFile(FdRef directory, const Component& name) const;
  Result<void> findEnd();
  Result<void> findSegment();
  Result<void> openSegment();
  Result<void> beginSegment();
  Result<void> readTail();

  EndFile endFile_;  // locked
  Fd directory_;
  gid_t group_;
  Fd segment_;
  End end_;
  std::uint64_t tornBytes_ = 0;  // after the last newline
  Sha256 torn_;                  // of these
  bool cut_ = false;
};

}  // namespace airlock::audit
