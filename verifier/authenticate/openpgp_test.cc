// SPDX-License-Identifier: Apache-2.0
// Signatures that the real gpg makes, judged by authenticate().  Ids are those of
// docs/threat-model.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "base/limits.h"
#include "verifier/authenticate/authenticate.h"
#include "verifier/authenticate/packets.h"
#include "verifier/scratch_for_test.h"

namespace airlock::verifier {
namespace {

constexpr const char* kGpg =
    "gpg --batch --quiet --no-tty --passphrase '' --pinentry-mode loopback ";
constexpr const char* kImage = "the bytes of an image\n";

class Authenticate : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    scratch_->write("image", kImage);
    scratch_->write("other", "the bytes of another image\n");
    makeKey("ada", "ed25519", "");
    makeKey("bob", "rsa2048", "");
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string gpg(const std::string& arguments) { return scratch_->shell(kGpg + arguments); }

  static void makeKey(const std::string& who, const std::string& algorithm,
                      const std::string& options, const std::string& expires = "never") {
    gpg(options + " --quick-gen-key '" + who + " <" + who + "@example.com>' " + algorithm +
        " sign " + expires);
    remember(who);
  }
  // Reads the key of `who` as it is now.
  static void remember(const std::string& who) {
    const std::string listing = gpg("--with-colons --list-keys '<" + who + "@example.com>'");
    const std::size_t at = listing.find("\nfpr:::::::::") + 13;
    std::string fingerprint = listing.substr(at, 40);
    for (char& c : fingerprint) c = static_cast<char>(std::tolower(c));
    fingerprints_[who] = fingerprint;
    keys_[who] = gpg("--armor --export " + fingerprint);
  }
  static ipc::TrustedKey key(const std::string& who) {
    return {KeyFingerprint::parse(fingerprints_.at(who)).value(), keys_.at(who)};
  }
  // A detached signature of `who` over the file "image", binary unless the options say otherwise.
  static std::string sign(const std::string& who, const std::string& options = "",
                          const std::string& file = "image") {
    gpg("--yes -u '<" + who + "@example.com>' -o out.sig " + options + " --detach-sign " + file);
    return scratch_->read("out.sig");
  }
  static Result<ipc::Authenticated> judge(const std::string& signature,
                                          std::vector<ipc::TrustedKey> keys,
                                          std::int64_t notBefore = 0) {
    const Fd image = fileOf(kImage);
    return authenticate(image, signature, keys, notBefore, scratch_->emptyDirectory());
  }
  // The codes of the verdicts, "+" in front when the whole was accepted; or the code of the
  // refusal.
  static std::string verdict(const std::string& signature, std::vector<ipc::TrustedKey> keys,
                             std::int64_t notBefore = 0) {
    const auto result = judge(signature, std::move(keys), notBefore);
    if (!result)
      return "refused " +
             (result.error().code().empty() ? result.error().text() : result.error().code());
    std::string text = result->accepted ? "+" : "-";
    for (const auto& one : result->signatures) text += " " + one.code;
    return text;
  }

  static std::unique_ptr<Scratch> scratch_;
  static std::map<std::string, std::string> fingerprints_;
  static std::map<std::string, std::string> keys_;
};
std::unique_ptr<Scratch> Authenticate::scratch_;
std::map<std::string, std::string> Authenticate::fingerprints_;
std::map<std::string, std::string> Authenticate::keys_;

TEST_F(Authenticate, S01_AGoodDetachedSignatureIsAccepted) {
  const auto result = judge(sign("ada", "--armor --digest-algo SHA512"), {key("ada"), key("bob")});
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_TRUE(result->accepted);
  ASSERT_EQ(result->signatures.size(), 1U);
  EXPECT_EQ(result->signatures[0].code, "good");
  EXPECT_EQ(result->signatures[0].fingerprint, fingerprints_["ada"]);
  EXPECT_EQ(result->signatures[0].userId, "ada <ada@example.com>");
  EXPECT_EQ(result->signatures[0].hash, "SHA512");
  EXPECT_GT(result->signatures[0].created, 1'700'000'000);
}

TEST_F(Authenticate, S01_BinaryAndEveryStrongHash) {
  EXPECT_EQ(verdict(sign("ada"), {key("ada")}), "+ good");
  EXPECT_EQ(verdict(sign("bob", "--digest-algo SHA256"), {key("bob")}), "+ good");
  EXPECT_EQ(verdict(sign("bob", "--digest-algo SHA384"), {key("bob")}), "+ good");
}

TEST_F(Authenticate, S02_ASignatureOverAnotherImageIsBad) {
  EXPECT_EQ(verdict(sign("ada", "", "other"), {key("ada")}), "- E_SIG_BAD");
}

TEST_F(Authenticate, S03_AnUnknownKeyHasItsOwnCode) {
  const auto result = judge(sign("bob"), {key("ada")});
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->accepted);
  ASSERT_EQ(result->signatures.size(), 1U);
  EXPECT_EQ(result->signatures[0].code, "E_SIG_NOKEY");
  EXPECT_EQ(result->signatures[0].fingerprint, fingerprints_["bob"]);
  EXPECT_EQ(verdict(sign("bob"), {}), "- E_SIG_NOKEY");
}

TEST_F(Authenticate, S03_AnUnknownKeyLeavesTheImageUnread) {
  auto pipe = pipeOf(noise(1 << 20));
  const auto result = authenticate(pipe, sign("bob"), {key("ada")}, 0, scratch_->emptyDirectory());
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->accepted);
}

