// SPDX-License-Identifier: Apache-2.0
#include "attest/jobs.h"

#include <optional>
#include <string>

#include "attest/appraise.h"
#include "attest/credential.h"
#include "attest/refusal.h"
#include "attest/report.h"
#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::attest {

namespace {

// The next descriptors that a job has only sometimes.
class Optional {
 public:
  Optional(const std::vector<Fd>& fds, std::size_t first) : fds_(fds), next_(first) {}
  FdRef take() { return fds_[next_++]; }

 private:
  const std::vector<Fd>& fds_;
  std::size_t next_;
};

ipc::Appraised verdictOf(const Error& refusal) {
  return {.status = static_cast<std::uint8_t>(exitOf(refusal.code())),
          .code = refusal.code(),
          .text = refusal.message()};
}

// What the verifier's own side gave us is no evidence: what is wrong with it is an error.
template <class T>
Result<T> ours(Result<T> result, std::string_view what) {
  if (result || !isVerdict(result.error())) return result;
  return refuse(ErrorKind::Invalid, result.error().code(),
                std::string(what) + ": " + result.error().message(), result.error().hint());
}

Result<ipc::Appraised> verify(const ipc::VerifyEvidence& job, const std::vector<Fd>& fds) {
  const std::string archive =
      TRY(inContext(sys::readAll(fds[1], limits::kEvidenceBytes), "the evidence"));
  const std::string keys = TRY(inContext(sys::readAll(fds[2], limits::kKeyFileBytes), "--ak"));
  const auto inventory = TRY(ours(readInventory(keys), "--ak"));
  Optional optional(fds, 3);
  std::optional<FleetPolicy> policy;
  if (job.hasPolicy) {
    const std::string text = TRY(sys::readAll(optional.take(), limits::kFleetPolicyBytes));
    policy = TRY(inContext(parseFleetPolicy(text), "--policy"));
  }
  std::optional<Roots> roots;
  if (job.hasRoots) {
    const std::string pem = TRY(sys::readAll(optional.take(), limits::kRootsBytes));
    roots = TRY(Roots::parse(pem));
  }
  if (job.hasCrls) {
    if (!roots) return refuse(ErrorKind::Invalid, "E_USAGE", "--crl needs --ek-roots");
    TRY(roots->addCrls(TRY(sys::readAll(optional.take(), limits::kCrlBytes))));
  }
  std::optional<RevokedKeys> revoked;
  if (job.hasRevoked) {
    const std::string text = TRY(sys::readAll(optional.take(), limits::kRevokedBytes));
    revoked = TRY(inContext(RevokedKeys::parse(text), "--revoked"));
  }
  std::optional<AuditorsTrust> trust;
  if (job.hasTrust) {
    trust = TRY(parseAuditorsTrust(TRY(sys::readAll(optional.take(), limits::kKeyFileBytes))));
  }
  const Appraisal appraisal = TRY(appraise(archive, {.nonce = job.nonce,
                                                     .inventory = inventory,
                                                     .policy = policy ? &*policy : nullptr,
                                                     .roots = roots ? &*roots : nullptr,
                                                     .requireHardware = job.requireHardware,
                                                     .audit = job.audit,
                                                     .trust = trust ? &*trust : nullptr,
                                                     .revoked = revoked ? &*revoked : nullptr}));
  TRY(sys::writeAll(fds[0], job.json   ? jsonReport(appraisal)
                            : job.page ? pageReport(appraisal)
                                       : textReport(appraisal)));
  return appraisal.refusal ? verdictOf(*appraisal.refusal) : ipc::Appraised{};
}

Result<ipc::Appraised> challenge(const ipc::MakeChallenge& job, const std::vector<Fd>& fds) {
  const std::string endorsement =
      TRY(inContext(sys::readAll(fds[2], limits::kKeyFileBytes), "--ek"));
  const std::string attestation =
      TRY(inContext(sys::readAll(fds[3], limits::kQuoteBytes), "--ak-pub"));
  std::optional<Roots> roots;
  Optional optional(fds, 4);
  if (job.hasRoots) {
    roots = TRY(Roots::parse(TRY(sys::readAll(optional.take(), limits::kRootsBytes))));
  }
  if (job.hasCrls) {
    if (!roots) return refuse(ErrorKind::Invalid, "E_USAGE", "--crl needs --ek-roots");
    TRY(roots->addCrls(TRY(sys::readAll(optional.take(), limits::kCrlBytes))));
  }
  const auto made = makeChallenge(endorsement, attestation, roots ? &*roots : nullptr);
  if (!made && isVerdict(made.error())) return verdictOf(made.error());
  if (!made) return std::unexpected(made.error());
  TRY(sys::writeAll(fds[0], made->file));
  TRY(sys::writeAll(fds[1], made->secret));
  return ipc::Appraised{.text = made->warning};
}

// Nothing here is a verdict yet: what can be read is listed, and appraised later.
Result<ipc::Appraised> signatures(const std::vector<Fd>& fds) {
  const std::string archive =
      TRY(inContext(sys::readAll(fds[1], limits::kEvidenceBytes), "the evidence"));
  const auto evidence = readEvidence(archive);
  if (!evidence || !evidence->log) return ipc::Appraised{};
  const auto replay = tpm::replayText(*evidence->log);
  if (!replay) return ipc::Appraised{};
  const auto history = readHistory(*replay);
  if (!history) return ipc::Appraised{};
  if (const auto list = listSignatures(*evidence, *history)) TRY(sys::writeAll(fds[0], *list));
  return ipc::Appraised{};
}

}  // namespace

Result<ipc::Appraised> perform(const ipc::AppraiseJob& job, const std::vector<Fd>& fds) {
  if (const auto* question = std::get_if<ipc::VerifyEvidence>(&job)) return verify(*question, fds);
  if (std::holds_alternative<ipc::ListSignatures>(job)) return signatures(fds);
  return challenge(std::get<ipc::MakeChallenge>(job), fds);
}

}  // namespace airlock::attest
