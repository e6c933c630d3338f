// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/measure.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/local_socket.h"
#include "base/syscall.h"
#include "ipc/one_job.h"
#include "store/engine_facts.h"
#include "store/layout.h"

namespace airlock::helper {

namespace {

// airlock-measure gives its TPM three seconds; the rest is for the starts that measure before it.
constexpr int kMeasureMilliseconds = 15'000;
constexpr int kKeyMilliseconds = 300'000;  // a chip may take minutes to make a key
// The log directory belongs to the measuring user: root's helper never writes in it.
Result<Fd> logDirectory(const Server& server, const Account& owner) {
  const Fd runtime = TRY(runtimeDirectory(server));
  Fd dir = TRY(sys::ensureDirectory(runtime, store::name("measure"), 0750));
  const struct stat info = TRY(sys::status(dir));
  if (info.st_uid != owner.uid &&
      (::fchown(dir.get(), owner.uid, owner.gid) != 0 || ::fchmod(dir.get(), 0750) != 0)) {
    return failErrno("give the log directory to " + std::string(kMeasureUser));
  }
  return dir;
}

struct Tpm {
  std::optional<Fd> fd;
  std::string why;  // when there is none
};

Tpm openTpm(const Policy& policy) {
  if (policy.softwareTpm.empty()) {
    auto device = sys::openPath("/dev/tpmrm0", O_RDWR | O_NONBLOCK);
    if (device) return {*std::move(device), ""};
    return {std::nullopt, "no TPM: " + device.error().message()};
  }
  auto socket = sys::connectLocal(policy.softwareTpm, SOCK_STREAM);
  if (!socket) return {std::nullopt, "software TPM: " + socket.error().message()};
  return {*std::move(socket), ""};
}

// passwords: beside an AttestRequest, unread.
Result<ipc::MeasureReply> ask(const Server& server, ipc::MeasureJob job, const Tpm& tpm,
                              int milliseconds = kMeasureMilliseconds,
                              std::span<const Fd> passwords = {}) {
  const Account account = TRY(requireUser(kMeasureUser));
  const Fd log = TRY(logDirectory(server, account));
  std::vector<FdRef> fds = {log};
  if (tpm.fd) fds.push_back(*tpm.fd);
  fds.insert(fds.end(), passwords.begin(), passwords.end());
  job.hasTpm = tpm.fd.has_value();
  job.softwareTpm = !server.policy.softwareTpm.empty();
  const std::string answer = TRY(ipc::ask({.program = "airlock-measure",
                                           .identity = Identity{account.uid, account.gid, {}},
                                           .bytes = TRY(ipc::encode(job)),
                                           .fds = fds,
                                           .milliseconds = milliseconds}));
  ipc::MeasureReply reply = TRY(ipc::decodeMeasureReply(answer));
  if (auto* failure = std::get_if<ipc::Failure>(&reply))
    return std::unexpected(std::move(failure->error));
  return reply;
}

// The answer that belongs to the job; a measurer that gives another one is not believed.
template <class Kind>
Result<Kind> expectKind(Result<ipc::MeasureReply> reply) {
  if (!reply) return std::unexpected(std::move(reply.error()));
  if (auto* kind = std::get_if<Kind>(&*reply)) return std::move(*kind);
  return refuse(ErrorKind::Failed, "E_MEASURE", "airlock-measure answered another question");
}

ipc::MeasureMode modeOf(const Policy& policy) {
  return policy.demands("measurement") ? ipc::MeasureMode::Require : policy.measureMode;
}

// The engine as it is now.
Result<void> complete(const Server& server, ipc::MeasureJob& job) {
  const Fd runtime = TRY(runtimeDirectory(server));
  job.engine = TRY(store::engineFacts(runtime, server.keys, server.policy.labels));
  job.engine.policy = server.policy.digest;
  job.engine.policySummary = server.policy.summary;
  return {};
}

Result<MeasureResult> measureWith(const Server& server, ipc::MeasureJob job) {
  MeasureResult result{
      .measured = {},
      .layer = {.name = "measurement", .enforced = false, .detail = "off by policy"}};
  const bool event = job.event.has_value();
  job.mode = modeOf(server.policy);
  job.pcr = server.policy.pcr;
  if (job.mode == ipc::MeasureMode::Off) return result;
  const Tpm tpm = openTpm(server.policy);
  const bool required = job.mode == ipc::MeasureMode::Require;
  if (required && !tpm.fd) {
    return refuse(ErrorKind::Unsupported, "E_MEASURE",
                  "policy requires measurement, and the TPM cannot be used: " + tpm.why,
                  "Make the TPM available, or let policy say \"measure mode=log\"");
  }
  TRY(complete(server, job));
  auto measured = expectKind<ipc::Measured>(ask(server, std::move(job), tpm));
  if (!measured) {
    if (required) {
      return refuse(ErrorKind::Failed, "E_MEASURE",
                    "policy requires measurement, and it failed: " + measured.error().text(),
                    "Nothing was started. See airlock doctor");
    }
    result.layer.detail = measured.error().text();
    return result;
  }
  result.measured = *std::move(measured);
  if (event && server.trail.entry.measure.empty()) {
    server.trail.entry.measure.text("anchor", result.measured.anchor);
    server.trail.entry.measure.number("pcr", server.policy.pcr);
    server.trail.entry.measure.number("records", result.measured.records);
  }
  const std::string& anchor = result.measured.anchor;
  result.layer.enforced = anchor == "hardware" || anchor == "software";
  result.layer.detail =
      result.layer.enforced
          ? "PCR " + std::to_string(server.policy.pcr) + " of a " + anchor + " TPM, record " +
                std::to_string(result.measured.records)
          : "logged only, not anchored: " + (tpm.why.empty() ? "register not usable" : tpm.why);
  return result;
}

}  // namespace

Result<Fd> runtimeDirectory(const Server& server) {
  const std::string path = server.configuration.runtimeDirectory();
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return failErrno("make " + path);
  Fd dir = TRY(sys::openPath(path, O_RDONLY | O_DIRECTORY));
  if (::fchmod(dir.get(), 0755) != 0)
    return failErrno("chmod " + path);  // users find the socket in it
  return dir;
}

Result<MeasureResult> measure(const Server& server, std::vector<ipc::ImageFacts> images,
                              std::optional<MeasuredEvent> event) {
  ipc::MeasureJob job;
  job.images = std::move(images);
  job.event = std::move(event);
  return measureWith(server, std::move(job));
}

Result<MeasureResult> readRegister(const Server& server) {
  ipc::MeasureJob job;
  job.readOnly = true;
  return measureWith(server, std::move(job));
}

Result<ipc::Attested> attestKeys(const Server& server, ipc::AttestRequest request,
                                 ipc::FdTable fds) {
  std::vector<Fd> passwords;
  while (passwords.size() < fds.size()) passwords.push_back(TRY(fds.take(passwords.size())));
  ipc::MeasureJob job;
  job.mode = modeOf(server.policy);
  job.pcr = server.policy.pcr;
  if (request.isQuote()) TRY(complete(server, job));
  job.attest = ipc::AttestJob{.request = std::move(request),
                              .keyHandle = server.policy.attestationKey,
                              .callerUid = server.peer.uid};
  const Tpm tpm = openTpm(server.policy);
  if (!tpm.fd) {
    return refuse(ErrorKind::Unsupported, "E_TPM_ABSENT", tpm.why,
                  "Switch the TPM on in the firmware; see airlock doctor");
  }
  return expectKind<ipc::Attested>(ask(server, std::move(job), tpm, kKeyMilliseconds, passwords));
}

Result<std::optional<Fd>> openLog(const Server& server) {
  const Fd runtime = TRY(runtimeDirectory(server));
  auto log = sys::openBeneath(runtime, TRY(BeneathPath::parse("measure/events.cel")),
                              O_RDONLY | O_NONBLOCK);
  if (!log && log.error().kind() == ErrorKind::Missing) return std::optional<Fd>();
  if (!log) return std::unexpected(std::move(log.error()));
  // The directory is the measurer's: what lies there under this name goes to users, and must be the
  // measurer's too.
  const struct stat info = TRY(sys::status(*log));
  if (!S_ISREG(info.st_mode) || info.st_uid != TRY(requireUser(kMeasureUser)).uid)
    return refuse(ErrorKind::Invalid, "E_MEASURE", "the event log is not a file of the measurer");
  return std::optional(*std::move(log));
}

}  // namespace airlock::helper
