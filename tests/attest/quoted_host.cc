// SPDX-License-Identifier: Apache-2.0
#include "tests/attest/quoted_host.h"

#include <gtest/gtest.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/mman.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "cli/ustar_writer.h"
#include "tpm/canonical.h"

namespace airlock::attest::test {

namespace {

std::string quotedShell(const std::string& text) { return "'" + text + "'"; }

// tpm2_quote has the values as a binary file; ours are canonical JSON.  What it prints is YAML.
std::string registersOf(const std::string& yaml) {
  tpm::Json banks = tpm::Json::object();
  std::string bank;
  std::size_t at = 0;
  while (at < yaml.size()) {
    const std::size_t end = std::min(yaml.find('\n', at), yaml.size());
    std::string line = yaml.substr(at, end - at);
    at = end + 1;
    line.erase(std::remove(line.begin(), line.end(), ' '), line.end());
    const std::size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string name = line.substr(0, colon);
    std::string value = line.substr(colon + 1);
    if (value.empty()) {
      bank = name;
      continue;
    }
    if (!value.starts_with("0x")) continue;
    value.erase(0, 2);
    std::ranges::transform(value, value.begin(), ::tolower);
    banks[bank][name] = value;
  }
  return tpm::canonical(banks);
}

}  // namespace

std::string bytesOf(const std::string& hex) {
  std::vector<std::uint8_t> bytes(hex.size() / 2);
  EXPECT_TRUE(fromHex(hex, bytes));
  return {bytes.begin(), bytes.end()};
}

std::string archive(const Files& files) {
  const Fd file = Fd::own(::memfd_create("evidence", MFD_CLOEXEC));
  cli::UstarWriter writer(file);
  for (const auto& [name, content] : files) EXPECT_TRUE(writer.add(name, content)) << name;
  EXPECT_TRUE(writer.finish());
  ::lseek(file.get(), 0, SEEK_SET);
  return sys::readAll(file, limits::kEvidenceBytes).value();
}

QuotedHost::QuotedHost(const std::string& banks)
    : tpm_(std::make_unique<tpm::test::Swtpm>(banks)) {}

void QuotedHost::run(int pods) {
  for (int i = 0; i < pods; ++i) run(tpm::test::podJob());
}
void QuotedHost::run(const ipc::MeasureJob& job) {
  const auto measured = tpm::test::runMeasure(job, log_.fd(), tpm_.get());
  ASSERT_TRUE(measured) << measured.error().text();
}

void QuotedHost::makeKeys(const std::string& algorithm, const std::string& scheme) {
  const std::string at = files_.path() + "/";
  std::string said;
  const auto tool = [&](const std::string& command) {
    said += tpm_->tools(command);
    tpm_->tools("tpm2_flushcontext -t");
  };
  tool("tpm2_createek -c " + at + "ek.ctx -G " + algorithm + " -u " + at + "ek.pub");
  tool("tpm2_createak -C " + at + "ek.ctx -c " + at + "ak.ctx -G " + algorithm + " -g sha256 -s " +
       scheme + " -u " + at + "ak.pub -n " + at + "ak.name");
  tool("tpm2_evictcontrol -C o -c " + at + "ak.ctx 0x81018000");
  tool("tpm2_readpublic -c 0x81018000 -f pem -o " + at + "ak.pem");
  publicArea_ = files_.read("ak.pub");
  ASSERT_FALSE(publicArea_.empty()) << said;
}

std::string QuotedHost::extend(const std::vector<tpm::Event>& events) {
  const tpm::Banks banks{{tpm::kSha256, tpm::Bytes(32)}, {tpm::kSha384, tpm::Bytes(48)}};
  std::string log;
  std::string command = "tpm2_pcrextend";
  std::uint64_t number = 0;
  for (const tpm::Event& event : events) {
    const tpm::Record record{number++, 15, tpm::digests(banks, tpm::preimage(event)), event};
    log += tpm::encodeRecord(record);
    std::string digests;
    for (const auto& bank : tpm::bankTexts(record.digests)) {
      digests += (digests.empty() ? "" : ",") + bank.algorithm + "=" + bank.value;
    }
    command += " 15:" + digests;
  }
  EXPECT_EQ(tpm_->tools(command), "");
  return log;
}

void QuotedHost::extendFirmware(const FirmwareLogWriter& boot) {
  std::string command = "tpm2_pcrextend";
  for (const std::string& extend : boot.extends()) command += " " + extend;
  EXPECT_EQ(tpm_->tools(command), "");
}

std::string QuotedHost::pem() const { return files_.read("ak.pem"); }

Files QuotedHost::quote(const std::string& nonceHex, const std::string& selection) {
  if (publicArea_.empty()) makeKeys();
  const std::string at = files_.path() + "/";
  const std::string said =
      tpm_->tools("tpm2_quote -c 0x81018000 -l " + quotedShell(selection) + " -q " + nonceHex +
                  " -m " + at + "quote -s " + at + "quote.sig -g sha256");
  tpm_->tools("tpm2_flushcontext -t");
  Files files{{"quote", files_.read("quote")},
              {"quote.sig", files_.read("quote.sig")},
              {"pcrs", registersOf(tpm_->tools("tpm2_pcrread " + quotedShell(selection)))},
              {"ak.pub", publicArea_},
              {"events.cel", log_.read("events.cel")}};
  EXPECT_FALSE(files["quote"].empty()) << said;
  return files;
}

struct SoftKey::Impl {
  EVP_PKEY* key;
};
SoftKey::SoftKey()
    : impl_(std::make_unique<Impl>(Impl{::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")})) {}
SoftKey::~SoftKey() { ::EVP_PKEY_free(impl_->key); }

std::string SoftKey::pem() const {
  BIO* bio = ::BIO_new(BIO_s_mem());
  ::PEM_write_bio_PUBKEY(bio, impl_->key);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  ::BIO_free(bio);
  return pem;
}

std::string SoftKey::signDer(const std::string& bytes) const {
  EVP_MD_CTX* context = ::EVP_MD_CTX_new();
  std::vector<unsigned char> der(256);
  std::size_t size = der.size();
  EXPECT_EQ(::EVP_DigestSignInit(context, nullptr, ::EVP_sha256(), nullptr, impl_->key), 1);
  EXPECT_EQ(::EVP_DigestSign(context, der.data(), &size,
                             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()),
            1);
  ::EVP_MD_CTX_free(context);
  return {der.begin(), der.begin() + static_cast<std::ptrdiff_t>(size)};
}

std::string SoftKey::sign(const std::string& bytes) const {
  const std::string der = signDer(bytes);
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  ECDSA_SIG* pair = ::d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  std::string signature("\x00\x18\x00\x0b", 4);
  for (const BIGNUM* number : {::ECDSA_SIG_get0_r(pair), ::ECDSA_SIG_get0_s(pair)}) {
    std::vector<unsigned char> part(32);
    ::BN_bn2binpad(number, part.data(), 32);
    signature.append("\x00\x20", 2).append(part.begin(), part.end());
  }
  ::ECDSA_SIG_free(pair);
  return signature;
}

namespace {
Verdict verdictOf(Result<Appraisal> done) {
  if (!done) return {"ERROR", done.error().text(), {}};
  if (!done->refusal) return {"", "", std::move(*done)};
  return {done->refusal->code(), done->refusal->message(), std::move(*done)};
}
std::optional<FleetPolicy> policyOf(const std::string& text) {
  if (text.empty()) return std::nullopt;
  auto parsed = parseFleetPolicy(text);
  EXPECT_TRUE(parsed) << parsed.error().text();
  return parsed ? std::optional(std::move(*parsed)) : std::nullopt;
}
}  // namespace

Verdict judgeEvidence(const Files& files, const std::string& key, const std::string& nonceBytes,
                      const std::string& policyText, const std::string& rootsText,
                      bool requireHardware, const std::string& crlsText,
                      const std::string& revokedText) {
  prepareOpenssl();
  const auto inventory = readInventory(key).value();
  const auto policy = policyOf(policyText);
  std::optional<Roots> roots;
  if (!rootsText.empty()) roots = Roots::parse(rootsText).value();
  if (!crlsText.empty()) {
    EXPECT_TRUE(roots->addCrls(crlsText));
  }
  const auto revoked = RevokedKeys::parse(revokedText).value();
  const std::string bytes = archive(files);
  return verdictOf(appraise(bytes, {.nonce = nonceBytes,
                                    .inventory = inventory,
                                    .policy = policy ? &*policy : nullptr,
                                    .roots = roots ? &*roots : nullptr,
                                    .requireHardware = requireHardware,
                                    .revoked = &revoked}));
}

Verdict judgeExport(const Files& files, const std::string& key, const std::string& trustText,
                    const std::string& policyText) {
  prepareOpenssl();
  const auto inventory = readInventory(key).value();
  const auto policy = policyOf(policyText);
  std::optional<AuditorsTrust> trust;
  if (!trustText.empty()) trust = parseAuditorsTrust(trustText).value();
  const std::string bytes = archive(files);
  return verdictOf(appraise(bytes, {.nonce = {},
                                    .inventory = inventory,
                                    .policy = policy ? &*policy : nullptr,
                                    .audit = true,
                                    .trust = trust ? &*trust : nullptr}));
}

std::vector<std::string> elementsOf(const std::string& log) {
  std::vector<std::string> elements;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = log.find('\n', at) + 1;
    elements.push_back(log.substr(at, end - at));
    at = end;
  }
  return elements;
}
std::string joined(const std::vector<std::string>& elements) {
  std::string text;
  for (const std::string& element : elements) text += element;
  return text;
}

}  // namespace airlock::attest::test
