// SPDX-License-Identifier: Apache-2.0
// Quotes and keys of the TPM: who may ask, and the logs that go with the answer.  Everything else
// is airlock-measure's, whose answer is passed on and not looked into.
#include <fcntl.h>

#include "base/accounts.h"
#include "base/syscall.h"
#include "priv-helper/measure.h"
#include "priv-helper/server.h"

namespace airlock::helper {

namespace {

// What the firmware measured before us, readable by root alone.
constexpr char kFirmwareLog[] = "/sys/kernel/security/tpm0/binary_bios_measurements";

Result<void> authorise(const Server& server, const ipc::AttestRequest& request) {
  TRY(server.authoriser.plain(Verb::Attest));
  if (request.isQuote() || server.peer.uid == 0) return {};
  return refuse(
      ErrorKind::Denied, "E_DENIED",
      "the keys of the TPM are root's; " + userName(server.peer.uid) + " may ask for quotes",
      "Ask the administrator to run this command");
}

}  // namespace

Result<Answer> attest(Server& server, ipc::AttestRequest request, ipc::FdTable fds) {
  TRY(fds.expect(request.passwords()));
  TRY(authorise(server, request));
  TRY(server.trail.allow());
  const bool quote = request.isQuote();
  Answer answer{ipc::Done{}, {}};
  ipc::Attested attested = TRY(attestKeys(server, std::move(request), std::move(fds)));
  attested.hasFirmwareLog = false;
  if (quote) {
    auto log = TRY(openLog(server));
    if (!log) return refuse(ErrorKind::Failed, "E_MEASURE", "the log that was quoted is gone");
    answer.fds.push_back(*std::move(log));
    // Of a software TPM that policy names, the firmware knows nothing.
    if (server.policy.softwareTpm.empty()) {
      if (auto firmware = sys::openPath(kFirmwareLog, O_RDONLY)) {
        attested.hasFirmwareLog = true;
        answer.fds.push_back(*std::move(firmware));
      }
    }
  }
  answer.reply = std::move(attested);
  return answer;
}

}  // namespace airlock::helper