TEST_F(Authenticate, S04_OneGoodSignatureBesideAnUnknownOneIsEnough) {
  EXPECT_EQ(verdict(sign("ada") + sign("bob"), {key("ada")}), "+ good E_SIG_NOKEY");
  EXPECT_EQ(verdict(sign("bob") + sign("ada"), {key("ada")}), "+ E_SIG_NOKEY good");
}

TEST_F(Authenticate, S04_TwoGoodOnesWithDifferentHashesAreBothJudged) {
  EXPECT_EQ(verdict(sign("ada") + sign("bob", "--digest-algo SHA256"), {key("ada"), key("bob")}),
            "+ good good");
}

TEST_F(Authenticate, S04_TwoArmorBlocksAreRefused) {
  EXPECT_EQ(verdict(sign("ada", "--armor") + sign("bob", "--armor"), {key("ada")}),
            "refused E_SIG_KIND");
}

TEST_F(Authenticate, S05_ABadSignatureOfATrustedKeySpoilsAGoodOne) {
  EXPECT_EQ(verdict(sign("ada") + sign("ada", "", "other"), {key("ada")}), "- good E_SIG_BAD");
  EXPECT_EQ(verdict(sign("bob", "", "other") + sign("ada"), {key("ada"), key("bob")}),
            "- E_SIG_BAD E_SIG_UNCHECKED");
}

TEST_F(Authenticate, S06_TheSameSignatureTwiceCountsOnce) {
  const std::string one = sign("ada");
  EXPECT_EQ(verdict(one + one, {key("ada")}), "+ good");
}

TEST_F(Authenticate, S07_AnExpiredKeyIsRefused) {
  makeKey("past", "ed25519", "--faked-system-time 20200101T000000", "1y");
  const std::string signature = sign("past", "--faked-system-time 20200201T000000");
  EXPECT_EQ(verdict(signature, {key("past")}), "- E_SIG_KEY_EXPIRED");
}

TEST_F(Authenticate, S08_ARevokedKeyIsRefused) {
  makeKey("rita", "ed25519", "");
  const std::string signature = sign("rita");
  EXPECT_EQ(verdict(signature, {key("rita")}), "+ good");
  std::string upper = fingerprints_["rita"];
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  scratch_->shell("sed 's/^:-/-/' openpgp-revocs.d/" + upper + ".rev | " + kGpg + " --import");
  remember("rita");
  EXPECT_EQ(verdict(signature, {key("rita")}), "- E_SIG_REVOKED");
}

TEST_F(Authenticate, S09_AnExpiredSignatureIsRefused) {
  makeKey("old", "ed25519", "--faked-system-time 20200101T000000");
  const std::string options = "--faked-system-time 20200201T000000 --default-sig-expire 1d";
  EXPECT_EQ(verdict(sign("old", options), {key("old")}), "- E_SIG_EXPIRED");
}

TEST_F(Authenticate, S09_AClockThatWasSetBackIsNotBelieved) {
  makeKey("brief", "ed25519", "", "1y");
  const std::string signature = sign("brief");
  EXPECT_EQ(verdict(signature, {key("brief")}, 1), "+ good");
  constexpr std::int64_t kYear2060 = 2'840'140'800;
  EXPECT_EQ(verdict(signature, {key("brief")}, kYear2060), "- E_SIG_KEY_EXPIRED");
  EXPECT_EQ(verdict(sign("ada"), {key("ada")}, kYear2060), "+ good");
}

TEST_F(Authenticate, S10_WeakHashesAreRefused) {
  EXPECT_EQ(verdict(sign("bob", "--digest-algo SHA1"), {key("bob")}), "- E_SIG_HASH");
  EXPECT_EQ(verdict(sign("bob", "--digest-algo RIPEMD160"), {key("bob")}), "- E_SIG_HASH");
  EXPECT_EQ(verdict(sign("bob", "--digest-algo SHA224"), {key("bob")}), "- E_SIG_HASH");
}

