// SPDX-License-Identifier: Apache-2.0
// docs/measurement-vectors: evidence of a host, and what everybody who implements the format must
// make of it.  AIRLOCK_WRITE_GOLDEN=1 makes new ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attest/firmware_for_test.h"
#include "attest/registers.h"
#include "base/digest.h"
#include "tests/attest/quoted_host.h"

namespace airlock::attest::test {
namespace {

const std::filesystem::path kVectors = AIRLOCK_SOURCE_DIR "/docs/measurement-vectors";

std::string readFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
void writeFile(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

nlohmann::ordered_json expectedOf(const Files& files, const std::string& key) {
  const Verdict verdict = judgeEvidence(files, key);
  EXPECT_EQ(verdict.text, "");
  const Appraisal& appraisal = verdict.appraisal;
  nlohmann::ordered_json expected;
  expected["nonce"] = kNonceHex;
  expected["key"] = appraisal.key;
  const Registers registers = parseRegisters(files.at("pcrs")).value();
  expected["quotedDigest"] = toHex(quotedDigest(registers, appraisal.quote->selections));
  expected["qualifiedSigner"] =
      toHex({reinterpret_cast<const std::uint8_t*>(appraisal.quote->qualifiedSigner.data()),
             appraisal.quote->qualifiedSigner.size()});
  expected["pcr"] = appraisal.replay->chain.pcr;
  for (const auto& bank : tpm::bankTexts(appraisal.replay->chain.values)) {
    expected["register"][bank.algorithm] = bank.value;
  }
  for (const tpm::Record& record : appraisal.replay->records) {
    nlohmann::ordered_json entry;
    entry["record"] = record.number;
    entry["type"] = record.event.type;
    for (const auto& bank : tpm::bankTexts(record.digests)) entry[bank.algorithm] = bank.value;
    expected["records"].push_back(entry);
  }
  for (const auto& [index, value] : appraisal.firmware->registers.at(tpm::kSha256)) {
    expected["firmware"][std::to_string(index)] = toHex(value);
  }
  return expected;
}

void makeVectors() {
  QuotedHost host;
  const FirmwareLogWriter boot = usualBoot();
  host.extendFirmware(boot);
  host.run(2);
  Files files = host.quote();
  files["firmware.log"] = boot.bytes();
  files["kernel-cmdline"] = "root=/dev/vda1 quiet\n";
  std::filesystem::create_directories(kVectors / "evidence");
  for (const auto& [name, content] : files) writeFile(kVectors / "evidence" / name, content);
  writeFile(kVectors / "ak.pem", host.pem());
  writeFile(kVectors / "expected.json", expectedOf(files, host.pem()).dump(2) + "\n");
}

TEST(Vectors, AreWhatTheDocumentSaysTheyAre) {
  if (std::getenv("AIRLOCK_WRITE_GOLDEN") != nullptr) makeVectors();
  Files files;
  for (const auto& entry : std::filesystem::directory_iterator(kVectors / "evidence")) {
    files[entry.path().filename().string()] = readFile(entry.path());
  }
  const auto expected = nlohmann::ordered_json::parse(readFile(kVectors / "expected.json"));
  EXPECT_EQ(expectedOf(files, readFile(kVectors / "ak.pem")), expected);
}

}  // namespace
}  // namespace airlock::attest::test
