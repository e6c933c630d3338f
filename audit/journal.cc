// SPDX-License-Identifier: Apache-2.0
#include "audit/journal.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>

#include <array>
#include <cstring>

#include "base/local_socket.h"

namespace airlock::audit {

namespace {
constexpr char kSocket[] = "/run/systemd/journal/socket";
// journalctl MESSAGE_ID=…, and what journalctl --catalog would explain.
constexpr char kMessageId[] = "6f1dbb3a0d8f4b0f9c6a4e6c2b7a1d58";
}  // namespace

// systemd.io/JOURNAL_NATIVE_PROTOCOL: a datagram of NAME=value lines.  None of the values has a
// newline: a line of the record is ASCII without one.
void tellJournal(const Entry& entry, const Written& written) {
  const Fd socket = Fd::own(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto address = sys::localAddress(kSocket);
  if (!socket.valid() || !address) return;
  const bool refused = entry.code != kAllowed && entry.code != kDone;
  std::string text;
  const auto field = [&](const char* name, const std::string& value) {
    if (!value.empty()) text += std::string(name) + "=" + value + "\n";
  };
  field("MESSAGE",
        "audit " + std::to_string(written.sequence) + ": " + entry.op + " " + entry.code);
  field("MESSAGE_ID", kMessageId);
  field("PRIORITY", std::to_string(refused ? LOG_WARNING : LOG_INFO));
  field("SYSLOG_IDENTIFIER", "airlock-audit");
  field("AIRLOCK_SEQ", std::to_string(written.sequence));
  field("AIRLOCK_OP", entry.op);
  field("AIRLOCK_RESULT", entry.code);
  field("AIRLOCK_POD", entry.pod ? entry.pod->text() : "");
  field("AIRLOCK_UID", entry.who ? std::to_string(entry.who->uid) : "");
  field("AIRLOCK_DIGEST", written.digest.text());
  field("AIRLOCK_LINE", written.line);
  static_cast<void>(::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                             reinterpret_cast<const sockaddr*>(&*address), sizeof *address));
}

}  // namespace airlock::audit
