// SPDX-License-Identifier: Apache-2.0
// What the apps of a pod wrote to the journal, read by journalctl.  logs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "cli/app_log.h"
#include "store/pod_dir.h"

namespace airlock::cli {

struct JournalEntry {
  std::string cursor;
  std::string identifier;  // as the writer's stream has it
  uid_t uid = 0;           // of the writer and of the host: the kernel's word
  pid_t pid = 0;           // likewise
  LogLine line;
};
// A line of `journalctl --output=json`; nullopt for what is no entry of a stream.
std::optional<JournalEntry> parseJournalEntry(std::string_view json);

// What one of these apps of the pod wrote, the oldest first.  Whose an entry is says its user: no
// other pod has this one's as long as its directory exists.
class JournalReader {
 public:
  // E_NO_LOG: this host keeps no journal.  From `since` on, or from behind `cursor`; with `follow`
  // it goes on until it is destroyed.
  static Result<JournalReader> start(const store::Pod& pod, const std::vector<std::string>& apps,
                                     std::int64_t since, const std::string& cursor, bool follow);
  // The next entry of the pod, after at most so many milliseconds; -1: however long it takes.
  Result<std::optional<JournalEntry>> next(int milliseconds);
  bool atEnd() const { return atEnd_; }

 private:
  JournalReader(Child process, Fd output, uid_t firstUid, std::int64_t createdAt)
      : process_(std::move(process)),
        output_(std::move(output)),
        firstUid_(firstUid),
        createdAt_(createdAt) {}
  bool isThePods(const JournalEntry& entry) const;

  Child process_;
  Fd output_;
  uid_t firstUid_;
  std::int64_t createdAt_;
  std::string rest_;
  bool atEnd_ = false;
};

}  // namespace airlock::cli
