// SPDX-License-Identifier: Apache-2.0
// Signatures that the real minisign makes.
#include "verifier/authenticate/ed25519.h"

#include <gtest/gtest.h>

#include <memory>

#include "verifier/authenticate/authenticate.h"
#include "verifier/scratch_for_test.h"

namespace airlock::verifier {
namespace {

class Minisign : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    scratch_->write("image", "the bytes of an image\n");
    for (const char* who : {"ada", "bob"}) {
      scratch_->shell(std::string("minisign -G -W -p ") + who + ".pub -s " + who + ".sec");
    }
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string sign(const std::string& who, const std::string& options = "",
                          const std::string& file = "image") {
    scratch_->shell("minisign -S -s " + who + ".sec -x out.sig -m " + file + " " + options);
    return scratch_->read("out.sig");
  }
  static ipc::TrustedKey key(const std::string& who) {
    const std::string content = scratch_->read(who + ".pub");
    return {parseMinisignKey(content)->fingerprint().value(), content};
  }
  static std::string verdict(const std::string& signature,
                             const std::vector<ipc::TrustedKey>& keys) {
    const Fd image = fileOf("the bytes of an image\n");
    const auto result = authenticate(image, signature, keys, 0, "/nonexistent");
    if (!result) return "refused " + result.error().code();
    std::string text = result->accepted ? "+" : "-";
    for (const auto& one : result->signatures) text += " " + one.code;
    return text;
  }
  static std::string replaced(std::string text, const std::string& from, const std::string& to) {
    return text.replace(text.find(from), from.size(), to);
  }

  static std::unique_ptr<Scratch> scratch_;
};
std::unique_ptr<Scratch> Minisign::scratch_;

TEST_F(Minisign, S26_APrehashedSignatureIsAccepted) {
  EXPECT_EQ(verdict(sign("ada", "-t 'timestamp:1700000000 hello'"), {key("bob"), key("ada")}),
            "+ good");
  EXPECT_EQ(parseMinisignSignature(sign("ada", "-t 'timestamp:1700000000'"))->created(),
            1'700'000'000);
}

TEST_F(Minisign, TheFingerprintIsTheKeyIdThatMinisignPrints) {
  std::string printed = scratch_->read("ada.pub").substr(0, scratch_->read("ada.pub").find('\n'));
  printed = printed.substr(printed.size() - 16);
  for (char& c : printed) c = static_cast<char>(std::tolower(c));
  EXPECT_EQ(key("ada").fingerprint.text(), "minisign-" + printed);
}

TEST_F(Minisign, S26_OnlyThePrehashedAlgorithmIsTaken) {
  EXPECT_EQ(verdict(sign("ada", "-l"), {key("ada")}), "refused E_SIG_KIND");
}

TEST_F(Minisign, S26_AnotherImageOrAnotherKey) {
  scratch_->write("other", "other bytes");
  EXPECT_EQ(verdict(sign("ada", "", "other"), {key("ada")}), "- E_SIG_BAD");
  EXPECT_EQ(verdict(sign("bob"), {key("ada")}), "- E_SIG_NOKEY");
  EXPECT_EQ(verdict(sign("bob"), {}), "- E_SIG_NOKEY");
}

TEST_F(Minisign, S26_TheTrustedCommentIsSigned) {
  const std::string good = sign("ada", "-t 'stable 1.0'");
  EXPECT_EQ(verdict(good, {key("ada")}), "+ good");
  EXPECT_EQ(verdict(replaced(good, "stable 1.0", "stable 9.0"), {key("ada")}), "- E_SIG_BAD");
  EXPECT_EQ(verdict(replaced(good, "stable 1.0", "stable 1.0\r"), {key("ada")}),
            "+ good");  // a line end
  EXPECT_EQ(verdict(replaced(good, "stable 1.0", "x\ntrusted comment: stable 1.0"), {key("ada")}),
            "refused E_SIG_KIND");
}

TEST_F(Minisign, S26_TheKeyIdMustBelongToTheKey) {
  const ipc::TrustedKey wrong{key("ada").fingerprint, key("bob").content};
  EXPECT_EQ(verdict(sign("ada"), {wrong}), "refused E_KEY");
}

TEST_F(Minisign, NothingStandsAroundTheFourLines) {
  const std::string good = sign("ada");
  EXPECT_EQ(verdict(good + good, {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(good + "\n", {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict("\n" + good, {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(good.substr(0, good.size() - 5), {key("ada")}), "refused E_SIG_KIND");
}

TEST_F(Minisign, KeyFactsAreItsFingerprint) {
  const auto facts = inspectKey(scratch_->read("ada.pub"), "/nonexistent");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->fingerprint, key("ada").fingerprint);
  EXPECT_EQ(inspectKey(scratch_->read("ada.sec"), scratch_->emptyDirectory()).error().code(),
            "E_KEY");
  EXPECT_EQ(inspectKey(scratch_->read("ada.pub") + "x", "/nonexistent").error().code(), "E_KEY");
}

}  // namespace
}  // namespace airlock::verifier
