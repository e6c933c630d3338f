// SPDX-License-Identifier: Apache-2.0
#include "attest/appraise.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "attest/audit_trail.h"
#include "attest/exported_files.h"
#include "attest/judge.h"
#include "attest/refusal.h"
#include "attest/registers.h"
#include "base/limits.h"
#include "base/log.h"

namespace airlock::attest {

namespace {

// Others are somebody else's, or can be reset by whoever asks (M06).
constexpr std::array<std::uint32_t, 3> kOurRegisters{13, 14, 15};

Result<std::string_view> need(const std::optional<std::string_view>& file, std::string_view name) {
  if (file) return *file;
  return refuseEvidence("E_ATTEST_EVIDENCE",
                        "the evidence has no file " + airlock::quoted(name) + ", which is needed");
}

class Appraising {
 public:
  Appraising(std::string_view archive, const Question& question)
      : archive_(archive), question_(question) {}
  Result<Appraisal> run();

 private:
  // Each says what it found.
  using Step = Result<std::string> (Appraising::*)();
  struct Named {
    const char* name;
    Step step;
  };
  static const std::array<Named, 14> kSteps;
  static const std::array<Named, 3> kAuditSteps;

  Result<std::string> checkEvidence();
  Result<std::string> checkKey();
  Result<std::string> checkSignature();
  Result<std::string> checkStructure();
  Result<std::string> checkNonce();
  Result<std::string> checkSelection();
  Result<std::string> checkRegisters();
  Result<std::string> checkTrailing();
  Result<std::string> checkLog();
  Result<std::string> checkReplay();
  Result<std::string> checkBoot();
  Result<std::string> checkFirmware();
  Result<std::string> checkHardware();
  Result<std::string> checkPolicy();
  Result<std::string> checkAudit();
  Result<std::string> checkFiles();
  Result<std::string> checkSignedBy();
  Result<bool> passes(const Named& named);

  bool needsHardware() const {
    return question_.requireHardware ||
           (question_.policy != nullptr && question_.policy->requireHardware);
  }
  const tpm::Chain& chain() const { return appraisal_.replay->chain; }
  const tpm::Bytes* registerOf(std::uint16_t bank, std::uint32_t index) const;
  Result<void> expectOurRegister() const;
  Result<void> expectBanks() const;
  Result<void> expectThisBoot() const;
  Result<void> noteCommandLine(const FirmwareLog& log);
  Result<std::string> describeCertificate();
  void noteLayers();

