// SPDX-License-Identifier: Apache-2.0
// Endorsement keys by what their maker left in NV memory: airlock-measure against a real swtpm,
// with tpm2-tools as the maker and as a second opinion.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/digest.h"
#include "tpm/test_tpm.h"

namespace airlock::tpm {
namespace {

using test::attestJob;
using test::factOf;
using test::fileOf;
using test::runAttest;
using test::shell;
using test::Swtpm;
using test::TemporaryDirectory;
using testing::HasSubstr;

constexpr char kAttributes[] =
    "-a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt'";

// A maker who certifies the key that his own template makes.
class EndorsementTemplates : public testing::Test {
 protected:
  std::string at(const std::string& name) const { return files_.path() + '/' + name; }

  void put(const std::string& index, const std::string& content) {
    files_.write("nv", content);
    std::string said =
        tpm_.tools("tpm2_nvdefine " + index + " -C p -s " + std::to_string(content.size()) +
                   " -a 'authread|ppread|ownerread|ppwrite|platformcreate|no_da'");
    said += tpm_.tools("tpm2_nvwrite " + index + " -C p -i " + at("nv"));
    EXPECT_THAT(said, HasSubstr("nv-index")) << said;
  }
  void drop(const std::string& index) { tpm_.tools("tpm2_nvundefine -C p " + index); }

  // The TPMT_PUBLIC of a key that `arguments` of tpm2_createprimary make, with its own `unique`
  // replaced: what is signed for is whatever a TPM makes of it.
  std::string templateOf(const std::string& arguments, const std::string& unique) {
    std::filesystem::remove(at("p.pub"));
    std::filesystem::remove(at("p.ctx"));
    const std::string said =
        tpm_.tools("tpm2_createprimary -C e " + arguments + " -c " + at("p.ctx"));
    tpm_.tools("tpm2_readpublic -c " + at("p.ctx") + " -f tss -o " + at("p.pub"));
    tpm_.tools("tpm2_flushcontext -t");
    const std::string area = files_.read("p.pub");
    EXPECT_GT(area.size(), unique.size() + 2) << said;
    if (area.size() < unique.size() + 2) return {};
    return area.substr(2, area.size() - 2 - unique.size()) + unique;
  }
  // The public area of the endorsement key, as TPM2B_PUBLIC.
  std::string enrolled(std::string* kind = nullptr) {
    const auto done = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm_);
    EXPECT_TRUE(done) << done.error().text();
    if (!done) return {};
    if (kind != nullptr) *kind = factOf(*done, "endorsement key");
    return fileOf(*done, "ek.pub");
  }
  std::string byTools(const std::string& algorithm) {
    return made("tpm2_createek -c " + at("ek.ctx") + " -u " + at("ek.tools") + " -G " + algorithm);
  }
  // By the attributes of the templates here, with such a `unique`: tpm2_createek -t of tpm2-tools
  // 5.4 puts bytes of its own memory in the place of the nonce.
  std::string byToolsWith(const std::string& algorithm, const std::string& x,
                          const std::string& y = "") {
    // As the tool reads it: the structure of tpm2-tss, not its encoding.
    const bool rsa = y.empty();
    const auto part = [](const std::string& bytes, std::size_t room) {
      return std::string{static_cast<char>(bytes.size() & 0xff),
                         static_cast<char>(bytes.size() >> 8)} +
             bytes + std::string(room - bytes.size(), '\0');
    };
    files_.write("unique", rsa ? part(x, 256) : part(x, 128) + part(y, 128));
    return made("tpm2_createprimary -C e -c " + at("ek.ctx") + " -G " + algorithm + " " +
                kAttributes + " -u " + at("unique"));
  }
  std::string made(const std::string& command) {
    std::filesystem::remove(at("ek.tools"));
    std::string said = tpm_.tools(command);
    said += tpm_.tools("tpm2_readpublic -c " + at("ek.ctx") + " -f tss -o " + at("ek.tools"));
    tpm_.tools("tpm2_flushcontext -t");
    EXPECT_TRUE(files_.has("ek.tools")) << said;
    return files_.read("ek.tools");
  }
  void initialise() {
    const auto made = runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm_);
    ASSERT_TRUE(made) << made.error().text();
  }

