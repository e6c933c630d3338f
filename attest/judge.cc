// SPDX-License-Identifier: Apache-2.0
#include "attest/judge.h"

#include <algorithm>

#include "attest/refusal.h"
#include "base/digest.h"
#include "base/log.h"
#include "tpm/hash.h"

namespace airlock::attest {

namespace {

// code: what follows E_ATTEST_POLICY_.
std::unexpected<Error> unwanted(std::string_view code, std::string what) {
  return refuseEvidence("E_ATTEST_POLICY_" + std::string(code), std::move(what));
}
std::unexpected<Error> unwanted(std::string_view code, std::uint64_t number, std::string what) {
  return unwanted(code, "record " + std::to_string(number) + ": " + std::move(what));
}

bool allows(const std::optional<Texts>& list, std::string_view value) {
  return !list || list->contains(value);
}

Result<void> judgeEngine(const FleetPolicy& policy, const EngineRecord& engine) {
  const FleetPolicy::Engine& wanted = policy.engine;
  if (!allows(wanted.versions, engine.version)) {
    return unwanted("ENGINE", engine.number,
                    "airlock " + airlock::quoted(engine.version) + " is not allowed");
  }
  for (const auto& [name, digests] : wanted.programs) {
    const auto program = engine.programs.find(name);
    if (program == engine.programs.end() || !digests.contains(program->second)) {
      return unwanted("ENGINE", engine.number,
                      "the program " + airlock::quoted(name) + " is not one that is allowed");
    }
  }
  if (!allows(wanted.modes, engine.mode)) {
    return unwanted("MODE", engine.number, "measurement was in mode " + printable(engine.mode));
  }
  for (const std::string& name : wanted.layers) {
    const auto layer = std::ranges::find(engine.layers, name, &EngineRecord::Layer::name);
    if (layer == engine.layers.end() || !layer->enforced) {
      return unwanted("LAYER", engine.number,
                      airlock::quoted(name) + " was not enforced" +
                          (layer == engine.layers.end() ? "" : ": " + printable(layer->detail)));
    }
  }
  return {};
}

// Who signed its parts is not in an image's record.
bool hasGoldenParts(const FleetPolicy::Images& wanted, const ImageRecord& image) {
  return std::ranges::all_of(image.dependencies, [&](const std::string& dependency) {
    return isGoldenPart(wanted, dependency);
  });
}

bool isSignedAsAllowed(const FleetPolicy::Images& wanted, const ImageRecord& image) {
  return hasGoldenParts(wanted, image) &&
         std::ranges::any_of(wanted.signedBy, [&](const SignedBy& rule) {
           return covers(rule.prefix, image.name) &&
                  std::ranges::count(image.signers, rule.key) != 0;
         });
}

Result<void> judgeImage(const FleetPolicy& policy, const ImageRecord& image) {
  const FleetPolicy::Images& wanted = policy.images;
  const std::string what = airlock::quoted(image.name) + " (" + printable(image.image) + ") ";
  const bool golden = isGolden(wanted, image);
  // Somebody has looked at a golden image; whether its signature was checked on the host is nothing
  // to them.
  if (image.insecure && !golden && !wanted.allowUnverified) {
    return unwanted("UNVERIFIED", image.number, what + "was imported without a signature");
  }
  if (wanted.constrained && !golden && !isSignedAsAllowed(wanted, image)) {
    return unwanted(
        "IMAGE", image.number,
        what + "is neither golden nor signed by a key that may sign that name" +
            (hasGoldenParts(wanted, image) ? "" : ", with all its dependencies golden"));
  }
  // "verity:sha256-…"
  if (!allows(wanted.content, image.content.substr(0, image.content.find(':')))) {
    return unwanted("CONTENT", image.number,
                    what + "was held to its digest by " + printable(image.content) + " only");
  }
  return {};
}

Result<void> judgePod(const FleetPolicy& policy, const PodRecord& pod) {
  const FleetPolicy::Pods& wanted = policy.pods;
  const std::string what = "pod " + printable(pod.pod) + ' ';
  if (!allows(policy.stage1, pod.stage1Digest)) {
    return unwanted("STAGE1", pod.number,
                    what + "had the stage1 " + printable(pod.stage1Digest) + ", not allowed");
  }
  if (!allows(wanted.networks, pod.network)) {
    return unwanted("POD", pod.number, what + "had the network " + airlock::quoted(pod.network));
  }
  if (wanted.callers && !wanted.callers->contains(pod.callerUid)) {
    return unwanted("POD", pod.number,
                    what + "was started by user " + std::to_string(pod.callerUid));
  }
  if (wanted.requireAudit && pod.audit.empty()) {
    return unwanted("AUDIT", pod.number, what + "was started without an audit record");
  }
  if (wanted.requireSelinux && pod.selinux.empty()) {
    return unwanted("LAYER", pod.number, what + "had no SELinux label");
  }
  return {};
}

Result<void> judgeRegisters(const FleetPolicy& policy, const Facts& facts) {
  for (const auto& [name, wanted] : policy.firmware.registers) {
    const auto bank = facts.registers.find(tpm::findHash(std::string_view(name))->id);
    for (const auto& [index, values] : wanted) {
      const std::string what = "register " + std::to_string(index) + " of bank " + name;
      if (bank == facts.registers.end() || !bank->second.contains(index)) {
        return unwanted("FIRMWARE", what + " was not quoted");
      }
      const std::string value = toHex(bank->second.at(index));
      if (!values.contains(value)) {
        return unwanted("FIRMWARE", what + " holds " + value + ", which is not allowed");
      }
    }
  }
  return {};
}

// Who enters does in the pod what they like, as who starts one.
Result<void> judgeEnter(const FleetPolicy& policy, const EnterRecord& enter) {
  const FleetPolicy::Pods& wanted = policy.pods;
  const std::string what = "pod " + printable(enter.pod) + " was entered ";
  if (wanted.callers && !wanted.callers->contains(enter.callerUid)) {
    return unwanted("POD", enter.number, what + "by user " + std::to_string(enter.callerUid));
  }
  if (wanted.requireAudit && enter.audit.empty()) {
    return unwanted("AUDIT", enter.number, what + "without an audit record");
  }
  return {};
}

// The firmware's log was held against the registers that were quoted, and says what it likes of
// others.  A register of SHA-1 alone is none.
Result<void> expectQuoted(const Facts& facts, std::uint32_t index,
                          std::optional<std::uint16_t> bank = std::nullopt) {
  const bool quoted = std::ranges::any_of(facts.registers, [&](const auto& values) {
    return values.first != tpm::kSha1 && values.first == bank.value_or(values.first) &&
           values.second.contains(index);
  });
  if (quoted) return {};
  return unwanted("FIRMWARE", "register " + std::to_string(index) + (bank ? " of SHA-256" : "") +
                                  " was not quoted, so the firmware's log shows nothing of it");
}

// Whoever is root later can add events to register 4, and so is the last of them; what was booted
// stands before, and must be allowed as well.
Result<void> judgePrograms(const FleetPolicy::Firmware& wanted, const Facts& facts) {
  constexpr std::uint32_t kPrograms = 4;
  if (!wanted.kernels) return {};
  TRY(expectQuoted(facts, kPrograms, tpm::kSha256));
  auto programs = startedPrograms(*facts.firmware);
  if (programs.empty()) {
    return unwanted("KERNEL", "the firmware's log names no program that was started");
  }
  const std::string kernel = std::move(programs.back());
  programs.pop_back();
  if (!wanted.kernels->contains(kernel)) {
    return unwanted("KERNEL",
                    "the last program that the firmware started is " + kernel + ", not allowed");
  }
  for (const std::string& program : programs) {
    if (wanted.loaders.contains(program)) continue;
    return unwanted("KERNEL", "the firmware started " + program +
                                  " before the kernel, which is not among the loaders");
  }
  return {};
}

Result<void> judgeCommandLine(const FleetPolicy::Firmware& wanted, const Facts& facts) {
  constexpr std::uint32_t kLoadOptions = 9;
  if (!wanted.commandLines && !wanted.requireCommandLine) return {};
  std::string_view text = facts.commandLine.value_or("");
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (!facts.commandLine || (wanted.commandLines && !wanted.commandLines->contains(text))) {
    return unwanted("CMDLINE",
                    "the kernel's command line " + airlock::quoted(text) + " is not allowed");
  }
  TRY(expectQuoted(facts, kLoadOptions));
  if (commandLineOf(*facts.firmware, *facts.commandLine) == CommandLine::Measured) return {};
  return unwanted("CMDLINE",
                  "the kernel's command line is not what was measured first in register 9");
}

Result<void> judgeBoot(const FleetPolicy& policy, const Facts& facts) {
  constexpr std::uint32_t kOfFirmware = 8;  // registers, from 0 on
  const FleetPolicy::Firmware& wanted = policy.firmware;
  TRY(judgeRegisters(policy, facts));
  const bool needsLog =
      wanted.required || wanted.kernels || wanted.commandLines || wanted.requireCommandLine;
  if (needsLog && facts.firmware == nullptr) {
    return unwanted("FIRMWARE",
                    "the evidence has no firmware log, or of the registers that it leads to none");
  }
  if (wanted.required) {
    for (std::uint32_t index = 0; index < kOfFirmware; ++index) TRY(expectQuoted(facts, index));
  }
  TRY(judgePrograms(wanted, facts));
  return judgeCommandLine(wanted, facts);
}

}  // namespace

bool isGoldenPart(const FleetPolicy::Images& wanted, std::string_view dependency) {
  return std::ranges::any_of(wanted.golden, [&](const GoldenImage& golden) {
    return dependency.ends_with(' ' + golden.image);
  });
}

bool isGolden(const FleetPolicy::Images& wanted, const ImageRecord& image) {
  return std::ranges::any_of(wanted.golden, [&](const GoldenImage& golden) {
    return golden.image == image.image &&
           (golden.tree.empty() ? hasGoldenParts(wanted, image) : golden.tree == image.tree) &&
           (golden.content.empty() || golden.content == image.content);
  });
}

Result<void> judge(const FleetPolicy& policy, const Facts& facts) {
  if (policy.pcr && *policy.pcr != facts.chain.pcr) {
    return unwanted("REGISTER", "the log is about register " + std::to_string(facts.chain.pcr) +
                                    ", not " + std::to_string(*policy.pcr));
  }
  if (policy.requireNonce && !facts.fresh) {
    return unwanted(
        "NONCE",
        "the evidence answers no nonce of the verifier's: it may be of any time of that "
        "boot");
  }
  if (policy.images.verifiedAgain && !facts.signersChecked) {
    return unwanted("SIGNER",
                    "signatures are to be verified again, which is for audit verify with --trust");
  }
  for (const std::string& name : policy.banks.value_or(Texts{})) {
    const auto bank = tpm::findHash(std::string_view(name))->id;
    if (std::ranges::count(facts.chain.values, bank, &tpm::BankValue::algorithm) == 0) {
      return unwanted("REGISTER", "the bank " + name + " was not extended");
    }
  }
  if (policy.maxRestarts && facts.restarts > *policy.maxRestarts) {
    return unwanted("RESTARTS", "the TPM was restarted " + std::to_string(facts.restarts) +
                                    " time(s) since the log began");
  }
  TRY(judgeBoot(policy, facts));
  for (const EngineRecord& engine : facts.history.engines) TRY(judgeEngine(policy, engine));
  for (const PolicyRecord& record : facts.history.policies) {
    if (!allows(policy.engine.policies, record.policy)) {
      return unwanted("POLICY", record.number,
                      "the host's policy was " + printable(record.policy) + ", not allowed");
    }
  }
  for (const TrustRecord& record : facts.history.trusts) {
    if (!allows(policy.engine.trust, record.trust)) {
      return unwanted("TRUST", record.number,
                      "the host's trusted keys were " + printable(record.trust) + ", not allowed");
    }
  }
  for (const ImageRecord& image : facts.history.images) TRY(judgeImage(policy, image));
  for (const PodRecord& pod : facts.history.pods) TRY(judgePod(policy, pod));
  for (const EnterRecord& enter : facts.history.enters) TRY(judgeEnter(policy, enter));
  return {};
}

}  // namespace airlock::attest