  std::string_view archive_;
  const Question& question_;
  Appraisal appraisal_;
  Evidence evidence_;
  const TrustedKey* key_ = nullptr;
  std::optional<PublicArea>
      area_;  // of the key: the inventory's, or the evidence's for the same key
  std::size_t trailing_ = 0;
  Registers registers_;
};

constexpr std::array<Appraising::Named, 14> Appraising::kSteps{
    {{"evidence", &Appraising::checkEvidence},
     {"key", &Appraising::checkKey},
     {"signature", &Appraising::checkSignature},
     {"structure", &Appraising::checkStructure},
     {"nonce", &Appraising::checkNonce},
     {"selection", &Appraising::checkSelection},
     {"registers", &Appraising::checkRegisters},
     {"trailing", &Appraising::checkTrailing},
     {"log", &Appraising::checkLog},
     {"replay", &Appraising::checkReplay},
     {"boot", &Appraising::checkBoot},
     {"firmware", &Appraising::checkFirmware},
     {"hardware", &Appraising::checkHardware},
     {"policy", &Appraising::checkPolicy}}};
constexpr std::array<Appraising::Named, 3> Appraising::kAuditSteps{
    {{"audit", &Appraising::checkAudit},
     {"files", &Appraising::checkFiles},
     {"signers", &Appraising::checkSignedBy}}};

Result<std::string> Appraising::checkEvidence() {
  evidence_ = TRY(readEvidence(archive_));
  TRY(need(evidence_.quote, "quote"));
  TRY(need(evidence_.signature, "quote.sig"));
  TRY(need(evidence_.registers, "pcrs"));
  TRY(need(evidence_.log, "events.cel"));
  return std::string("all files are known, and what is needed is there");
}

// What the evidence claims about the key only chooses among those that are trusted.
Result<std::string> Appraising::checkKey() {
  const auto& inventory = question_.inventory;
  if (evidence_.attestationKey) {
    PublicArea claimed = TRY(parsePublicArea(*evidence_.attestationKey));
    const auto key = Key::fromArea(claimed);
    const auto found = std::ranges::find_if(
        inventory, [&](const TrustedKey& trusted) { return key && trusted.key == *key; });
    if (found == inventory.end()) {
      return refuseEvidence("E_ATTEST_AK",
                            "the evidence is of a key that is not among those that are trusted");
    }
    key_ = &*found;
    area_ = std::move(claimed);
  } else {
    if (inventory.size() != 1) {
      return refuseEvidence("E_ATTEST_AK", "the evidence does not say which key it is of",
                            "give the one key of that host");
    }
    key_ = &inventory.front();
  }
  if (key_->area) {
    if (area_ && area_->name != key_->area->name) {
      return refuseEvidence("E_ATTEST_AK", "the evidence describes the trusted key as another one");
    }
    area_ = key_->area;
  }
  appraisal_.key = key_->key.fingerprint();
  if (question_.revoked != nullptr) TRY(question_.revoked->expectNot(*key_));
  if (question_.policy != nullptr) TRY(question_.policy->revokedKeys.expectNot(*key_));
  if (!key_->area) {
    // What the evidence says of the key is its host's word.
    appraisal_.notes.emplace_back(
        "whether the key signs only what its TPM says was seen to at enrolment: it was given as "
        "PEM");
  }
  if (!area_) return appraisal_.key;
  if (const auto why = whyNoAttestationKey(*area_)) {
    return refuseEvidence("E_ATTEST_AK", "the key is no attestation key: " + *why);
  }
  return appraisal_.key;
}

Result<std::string> Appraising::checkSignature() {
  const Signature signature = TRY(parseSignature(*evidence_.signature));
  if (!key_->key.verifies(*evidence_.quote, signature)) {
    return refuseEvidence("E_ATTEST_SIGNATURE",
                          "the quote was changed, or it was signed by another key");
  }
  return std::string(signature.scheme == Signature::Scheme::Ecdsa ? "ECDSA" : "RSASSA") +
         " with SHA-256";
}

Result<std::string> Appraising::checkStructure() {
  appraisal_.quote = TRY(parseQuote(*evidence_.quote, trailing_));
  return std::string("a quote that the TPM itself made");
}

Result<std::string> Appraising::checkNonce() {
  if (question_.nonce.empty()) {
    appraisal_.notes.emplace_back(
        "no nonce was given: the evidence may be of an earlier time of that boot");
    return std::string();
  }
  if (appraisal_.quote->nonce != question_.nonce) {
    return refuseEvidence("E_ATTEST_NONCE",
                          "the quote answers another nonce: it is an old one, or somebody else's");
  }
  return std::to_string(question_.nonce.size()) + " bytes";
}

Result<std::string> Appraising::checkSelection() {
  registers_ = TRY(parseRegisters(*evidence_.registers));
  TRY(expectSelected(registers_, appraisal_.quote->selections));
  std::string text;
  for (const Selection& selection : appraisal_.quote->selections) {
    text += (text.empty() ? "" : ", ") + bankName(selection.bank) + ": " +
            std::to_string(selection.registers.size()) + " register(s)";
  }
  return text;
}

Result<std::string> Appraising::checkRegisters() {
  const tpm::Bytes digest = quotedDigest(registers_, appraisal_.quote->selections);
  if (std::string(digest.begin(), digest.end()) != appraisal_.quote->registersDigest) {
    return refuseEvidence("E_ATTEST_PCRS",
                          "the values of the registers are not those that were quoted");
  }
  return std::string("the values are those that were quoted");
}

Result<std::string> Appraising::checkTrailing() {
  if (trailing_ != 0) {
    return refuseEvidence("E_ATTEST_TRAILING", std::to_string(trailing_) +
                                                   " byte(s) follow the quote in what was signed");
  }
  return std::string("nothing follows the quote");
}

Result<std::string> Appraising::checkLog() {
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

Result<void> Appraising::expectOurRegister() const {
  if (std::ranges::count(kOurRegisters, chain().pcr) != 0) return {};
  return refuseEvidence("E_ATTEST_SELECTION", "the log is about register " +
                                                  std::to_string(chain().pcr) +
                                                  ", which others can extend or reset");
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

Result<std::string> Appraising::checkReplay() {
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

Result<std::string> Appraising::checkBoot() {
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

Result<std::string> Appraising::checkFirmware() {
  if (!evidence_.firmwareLog) {
    appraisal_.notes.emplace_back(
        "the boot chain beneath airlock was not checked: the evidence has no firmware log");
    return std::string();
  }
  FirmwareLog log = TRY(readFirmwareLog(*evidence_.firmwareLog));
  const std::size_t compared = TRY(compareFirmware(log, registers_, chain().pcr));
  if (compared == 0) {
    // Nothing vouches for any of it.
    appraisal_.notes.emplace_back(
        "the boot chain beneath airlock was not checked: none of its registers was quoted");
    return std::string();
  }
  TRY(noteCommandLine(log));
  std::string detail = std::to_string(log.events.size()) + " events, " +
                       std::to_string(log.recomputed) + " with a digest over their data; " +
                       std::to_string(compared) + " registers agree";
  appraisal_.firmware = std::move(log);
  return detail;
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

Result<std::string> Appraising::checkHardware() {
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
    return described;
  }
  // A list of revoked certificates was given to be heeded, whatever else is asked.
  if (needsHardware() || described.error().code() == "E_ATTEST_EK_REVOKED") return described;
  appraisal_.notes.push_back(
      "counts as a software TPM, which proves nothing to whoever does not "
      "trust its host: " +
      described.error().message());
  return std::string();
}

Result<std::string> Appraising::checkPolicy() {
  if (question_.policy == nullptr) {
    appraisal_.notes.emplace_back("no policy was given: anything may have run");
    return std::string();
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

Result<std::string> Appraising::checkAudit() {
  const auto lines = TRY(readAuditTrail(TRY(need(evidence_.audit, "audit.jsonl"))));
  const AuditTie tie = TRY(tieAuditTrail(*appraisal_.history, lines));
  if (tie.unrecorded != 0) {
    appraisal_.notes.push_back(std::to_string(tie.unrecorded) +
                               " start(s) or enter(s) name no line of the audit record");
  }
  if (tie.after != 0) {
    appraisal_.notes.push_back("the last " + std::to_string(tie.after) +
                               " line(s) of the audit record are not covered by the register");
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

Result<std::string> Appraising::checkFiles() {
  CheckedFiles checked = TRY(checkExportedFiles(evidence_, *appraisal_.history));
  std::ranges::move(checked.notes, std::back_inserter(appraisal_.notes));
  return std::move(checked.detail);
}

Result<std::string> Appraising::checkSignedBy() {
  if (question_.trust == nullptr) {
    appraisal_.notes.emplace_back("whose signatures count was not said");
    return std::string();
  }
  SignersFound found = TRY(checkSigners(*appraisal_.history, *question_.trust, question_.policy));
  std::ranges::move(found.notes, std::back_inserter(appraisal_.notes));
  appraisal_.verifiedAgain = std::move(found.afresh);
  return std::move(found.detail);
}

// False: the verdict is there.
Result<bool> Appraising::passes(const Named& named) {
  auto done = (this->*named.step)();
  if (!done && !isVerdict(done.error())) return std::unexpected(std::move(done.error()));
  if (!done) {
    appraisal_.checks.push_back({named.name, Check::Outcome::Failed, done.error().message()});
    appraisal_.refusal = std::move(done.error());
    return false;
  }
  const auto outcome = done->empty() ? Check::Outcome::NotDone : Check::Outcome::Passed;
  appraisal_.checks.push_back({named.name, outcome, std::move(*done)});
  return true;
}

Result<Appraisal> Appraising::run() {
  bool good = true;
  for (const Named& named : kSteps) {
    if (good) good = TRY(passes(named));
  }
  for (const Named& named : kAuditSteps) {
    if (good && question_.audit) good = TRY(passes(named));
  }
  return std::move(appraisal_);
}

}  // namespace

Result<Appraisal> appraise(std::string_view archive, const Question& question) {
  return Appraising(archive, question).run();
}

}  // namespace airlock::attest