  const Swtpm tpm_;
  const TemporaryDirectory log_;
  const TemporaryDirectory files_;
};

std::string eccUnique(char fill) {
  const std::string coordinate = std::string("\0\x20", 2) + std::string(32, fill);
  return coordinate + coordinate;
}

TEST_F(EndorsementTemplates, TheMakersTemplateAndNonceMakeTheKeyOfItsCertificate) {
  const std::string usual = byTools("ecc");
  initialise();
  std::string kind;
  EXPECT_EQ(enrolled(&kind), usual);
  EXPECT_EQ(kind, "ECC P-256, template L-2");

  // A nonce with the profile's template.
  put("0x1c0000b", "nonce of the maker");
  const std::string withNonce = enrolled(&kind);
  EXPECT_NE(withNonce, usual);
  EXPECT_EQ(kind, "ECC P-256, template L-2, with the maker's nonce");

  // A template, with it and without.
  put("0x1c0000c",
      templateOf(std::string("-G ecc256:aes128cfb ") + kAttributes, eccUnique('\x11')));
  const std::string nonce = "nonce of the maker";
  EXPECT_EQ(enrolled(&kind),
            byToolsWith("ecc256:aes128cfb", nonce + std::string(32 - nonce.size(), '\0'),
                        std::string(32, '\0')));
  EXPECT_EQ(kind, "ECC P-256, the maker's template at 0x1c0000c, with the maker's nonce");
  EXPECT_NE(enrolled(), withNonce);
  drop("0x1c0000b");
  const std::string own = enrolled(&kind);
  EXPECT_EQ(own, byToolsWith("ecc256:aes128cfb", std::string(32, '\x11'), std::string(32, '\x11')));
  EXPECT_EQ(kind, "ECC P-256, the maker's template at 0x1c0000c");
  EXPECT_NE(own, usual);

  // Its certificate is of this key, and keys below it and challenges for it work.
  files_.write("ek.pub", own);
  tpm_.tools("tpm2_print -t TPM2B_PUBLIC -f pem " + at("ek.pub") + " > " + at("ek.pem"));
  shell("cd " + files_.path() +
        " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key "
        "-out ca.pem -subj /CN=Maker 2> log && openssl req -new -key ca.key -subj /CN=EK -out "
        "ek.csr 2>> log && openssl x509 -req -in ek.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
        "-force_pubkey ek.pem -outform DER -out ek.crt 2>> log");
  put("0x1c0000a", files_.read("ek.crt"));
  const auto remade = runAttest(attestJob(ipc::InitKeyRequest{.rotate = true}), log_.fd(), &tpm_);
  ASSERT_TRUE(remade) << remade.error().text();
  const auto certified = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm_);
  ASSERT_TRUE(certified) << certified.error().text();
  EXPECT_EQ(factOf(*certified, "certificate"), "at 0x1c0000a");
  EXPECT_EQ(fileOf(*certified, "ek.pub"), own);
  files_.write("ak.name", fileOf(*certified, "ak.name"));
  files_.write("sent", "thirty-two bytes of a secret....");
  shell("tpm2_makecredential -T none -u " + at("ek.pub") + " -s " + at("sent") +
        " -n $(xxd -p -c 99 " + at("ak.name") + ") -o " + at("challenge") + " 2>&1");
  const auto activated =
      runAttest(attestJob(ipc::ActivateRequest{files_.read("challenge")}), log_.fd(), &tpm_);
  ASSERT_TRUE(activated) << activated.error().text();
  EXPECT_EQ(fileOf(*activated, "secret"), files_.read("sent"));
  // Without the template the certificate would be another key's.
  drop("0x1c0000c");
  const auto without = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm_);
  ASSERT_TRUE(without) << without.error().text();
  EXPECT_THAT(factOf(*without, "certificate"), HasSubstr("FOR ANOTHER KEY"));
  EXPECT_EQ(tpm_.tools("tpm2_getcap handles-transient"), "");
  EXPECT_EQ(tpm_.tools("tpm2_getcap handles-loaded-session"), "");
}

