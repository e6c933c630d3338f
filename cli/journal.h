// SPDX-License-Identifier: Apache-2.0
// Streams into systemd-journald, one for each app.  run.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::cli {

// Whether `fd` is the stream that JOURNAL_STREAM names: "DEVICE:INODE" (systemd.exec(5)).
bool isJournalStream(FdRef fd, const std::string& journalStream);

// The socket that takes streams: of the journal, or of a journal namespace (systemd-journald(8)).
std::string journalSocket(const std::string& nameSpace);
// A stream whose lines have `identifier` as SYSLOG_IDENTIFIER.
Result<Fd> openJournalStream(const std::string& socket, const std::string& identifier);

struct JournalDirectory {
  std::string path;
  Fd fd;
};
// Where a namespace's journal is kept.  E_JOURNAL when it is not there, even after a while: a
// namespace begins to exist with its first user.
Result<JournalDirectory> openJournalDirectory(const std::string& nameSpace);

}  // namespace airlock::cli
