// SPDX-License-Identifier: Apache-2.0
// Streams into systemd-journald, one for each app.  run.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::cli {

// Whether `fd` is the stream that JOURNAL_STREAM names: "DEVICE:INODE" (systemd.exec(5)).
bool isJournalStream(FdRef fd, const std::string& journalStream);

// The socket that takes streams: of the journal, or of a journal namespace (systemd-journald(8)).
std::string journalSocket(const std::string& nameSpace);
// The unit in a cgroup path such as "/system.slice/web.service/pod"; "" when there is none in it.
std::string unitOf(std::string_view cgroup);
// The unit that this process is in.
std::string ownUnit();
// A stream whose lines have `identifier` as SYSLOG_IDENTIFIER, and belong to `unit` where journald
// cannot ask the kernel: their writer has ended.
Result<Fd> openJournalStream(const std::string& socket, const std::string& identifier,
                             const std::string& unit);

struct JournalDirectory {
  std::string path;
  Fd fd;
};
// Where a namespace's journal is kept.  E_JOURNAL when it is not there, even after a while: a
// namespace begins to exist with its first user.
Result<JournalDirectory> openJournalDirectory(const std::string& nameSpace);

}  // namespace airlock::cli