TEST_F(EndorsementTemplates, RsaAndTheHighRangeHaveTheirOwnPlaces) {
  const std::string certificate = std::string("\x30\x82\x00\x04", 4) + "cert";
  put("0x1c00012", certificate);
  initialise();
  std::string kind;
  enrolled(&kind);
  EXPECT_EQ(kind, "RSA 2048, template H-1");
  put("0x1c00014", certificate);
  enrolled(&kind);
  EXPECT_EQ(kind, "ECC P-256, template H-2");
  put("0x1c00015",
      templateOf(std::string("-G ecc256:aes128cfb ") + kAttributes, eccUnique('\x22')));
  enrolled(&kind);
  EXPECT_EQ(kind, "ECC P-256, the maker's template at 0x1c00015");
  put("0x1c00002", certificate);  // the low range goes before
  EXPECT_EQ(enrolled(&kind), byTools("rsa"));
  put("0x1c00003", std::string(64, 'n'));
  put("0x1c00004", templateOf(std::string("-G rsa2048:aes128cfb ") + kAttributes,
                              std::string("\x01\0", 2) + std::string(256, '\0')));
  EXPECT_EQ(enrolled(&kind),
            byToolsWith("rsa2048:aes128cfb", std::string(64, 'n') + std::string(192, '\0')));
  EXPECT_EQ(kind, "RSA 2048, the maker's template at 0x1c00004, with the maker's nonce");
}

TEST_F(EndorsementTemplates, WhatIsNoTemplateOfAnEndorsementKeyIsRefused) {
  initialise();
  const std::string good =
      templateOf(std::string("-G ecc256:aes128cfb ") + kAttributes, eccUnique('\x11'));
  const std::string signing = templateOf(
      "-G ecc256:ecdsa-sha256:null -a "
      "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign'",
      eccUnique('\x11'));
  const std::string movable =
      templateOf("-G ecc256:aes128cfb -a 'sensitivedataorigin|userwithauth|restricted|decrypt'",
                 eccUnique('\x11'));
  const std::string byPolicy = templateOf(
      "-G ecc256:aes128cfb -a 'fixedtpm|fixedparent|sensitivedataorigin|adminwithpolicy|"
      "restricted|decrypt'",
      eccUnique('\x11'));
  const std::string rsa = templateOf(std::string("-G rsa2048:aes128cfb ") + kAttributes,
                                     std::string("\x01\0", 2) + std::string(256, '\0'));
  for (const std::string& bad : {std::string("no template"), good.substr(0, good.size() - 1),
                                 good + "x", signing, movable, byPolicy, rsa}) {
    put("0x1c0000c", bad);
    const auto refused = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm_);
    ASSERT_FALSE(refused) << factOf(*refused, "endorsement key") << ", of "
                          << toHex(Bytes(bad.begin(), bad.end()));
    EXPECT_EQ(refused.error().code(), "E_ATTEST_TEMPLATE") << refused.error().text();
    drop("0x1c0000c");
  }
  put("0x1c0000c", good + std::string(20, '\xff'));  // an index that is larger than what is in it
  std::string kind;
  enrolled(&kind);
  EXPECT_THAT(kind, HasSubstr("the maker's template"));
  put("0x1c0000b", std::string(33, 'n'));
  const auto refused = runAttest(attestJob(ipc::EnrollRequest{}), log_.fd(), &tpm_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), "E_ATTEST_TEMPLATE") << refused.error().text();
}

}  // namespace
}  // namespace airlock::tpm
