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

#include "attest/audit_trail.h"
#include "attest/firmware_for_test.h"
#include "attest/registers.h"
#include "base/digest.h"
#include "tests/attest/audited_host.h"
#include "tests/attest/quoted_host.h"
#include "tpm/cel_tlv.h"
#include "tpm/replay.h"

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

// The same records in TCG's other encoding.
TEST(Vectors, TheOtherEncodingIsWrittenAsTheDocumentSays) {
  const auto log = tpm::replayText(readFile(kVectors / "evidence" / "events.cel"));
  ASSERT_TRUE(log);
  std::string bytes;
  for (const tpm::Record& record : log->records) bytes += tpm::encodeTlv(record);
  const auto path = kVectors / "events.cel-tlv";
  if (std::getenv("AIRLOCK_WRITE_GOLDEN") != nullptr) writeFile(path, bytes);
  EXPECT_EQ(readFile(path), bytes);
  const auto parsed = tpm::parseTlv(readFile(path));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size(), log->records.size());
}

// Of `audit export`: what the files beside the log must come to.
nlohmann::ordered_json expectedOfExport(const Files& files, const std::string& key) {
  const Verdict verdict = judgeExport(files, key);
  EXPECT_EQ(verdict.text, "");
  const History& history = *verdict.appraisal.history;
  nlohmann::ordered_json expected;
  const auto lines = readAuditTrail(files.at("audit.jsonl")).value();
  for (const AuditLine& line : lines)
    expected["lines"].push_back({{"seq", line.number}, {"digest", line.digest}});
  const auto name = [&](std::uint64_t record, const std::string& audit) {
    expected["named"].push_back({{"record", record}, {"line", audit}});
  };
  for (const PodRecord& pod : history.pods) name(pod.number, pod.audit);
  for (const EnterRecord& enter : history.enters) name(enter.number, enter.audit);
  expected["policy"] = history.policies.back().policy;
  expected["trust"] = history.trusts.back().trust;
  expected["files"] = history.trusts.back().files;
  return expected;
}

Files filesBelow(const std::filesystem::path& directory) {
  Files files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(directory).string()] = readFile(entry.path());
  }
  return files;
}

TEST(Vectors, AnExportIsWhatTheDocumentSaysItIs) {
  const auto place = kVectors / "export";
  if (std::getenv("AIRLOCK_WRITE_GOLDEN") != nullptr) {
    AuditedHost host({"example.com/base sha512-" + std::string(128, 'a')});
    std::filesystem::remove_all(place);
    for (const auto& [name, content] : host.good) {
      std::filesystem::create_directories((place / "evidence" / name).parent_path());
      writeFile(place / "evidence" / name, content);
    }
    writeFile(place / "ak.pem", host.host.pem());
    writeFile(place / "expected.json", expectedOfExport(host.good, host.host.pem()).dump(2) + "\n");
  }
  const auto expected = nlohmann::ordered_json::parse(readFile(place / "expected.json"));
  EXPECT_EQ(expectedOfExport(filesBelow(place / "evidence"), readFile(place / "ak.pem")), expected);
}

// attest/testdata/ovmf: a virtual machine with OVMF, Linux 6.1 started as an EFI program, two
// banks, one pod.
class Ovmf : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& entry : std::filesystem::directory_iterator(place_ / "evidence")) {
      files_[entry.path().filename().string()] = readFile(entry.path());
    }
    key_ = readFile(place_ / "ak.pem");
    const std::string hex = readFile(place_ / "nonce");
    nonce_ = bytesOf(hex.substr(0, hex.find('\n')));
  }
  Verdict with(const Edit& edit, const std::string& policy = "") {
    Files files = files_;
    edit(files);
    return judgeEvidence(files, key_, nonce_, policy);
  }
  const std::filesystem::path place_ = AIRLOCK_SOURCE_DIR "/attest/testdata/ovmf";
  Files files_;
  std::string key_;
  std::string nonce_;
};

TEST_F(Ovmf, EvidenceOfARealBootIsTiedTogetherFromFirmwareToPod) {
  const Verdict verdict = with([](Files&) {}, R"({"airlockFleetPolicy":1,
      "firmware":{"required":true,"requireMeasuredCommandLine":true}})");
  EXPECT_EQ(verdict.text, "");
  EXPECT_EQ(verdict.appraisal.history->pods.size(), 1U);
  ASSERT_TRUE(verdict.appraisal.firmware);
  EXPECT_EQ(verdict.appraisal.firmware->events.size(), 23U);
  EXPECT_EQ(verdict.appraisal.firmware->recomputed, 19U);
  EXPECT_EQ(startedPrograms(*verdict.appraisal.firmware).size(), 1U);
}

TEST_F(Ovmf, AnotherCommandLineOrKernelIsFound) {
  EXPECT_EQ(
      with([](Files& files) { files["kernel-cmdline"] = "root=/dev/nvme0n1 init=/bin/sh\n"; }).code,
      "E_ATTEST_FIRMWARE");
  EXPECT_EQ(with([](Files&) {}, R"({"airlockFleetPolicy":1,"firmware":{"kernels":[")" +
                                    std::string(64, 'a') + R"("]}})")
                .code,
            "E_ATTEST_POLICY_KERNEL");
}

TEST_F(Ovmf, WhatADigestCoversCannotBeEdited) {
  const std::string& log = files_.at("firmware.log");
  const FirmwareLog whole = readFirmwareLog(log).value();
  std::size_t edited = 0;
  for (const FirmwareEvent& event : whole.events) {
    if (event.data.empty()) continue;
    std::string changed = log;
    changed[static_cast<std::size_t>(&event.data.back() - log.data())] ^= 1;
    edited += readFirmwareLog(changed) ? 0 : 1;
  }
  EXPECT_EQ(edited, whole.recomputed);
}

}  // namespace
}  // namespace airlock::attest::test
