// SPDX-License-Identifier: Apache-2.0
// What is said of signatures of OCI images; the others are in store_test.cc.
#include "store/signers.h"

#include <gtest/gtest.h>

namespace airlock::store {
namespace {

const std::string kKey = "sha256-" + std::string(64, 'a');
const std::string kName = "registry.example/team/web:1.2";

Result<std::vector<ipc::Signer>> decide(std::vector<ipc::SignatureVerdict> verdicts) {
  return decideSignatures({.accepted = false, .signatures = std::move(verdicts)},
                          {KeyFingerprint::parse(kKey).value()}, kName);
}

TEST(OciSigners, EachKindOfAKeysSignaturesIsRemembered) {
  const auto signers =
      decide({{.code = "good", .fingerprint = kKey, .kind = ipc::SignatureKind::Cosign},
              {.code = "good", .fingerprint = kKey, .kind = ipc::SignatureKind::Cosign},
              {.code = "good", .fingerprint = kKey, .kind = ipc::SignatureKind::Bundle}});
  ASSERT_TRUE(signers);
  ASSERT_EQ(signers->size(), 2U);
  EXPECT_EQ((*signers)[1].kind, ipc::SignatureKind::Bundle);
}

TEST(OciSigners, ARefusalSaysWhatTheSignatureIsOf) {
  struct Case {
    const char* code;
    const char* says;
  };
  for (const Case& one :
       {Case{"E_SIG_DIGEST", "another manifest"},
        Case{"E_SIG_IDENTITY", "another repository or tag"}, Case{"E_SIG_LOG", "transparency log"},
        Case{"E_SIG_KIND", "a kind that is not accepted"}}) {
    const Error error =
        decide({{.code = one.code, .fingerprint = kKey, .detail = "the \x1b[31mdetail"}}).error();
    EXPECT_EQ(error.code(), one.code);
    EXPECT_NE(error.message().find(one.says), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("detail"), std::string::npos) << error.message();
    EXPECT_EQ(error.message().find('\x1b'), std::string::npos);
  }
}

TEST(OciSigners, WhatATrustedKeySignedIsToldBeforeWhatAStrangerDid) {
  const auto error = decide({{.code = "E_SIG_NOKEY", .fingerprint = ""},
                             {.code = "E_SIG_DIGEST", .fingerprint = kKey}})
                         .error();
  EXPECT_EQ(error.code(), "E_SIG_DIGEST");
}

TEST(OciSigners, ACosignSignatureNamesNoKey) {
  const Error error = decide({{.code = "E_SIG_NOKEY", .fingerprint = ""}}).error();
  EXPECT_EQ(error.message(), "image " + kName + " is not signed by a key you trust for it");
}

TEST(OciSigners, S28_AnUnsignedImageIsRefusedWithThreeWaysForward) {
  const ImageId image = OciDigest();
  const Error error = notSigned(kName, image).error();
  EXPECT_EQ(error.code(), "E_SIG_MISSING");
  for (const std::string& way :
       {std::string("publisher has signed"),
        std::string("airlock trust --prefix=registry.example/team/web "),
        "signer=any digest=" + image.text(), std::string("--insecure-options=image")})
    EXPECT_NE(error.hint().find(way), std::string::npos) << error.hint();
}

}  // namespace
}  // namespace airlock::store
