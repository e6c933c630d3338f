// SPDX-License-Identifier: Apache-2.0
// The lines of one request: what is decided before it happens, and what came of it.  The helper.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "audit/entry.h"
#include "audit/record.h"
#include "audit/who.h"
#include "base/fd.h"
#include "base/result.h"

namespace airlock::audit {

// What decides: a change of it since the last line is a line of its own.
struct InForce {
  ContentDigest policy;
  std::string policyContent;
  ContentDigest trust;
  std::string trustContent;
};

class Trail {
 public:
  explicit Trail(Who who) { entry.who = std::move(who); }

  Entry entry;  // of the request, as it becomes known: op and subject first, then rule

  // Where the record is: the data directory.  Without it nothing can be written.
  void at(Fd top) { top_ = std::move(top); }
  // With `required` what cannot be recorded is refused.
  void govern(InForce inForce, bool required);
  // Whether it could be written to now; E_AUDIT when it could not, and must be.  For a request
  // whose line comes at its end.
  Result<void> probe();
  // Before the thing happens: the line is on disk when this returns.  Its "sha256-…", or "" where
  // it could not be written and need not be.  E_AUDIT
  Result<std::string> allow();
  // How the request ended.  A line when it was refused or has gone wrong, when nothing was written
  // yet, and when there is something to add: layers or measure of the entry.
  void close(const Error* error);
  // Nothing to tell, as it turned out: only a failure is written.
  void keepQuiet() { quiet_ = true; }

  // "audit", and whether it holds.
  ipc::Layer layer() const;

 private:
  Result<Written> write(Durable durable);
  Result<void> noteChanges(Record& record);

  Fd top_;
  bool required_ = false;
  bool quiet_ = false;
  std::optional<InForce> inForce_;
  std::optional<std::uint64_t> decided_;  // number of the line of allow()
  std::string problem_;                   // why the last line could not be written
  std::string detail_;                    // what is worth knowing beside it
};

}  // namespace airlock::audit
