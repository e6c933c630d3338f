// SPDX-License-Identifier: Apache-2.0
// The files of the measurement log: the log, the write-ahead note, the state and the poison mark.
// The measuring process only, under the lock.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/path.h"
#include "base/result.h"
#include "tpm/replay.h"

namespace airlock::tpm {

// What the log amounts to, and how long it was when that was so.
struct LogState {
  Chain chain;
  std::uint64_t bytes = 0;
  std::set<std::string> images;  // fingerprints of the image events
  Result<void> add(const Record& record, std::size_t size);
};

// What is about to be measured, written down before the register moves (docs/measurement.md,
// "Order").
struct WriteAhead {
  std::string bootId;
  std::uint64_t offset = 0;  // length of the log before the record
  bool anchored = false;     // the register is extended for it
  Banks before;              // of the register, or of the chain without one
  Banks after;
  std::string line;  // the record's element
};

// The mark that this boot cannot be attested any more.
struct Poison {
  std::string bootId;
  std::string reason;
};

class EventLog {
 public:
  // Waits for the lock: one process at a time measures.  Released with the object, or the process.
  static Result<EventLog> lock(FdRef directory);

  // How long ago somebody last appended to the log, in milliseconds; nullopt when there is none, or
  // the clock was set back since.
  Result<std::optional<std::int64_t>> age();

  // Cuts off what a crash left of the record in `ahead`; E_TPM_LOG when something else stands
  // there.  True: the record is in the log, whole.
  Result<bool> settle(const WriteAhead& ahead);
  // The boot that the files belong to, as far as they can be read; empty without any.
  Result<std::string> bootId();
  // From the state file where it fits the log's length, else from the whole log.  E_TPM_LOG
  Result<LogState> load();
  Result<LogState> reload();
  Result<void> saveState(const LogState& state);

  Result<std::optional<WriteAhead>> readAhead();
  Result<void> writeAhead(const WriteAhead& ahead);
  Result<void> dropAhead();
  Result<std::optional<Poison>> readPoison();
  Result<void> writePoison(const Poison& poison);

  // E_TPM_LOG_FULL unless `size` more bytes leave room for one last record, a cap.
  static Result<void> expectRoom(const LogState& state, std::size_t size);
  // Appends and syncs.  E_TPM_LOG_FULL past limits::kEventLogBytes.
  Result<void> append(LogState& state, const std::string& line);
  // Puts the log aside as events-<suffix>.cel, or events-<suffix>.<n>.cel when that is taken, and
  // drops the other files.
  Result<void> archive(const std::string& suffix);

 private:
  EventLog(Fd directory, Fd lock) : directory_(std::move(directory)), lock_(std::move(lock)) {}
  Result<std::optional<std::string>> readOptional(const char* name, std::size_t limit);
  Result<void> replace(const char* name, const std::string& content);
  Result<void> remove(const char* name);
  Result<std::optional<Fd>> openLog(int flags);
  Result<std::uint64_t> length();
  std::optional<LogState> readState();
  void sweep();

  Fd directory_;
  Fd lock_;
};

}  // namespace airlock::tpm
