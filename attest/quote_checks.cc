// SPDX-License-Identifier: Apache-2.0
// Of the key, and of what its TPM has signed.
#include <algorithm>

#include "attest/appraising.h"
#include "attest/refusal.h"
#include "base/log.h"

namespace airlock::attest {

Result<std::string_view> need(const std::optional<std::string_view>& file, std::string_view name) {
  if (file) return *file;
  return refuseEvidence("E_ATTEST_EVIDENCE",
                        "the evidence has no file " + airlock::quoted(name) + ", which is needed");
}

Result<Finding> Appraising::checkEvidence() {
  evidence_ = TRY(readEvidence(archive_));
  TRY(need(evidence_.quote, "quote"));
  TRY(need(evidence_.signature, "quote.sig"));
  TRY(need(evidence_.registers, "pcrs"));
  TRY(need(evidence_.log, "events.cel"));
  return std::string("all files are known, and what is needed is there");
}

// What the evidence claims about the key only chooses among those that are trusted.
Result<Finding> Appraising::checkKey() {
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

Result<Finding> Appraising::checkSignature() {
  const Signature signature = TRY(parseSignature(*evidence_.signature));
  if (!key_->key.verifies(*evidence_.quote, signature)) {
    return refuseEvidence("E_ATTEST_SIGNATURE",
                          "the quote was changed, or it was signed by another key");
  }
  return std::string(signature.scheme == Signature::Scheme::Ecdsa ? "ECDSA" : "RSASSA") +
         " with SHA-256";
}

Result<Finding> Appraising::checkStructure() {
  appraisal_.quote = TRY(parseQuote(*evidence_.quote, trailing_));
  return std::string("a quote that the TPM itself made");
}

Result<Finding> Appraising::checkNonce() {
  if (question_.nonce.empty()) {
    return notChecked("no nonce was given: the evidence may be of an earlier time of that boot");
  }
  if (appraisal_.quote->nonce != question_.nonce) {
    return refuseEvidence("E_ATTEST_NONCE",
                          "the quote answers another nonce: it is an old one, or somebody else's");
  }
  return std::to_string(question_.nonce.size()) + " bytes";
}

Result<Finding> Appraising::checkSelection() {
  registers_ = TRY(parseRegisters(*evidence_.registers));
  TRY(expectSelected(registers_, appraisal_.quote->selections));
  std::string text;
  for (const Selection& selection : appraisal_.quote->selections) {
    text += (text.empty() ? "" : ", ") + bankName(selection.bank) + ": " +
            std::to_string(selection.registers.size()) + " register(s)";
  }
  return text;
}

Result<Finding> Appraising::checkRegisters() {
  const tpm::Bytes digest = quotedDigest(registers_, appraisal_.quote->selections);
  if (std::string(digest.begin(), digest.end()) != appraisal_.quote->registersDigest) {
    return refuseEvidence("E_ATTEST_PCRS",
                          "the values of the registers are not those that were quoted");
  }
  return std::string("the values are those that were quoted");
}

Result<Finding> Appraising::checkTrailing() {
  if (trailing_ != 0) {
    return refuseEvidence("E_ATTEST_TRAILING", std::to_string(trailing_) +
                                                   " byte(s) follow the quote in what was signed");
  }
  return std::string("nothing follows the quote");
}

}  // namespace airlock::attest
