// SPDX-License-Identifier: Apache-2.0
// Of what the quote stands for: the log, the boot beneath it, the TPM's maker, and what was asked.
#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "attest/appraising.h"
#include "attest/audit_trail.h"
#include "attest/exported_files.h"
#include "attest/judge.h"
#include "attest/refusal.h"
#include "base/log.h"

namespace airlock::attest {

namespace {

// Others are somebody else's, or can be reset by whoever asks (M06).
constexpr std::array<std::uint32_t, 3> kOurRegisters{13, 14, 15};
constexpr std::uint32_t kUsualRegister = 15;

}  // namespace

Result<Finding> Appraising::checkLog() {
  auto replay = tpm::replayText(*evidence_.log);
  if (!replay) {
    return refuseEvidence("E_ATTEST_LOG",
                          "the log is not as we write it: " + replay.error().message());
  }
  appraisal_.replay = std::move(*replay);
  if (chain().records == 0) return refuseEvidence("E_ATTEST_LOG", "the log is empty");
  appraisal_.history = TRY(readHistory(*appraisal_.replay));
  noteLayers();
  return std::to_string(chain().records) + " records, whole and in order";
}

// In any part of the boot: what ran then does not come back under a layer that is there now.  The
// rest of a layer's story is policy's.
void Appraising::noteLayers() {
  std::set<std::string> notes;
  for (const EngineRecord& engine : appraisal_.history->engines) {
    for (const EngineRecord::Layer& layer : engine.layers) {
      if (layer.enforced) continue;
      std::string note = printable(layer.name) + " was not enforced";
      if (!layer.detail.empty()) note += ": " + printable(layer.detail);
      if (notes.insert(note).second) appraisal_.notes.push_back(std::move(note));
    }
  }
}

const tpm::Bytes* Appraising::registerOf(std::uint16_t bank, std::uint32_t index) const {
  const auto found = registers_.find(bank);
  if (found == registers_.end()) return nullptr;
  const auto value = found->second.find(index);
  return value == found->second.end() ? nullptr : &value->second;
}

// Root can extend those of ours that this host's engine leaves at zero by a history that it has
// made up.  So the verifier says which one it is; policy judges where it says another.
Result<void> Appraising::expectOurRegister() const {
  const std::string about = "the log is about register " + std::to_string(chain().pcr);
  if (std::ranges::count(kOurRegisters, chain().pcr) == 0) {
    return refuseEvidence("E_ATTEST_SELECTION", about + ", which others can extend or reset");
  }
  const bool said = question_.policy != nullptr && question_.policy->pcr;
  if (said || chain().pcr == kUsualRegister) return {};
  return refuseEvidence(
      "E_ATTEST_SELECTION",
      about + ", and nobody said that this host does not use " + std::to_string(kUsualRegister),
      "if it does not: \"pcr\": " + std::to_string(chain().pcr) + " in the fleet's policy");
}

// The banks that were extended and those that were quoted are the same: a quoted bank that the log
// does not have was never extended, and anybody could make up a history for it (M07).
Result<void> Appraising::expectBanks() const {
  const std::string ours = "register " + std::to_string(chain().pcr) + " of bank ";
  for (const tpm::BankValue& bank : chain().values) {
    if (registerOf(bank.algorithm, chain().pcr) == nullptr) {
      return refuseEvidence("E_ATTEST_SELECTION", ours + bankName(bank.algorithm) +
                                                      " was extended, and it was not quoted");
    }
  }
  for (const auto& [bank, values] : registers_) {
    const bool logged = std::ranges::count(chain().values, bank, &tpm::BankValue::algorithm) != 0;
    if (values.contains(chain().pcr) && !logged) {
      return refuseEvidence("E_ATTEST_BANK",
                            ours + bankName(bank) + " was quoted, and the log never extended it");
    }
  }
  if (chain().values.size() == 1 && chain().values.front().algorithm == tpm::kSha1) {
    return refuseEvidence("E_ATTEST_BANK", "SHA-1 is the only bank");
  }
  return {};
}

// The counters stand in the signed quote, and in the log's engine records.
Result<void> Appraising::expectThisBoot() const {
  for (const EngineRecord& engine : appraisal_.history->engines) {
    const std::string name = "record " + std::to_string(engine.number);
    if (engine.resets != appraisal_.quote->resets) {
      return refuseEvidence("E_ATTEST_BOOT", name + " was written " +
                                                 std::to_string(engine.resets) +
                                                 " resets into the TPM's life, the quote " +
                                                 std::to_string(appraisal_.quote->resets) +
                                                 ": the log is of another boot");
    }
    if (engine.restarts > appraisal_.quote->restarts) {
      return refuseEvidence("E_ATTEST_BOOT",
                            name + " counts more restarts of the TPM than the quote: it is older");
    }
  }
  return {};
}

Result<Finding> Appraising::checkReplay() {
  TRY(expectOurRegister());
  TRY(expectBanks());
  for (const tpm::BankValue& bank : chain().values) {
    if (*registerOf(bank.algorithm, chain().pcr) == bank.value) continue;
    TRY(expectThisBoot());  // the better reason, if it is that
    return refuseEvidence("E_ATTEST_REPLAY",
                          "the log does not lead to what register " + std::to_string(chain().pcr) +
                              " of bank " + bankName(bank.algorithm) +
                              " held: records are missing, or it was extended by somebody else");
  }
  std::string text = "register " + std::to_string(chain().pcr);
  for (const tpm::BankValue& bank : chain().values) text += " " + bankName(bank.algorithm);
  return text;
}

Result<Finding> Appraising::checkBoot() {
  TRY(expectThisBoot());
  const Quote& quote = *appraisal_.quote;
  const std::uint64_t since = quote.restarts - appraisal_.history->engines.front().restarts;
  if (since != 0) {
    appraisal_.notes.push_back("the TPM was restarted " + std::to_string(since) +
                               " time(s) since the log began: the host was suspended");
  }
  if (!quote.safe) {
    appraisal_.notes.emplace_back("the TPM's clock may have run backwards since an unclean end");
  }
  return "reset " + std::to_string(quote.resets) + ", restart " + std::to_string(quote.restarts);
}

Result<void> Appraising::noteCommandLine(const FirmwareLog& log) {
  if (!evidence_.kernelCommandLine) return {};
  switch (commandLineOf(log, *evidence_.kernelCommandLine)) {
    case CommandLine::Measured:
      return {};
    case CommandLine::Fits:
      appraisal_.notes.emplace_back(
          "the kernel's command line fits an event of the firmware's log that root could have "
          "added after the boot");
      return {};
    case CommandLine::NotMeasured:
      appraisal_.notes.emplace_back("the kernel's command line was not measured at boot");
      return {};
    case CommandLine::Differs:
      break;
  }
  return refuseEvidence("E_ATTEST_FIRMWARE",
                        "the kernel's command line is not the one that was measured at boot");
}

Result<Finding> Appraising::checkFirmware() {
  if (!evidence_.firmwareLog) {
    return notChecked(
        "the boot chain beneath airlock was not checked: the evidence has no firmware log");
  }
  FirmwareLog log = TRY(readFirmwareLog(*evidence_.firmwareLog));
  const std::size_t compared = TRY(compareFirmware(log, registers_, chain().pcr));
  if (compared == 0) {
    // Nothing vouches for any of it.
    return notChecked(
        "the boot chain beneath airlock was not checked: none of its registers was quoted");
  }
  TRY(noteCommandLine(log));
  std::string detail = std::to_string(log.events.size()) + " events, " +
                       std::to_string(log.recomputed) + " with a digest over their data; " +
                       std::to_string(compared) + " registers agree";
  appraisal_.firmware = std::move(log);
  return Finding(std::move(detail));
}

// Who made the TPM, by its certificate; and that it is the TPM that quoted.
Result<std::string> Appraising::describeCertificate() {
  if (!evidence_.certificate) {
    return refuseEvidence("E_ATTEST_EK", "the evidence has no certificate of the TPM's maker");
  }
  const EkCertificate certificate = TRY(EkCertificate::parse(*evidence_.certificate));
  appraisal_.certificate = printable(certificate.manufacturer()) + " " +
                           printable(certificate.model()) + ", issued by " +
                           printable(certificate.issuer());
  if (certificate.namesSoftware()) {
    return refuseEvidence("E_ATTEST_SOFTWARE", "the TPM's certificate is one of a software TPM: " +
                                                   appraisal_.certificate);
  }
  if (question_.roots == nullptr) {
    return refuseEvidence("E_ATTEST_EK", "no maker is trusted, so the certificate shows nothing",
                          "--ek-roots DIR");
  }
  TRY(certificate.chainsTo(*question_.roots));
  if (!area_) {
    return refuseEvidence("E_ATTEST_EK",
                          "the certificate cannot be tied to the key without `ak.pub`");
  }
  if (!madeBelow(certificate.key(), area_->name, appraisal_.quote->qualifiedSigner)) {
    return refuseEvidence("E_ATTEST_EK",
                          "the key was not made below the endorsement key of that certificate");
  }
  return "TPM of " + appraisal_.certificate;
}

Result<Finding> Appraising::checkHardware() {
  const auto& engines = appraisal_.history->engines;
  const auto software = std::ranges::find(engines, std::string("software"), &EngineRecord::anchor);
  auto described =
      software == engines.end()
          ? describeCertificate()
          : Result<std::string>(refuseEvidence(
                "E_ATTEST_SOFTWARE",
                "the host itself says that its TPM is a program: " + printable(software->tpm)));
  if (described) {
    appraisal_.software = false;
    return *std::move(described);
  }
  // A list of revoked certificates was given to be heeded, whatever else is asked.
  if (needsHardware() || described.error().code() == "E_ATTEST_EK_REVOKED") {
    return std::unexpected(std::move(described.error()));
  }
  return notChecked(
      "counts as a software TPM, which proves nothing to whoever does not "
      "trust its host: " +
      described.error().message());
}

Result<Finding> Appraising::checkPolicy() {
  if (question_.policy == nullptr) {
    return notChecked("no policy was given: anything may have run");
  }
  const FirmwareLog* firmware = appraisal_.firmware ? &*appraisal_.firmware : nullptr;
  TRY(judge(*question_.policy,
            {.history = *appraisal_.history,
             .chain = chain(),
             .registers = registers_,
             .restarts = appraisal_.quote->restarts - appraisal_.history->engines.front().restarts,
             .signersChecked = question_.audit && question_.trust != nullptr,
             .fresh = !question_.nonce.empty(),
             .firmware = firmware,
             .commandLine = evidence_.kernelCommandLine}));
  return std::string("every demand is met");
}

Result<Finding> Appraising::checkAudit() {
  const auto lines = TRY(readAuditTrail(TRY(need(evidence_.audit, "audit.jsonl"))));
  const AuditTie tie = TRY(tieAuditTrail(*appraisal_.history, lines));
  appraisal_.decisions = tie.decisions;
  if (tie.unrecorded != 0) {
    appraisal_.notes.push_back(std::to_string(tie.unrecorded) +
                               " start(s) or enter(s) name no line of the audit record");
  }
  if (tie.after != 0) {
    appraisal_.notes.push_back("the last " + std::to_string(tie.after) +
                               " line(s) of the audit record are not covered by the register: no "
                               "start or enter was measured after them");
  }
  if (tie.loose != 0) {
    appraisal_.notes.push_back(std::to_string(tie.loose) +
                               " line(s) of the audit record stand before a torn one that does not "
                               "hold them: they could have been exchanged");
  }
  if (beginsLate(*appraisal_.history, lines)) {
    appraisal_.notes.push_back("the audit record begins with line " +
                               std::to_string(lines.front().number) +
                               ": what was decided in this boot before it is not in the evidence");
  }
  return std::to_string(tie.covered - tie.loose) + " line(s) covered by the register";
}

Result<Finding> Appraising::checkFiles() {
  CheckedFiles checked = TRY(checkExportedFiles(evidence_, *appraisal_.history));
  std::ranges::move(checked.notes, std::back_inserter(appraisal_.notes));
  return Finding(std::move(checked.detail));
}

Result<Finding> Appraising::checkSignedBy() {
  if (question_.trust == nullptr) {
    return notChecked("whose signatures count was not said");
  }
  SignersFound found = TRY(checkSigners(*appraisal_.history, *question_.trust, question_.policy));
  std::ranges::move(found.notes, std::back_inserter(appraisal_.notes));
  appraisal_.verifiedAgain = std::move(found.afresh);
  return Finding(std::move(found.detail));
}

}  // namespace airlock::attest