TEST_F(Authenticate, S10_WeakKeysAreRefused) {
  makeKey("small", "rsa1024", "");
  EXPECT_EQ(verdict(sign("small"), {key("small")}), "- E_SIG_WEAK_KEY");
  makeKey("dora", "dsa2048", "");
  EXPECT_EQ(verdict(sign("dora"), {key("dora")}), "- E_SIG_WEAK_KEY");
}

TEST_F(Authenticate, S11_NoSignatureIsNeverSuccess) {
  gpg("--yes -u '<ada@example.com>' -o out.asc --clearsign image");
  EXPECT_EQ(verdict(scratch_->read("out.asc"), {key("ada")}), "refused E_SIG_KIND");
  gpg("--yes -u '<ada@example.com>' -o out.gpg --sign image");
  EXPECT_EQ(verdict(scratch_->read("out.gpg"), {key("ada")}), "refused E_SIG_KIND");
  gpg("--yes -u '<ada@example.com>' -o out.gpg --armor --sign image");
  EXPECT_EQ(verdict(scratch_->read("out.gpg"), {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict("", {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(sign("ada").substr(0, 40), {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(noise(200), {key("ada")}), "refused E_SIG_KIND");
}

TEST_F(Authenticate, S12_NothingButWhiteSpaceStandsAroundTheArmor) {
  const std::string good = sign("ada", "--armor");
  EXPECT_EQ(verdict(" \r\n\n" + good + "\n  \n", {key("ada")}), "+ good");
  EXPECT_EQ(verdict("junk\n" + good, {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(good + "junk", {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(sign("ada") + "junk", {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(good + std::string(limits::kSignatureBytes, '\n'), {key("ada")}),
            "refused E_SIG_KIND");
  std::string formFeed = good;
  formFeed.insert(formFeed.find("\n\n") + 1, "\f");
  EXPECT_EQ(verdict(formFeed, {key("ada")}), "refused E_SIG_KIND");
}

TEST_F(Authenticate, S13_AFileOfThousandsOfSignaturesIsRefused) {
  std::string many;
  std::string one = sign("ada");
  for (unsigned count = 0; count < 400; ++count) {
    one[one.size() - 1 - count % 8] = static_cast<char>(count);
    many += one;
  }
  EXPECT_EQ(verdict(many, {key("ada")}), "refused E_SIG_KIND");
}

TEST_F(Authenticate, S14_ATextModeSignatureIsRefused) {
  EXPECT_EQ(verdict(sign("ada", "--textmode"), {key("ada")}), "refused E_SIG_KIND");
}

TEST_F(Authenticate, S15_AnUnknownCriticalNotationIsRefused) {
  EXPECT_EQ(verdict(sign("ada", "--sig-notation '!strange@example.com=x'"), {key("ada")}),
            "- E_SIG_KIND");
  EXPECT_EQ(verdict(sign("ada", "--sig-notation strange@example.com=x"), {key("ada")}), "+ good");
}

TEST_F(Authenticate, S16_ARevokedSubkeyIsRefusedThoughThePrimaryIsFine) {
  makeKey("sub", "ed25519", "");
  gpg("--quick-add-key " + fingerprints_["sub"] + " ed25519 sign never");
  remember("sub");
  const std::string signature = sign("sub");  // gpg signs with the newest subkey that may
  const auto before = judge(signature, {key("sub")});
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->accepted);
  EXPECT_EQ(before->signatures[0].fingerprint, fingerprints_["sub"]);
  scratch_->write("revoke", "key 1\nrevkey\ny\n0\n\ny\nsave\n");
  scratch_->shell(
      "gpg --quiet --no-tty --pinentry-mode loopback --passphrase '' --command-file revoke "
      "--edit-key " +
      fingerprints_["sub"]);
  remember("sub");
  EXPECT_EQ(verdict(signature, {key("sub")}), "- E_SIG_SUBKEY");
}

TEST_F(Authenticate, S16_AnExpiredSubkeyIsRefusedThoughThePrimaryIsFine) {
  makeKey("aged", "ed25519", "--faked-system-time 20200101T000000");
  gpg("--faked-system-time 20200102T000000 --quick-add-key " + fingerprints_["aged"] +
      " ed25519 sign 1y");
  remember("aged");
  EXPECT_EQ(verdict(sign("aged", "--faked-system-time 20200201T000000"), {key("aged")}),
            "- E_SIG_SUBKEY");
}

TEST_F(Authenticate, S17_AKeyThatMayNotSignIsRefused) {
  makeKey("mute", "ed25519", "");
  const std::string signature = sign("mute");
  scratch_->write("usage", "change-usage\nS\nQ\nsave\n");
  scratch_->shell(
      "gpg --quiet --no-tty --pinentry-mode loopback --passphrase '' --command-file usage "
      "--edit-key " +
      fingerprints_["mute"]);
  remember("mute");
  EXPECT_EQ(verdict(signature, {key("mute")}), "- E_SIG_USAGE");
}

TEST_F(Authenticate, S18_ATrustedKeyFileMustHoldTheKeyThatItIsNamedAfter) {
  const ipc::TrustedKey wrong{key("ada").fingerprint, key("bob").content};
  EXPECT_EQ(verdict(sign("ada"), {wrong}), "refused E_KEY");
  EXPECT_EQ(verdict(sign("bob"), {wrong}), "refused E_KEY");
  const ipc::TrustedKey two{key("ada").fingerprint,
                            gpg("--export " + fingerprints_["ada"] + " " + fingerprints_["bob"])};
  EXPECT_EQ(verdict(sign("bob"), {two}), "refused E_KEY");
}

TEST_F(Authenticate, S18_ASignatureThatNamesAnothersKeyIsBad) {
  makeKey("eve", "ed25519", "");
  std::string signature = sign("eve");
  const auto bytes = [](const std::string& hex) {
    std::string result;
    for (std::size_t at = 0; at < hex.size(); at += 2) {
      result += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
    }
    return result;
  };
  const std::string eve = bytes(fingerprints_["eve"]);
  const std::string ada = bytes(fingerprints_["ada"]);
  signature.replace(signature.find(eve), 20, ada);
  signature.replace(signature.find(eve.substr(12)), 8, ada.substr(12));
  EXPECT_EQ(verdict(signature, {key("ada")}), "- E_SIG_BAD");
}

TEST_F(Authenticate, S19_AKeyInTheSignatureFileIsNeverImported) {
  const std::string smuggled = gpg("--export " + fingerprints_["bob"]) + sign("bob");
  EXPECT_EQ(verdict(smuggled, {key("ada")}), "refused E_SIG_KIND");
  EXPECT_EQ(verdict(sign("bob") + gpg("--export " + fingerprints_["bob"]), {key("ada")}),
            "refused E_SIG_KIND");
}

TEST_F(Authenticate, TheImageMayComeThroughAPipe) {
  const std::string big = noise(5'000'000);
  scratch_->write("big", big);
  const std::string signature = sign("ada", "", "big");
  const Fd pipe = pipeOf(big);
  const auto result = authenticate(pipe, signature, {key("ada")}, 0, scratch_->emptyDirectory());
  ASSERT_TRUE(result) << result.error().text();
  EXPECT_TRUE(result->accepted);
}

TEST_F(Authenticate, KeyFactsNameKeySubkeysAndPeople) {
  makeKey("facts", "rsa2048", "");
  gpg("--quick-add-key " + fingerprints_["facts"] + " ed25519 sign never");
  remember("facts");
  for (const std::string& form : {keys_["facts"], gpg("--export " + fingerprints_["facts"])}) {
    const auto facts = inspectKey(form, scratch_->emptyDirectory());
    ASSERT_TRUE(facts) << facts.error().text();
    EXPECT_EQ(facts->fingerprint.text(), fingerprints_["facts"]);
    EXPECT_EQ(facts->subkeys.size(), 1U);
    EXPECT_THAT(facts->userIds, ::testing::ElementsAre("facts <facts@example.com>"));
  }
}

TEST_F(Authenticate, KeyFactsAreOfOnePublicKeyOnly) {
  const auto code = [&](const std::string& file) {
    const auto facts = inspectKey(file, scratch_->emptyDirectory());
    return facts ? "accepted" : facts.error().code();
  };
  EXPECT_EQ(code(gpg("--export-secret-keys " + fingerprints_["ada"])), "E_KEY");
  EXPECT_EQ(code(gpg("--armor --export-secret-keys " + fingerprints_["ada"])), "E_KEY");
  EXPECT_EQ(code(gpg("--export " + fingerprints_["ada"] + " " + fingerprints_["bob"])), "E_KEY");
  EXPECT_EQ(code(keys_["ada"] + keys_["bob"]), "E_KEY");
  EXPECT_EQ(code(sign("ada")), "E_KEY");
  EXPECT_EQ(code(""), "E_KEY");
  EXPECT_EQ(code("hello"), "E_KEY");
  EXPECT_EQ(code(noise(4000)), "E_KEY");
  EXPECT_EQ(code(gpg("--export " + fingerprints_["ada"]).substr(0, 60)), "E_KEY");
}

}  // namespace
}  // namespace airlock::verifier
