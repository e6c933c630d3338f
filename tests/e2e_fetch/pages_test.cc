// SPDX-License-Identifier: Apache-2.0
// What rkt's users know from its pages, adapted in name only: each test is one of the transcripts
// of the 0.5.4 release post and of the product page.
#include <gmock/gmock.h>

#include "tests/e2e_fetch/fixture.h"
#include "tests/support/terminal.h"

namespace airlock::test {
namespace {

using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr const char* kShell = "example.test/coreos/busybox-sh";
constexpr const char* kPlace = "example.test/coreos/busybox-sh-latest-linux-amd64";

class Pages : public Fetching {
 protected:
  void SetUp() override {
    Fetching::SetUp();
    if (IsSkipped()) return;
    publish(kShell, &signer());
    for (const char* ending : {".aci", ".aci.asc"}) {
      must("cp " + served(std::string("images/") + kShell + "-1.35-linux-amd64" + ending) + " " +
           served(std::string("images/") + kPlace + ending));
    }
    writeFile(served("pubkeys.gpg"), signer().publicKey());
    engine_->trust(signer(), "example.test/coreos");
    directory_ = engine_->scratch("home");
  }
  // "AAAA BBBB …  CCCC …"
  static std::string spaced(std::string fingerprint) {
    std::string text;
    for (std::size_t i = 0; i < fingerprint.size(); ++i) {
      if (i > 0 && i % 4 == 0) text += i == 20 ? "  " : " ";
      text += static_cast<char>(std::toupper(fingerprint[i]));
    }
    return text;
  }
  std::string in(const std::string& script) const { return "cd " + directory_ + " && " + script; }
  Outcome there(const std::string& arguments) const {
    std::string command = AIRLOCK_BINARY_DIR "/bin/airlock";
    for (const std::string& argument : engine_->pathArguments()) command += " " + argument;
    return shell(in(command + " " + arguments));
  }
  std::string directory_;
};

TEST_F(Pages, FetchByNameWithTheKeyInTheKeystore) {
  const Outcome outcome = airlock(root(), std::string("fetch ") + kShell);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const std::string url = std::string("https://example.test/images/") + kPlace + ".aci";
  EXPECT_THAT(lines(outcome.err),
              ElementsAre(std::string("airlock: searching for app image ") + kShell,
                          "airlock: remote fetching from URL \"" + url + "\"",
                          std::string("prefix: \"") + kShell + "\"",
                          "key: \"https://example.test/pubkeys.gpg\"",
                          "gpg key fingerprint is: " + spaced(signer().fingerprint()),
                          "\tTest Signer <signer@example.test>",
                          "Key \"https://example.test/pubkeys.gpg\" already in the keystore",
                          "airlock: downloading signature from " + url + ".asc",
                          MatchesRegex("Downloading signature:  [0-9.]+ K?B/[0-9.]+ K?B"),
                          MatchesRegex("Downloading ACI:  [0-9.]+ [KM]B/[0-9.]+ [KM]B"),
                          "airlock: signature verified:", "  Test Signer <signer@example.test>"));
  EXPECT_THAT(outcome.out, MatchesRegex("sha512-[0-9a-f]{32}\n"));
}

TEST_F(Pages, FetchOnATerminalDrawsBars) {
  std::string command = AIRLOCK_BINARY_DIR "/bin/airlock";
  for (const std::string& argument : engine_->pathArguments()) command += " " + argument;
  OnTerminal terminal("exec " + command + " fetch " + kShell,
                      {"SSL_CERT_FILE=" + certificate(), "HOME=" + directory_, "TERM=xterm"});
  EXPECT_EQ(terminal.wait(), 0) << terminal.text();
  EXPECT_THAT(
      terminal.text(),
      ContainsRegex("Downloading signature: \\[={39}\\] [0-9.]+ K?B/[0-9.]+ K?B\x1b\\[K\n"));
  EXPECT_THAT(terminal.text(),
              ContainsRegex("Downloading ACI: \\[={45}\\] [0-9.]+ [KM]B/[0-9.]+ [KM]B\x1b\\[K\n"));
}

TEST_F(Pages, TrustByDiscoveryWantsSomebodyWhoCanBeAsked) {
  const Outcome outcome = airlock(root(), "trust --prefix=example.test/new");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(
      lines(outcome.err),
      ElementsAre(
          "pubkey: prefix: \"example.test/new\"", "key: \"https://example.test/pubkeys.gpg\"",
          "gpg key fingerprint is: " + spaced(signer().fingerprint()),
          "\tTest Signer <signer@example.test>",
          "pubkey: To trust the key for \"example.test/new\", do one of the following:",
          "pubkey:  - call airlock with --trust-keys-from-https",
          "pubkey:  - run: airlock trust --prefix \"example.test/new\"",
          StartsWith("trust: error adding keys: error reviewing key: unable to ask user to review "
                     "fingerprint due to lack of tty")));
  EXPECT_FALSE(airlock(root(), "trust list").out.contains("example.test/new"));
}

TEST_F(Pages, TrustByDiscoveryWithoutAReview) {
  const Outcome outcome =
      airlock(root(), "trust --prefix=example.test/new --skip-fingerprint-review");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("Trusting \"https://example.test/pubkeys.gpg\" for prefix "
                                     "\"example.test/new\" without fingerprint review.\n"
                                     "Added key for prefix \"example.test/new\" at \""));
}

TEST_F(Pages, TrustOnATerminalAsks) {
  if (!exists("/usr/bin/script")) GTEST_SKIP() << "needs script";
  const auto answering = [&](const std::string& answer) {
    std::string command = AIRLOCK_BINARY_DIR "/bin/airlock";
    for (const std::string& argument : engine_->pathArguments()) command += " " + argument;
    command += " trust --prefix=example.test/asked";
    return shell("export SSL_CERT_FILE=" + certificate() + "; printf '" + answer +
                 "' | script -qec '" + command + "' /dev/null | tr -d '\\r'");
  };
  const std::string no = answering("maybe\\nno\\n").out;
  EXPECT_THAT(no, HasSubstr("Are you sure you want to trust this key (yes/no)?\n"));
  EXPECT_THAT(no, HasSubstr("Please enter 'yes' or 'no'\n"));
  EXPECT_THAT(no, HasSubstr("pubkey: not trusting \"https://example.test/pubkeys.gpg\"\n"));
  const std::string yes = answering("yes\\n").out;
  EXPECT_THAT(yes, HasSubstr("for prefix \"example.test/asked\" after fingerprint review.\n"));
}

TEST_F(Pages, FetchTrustsKeysFromHttpsWhereNoneIsTrusted) {
  publish("example.test/fresh/app", &signer());
  writeFile(served("pubkeys.gpg"), signer().publicKey());
  const Outcome outcome =
      airlock(root(), "--trust-keys-from-https fetch example.test/fresh/app:1.35");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("for prefix \"example.test/fresh/app\" without fingerprint "
                                     "review.\n"));
}

TEST_F(Pages, ARefusalTellsWhichKeySignedAndWhichPrefixesHaveKeys) {
  const Signer stranger;
  publish("example.test/coreos/odd", &stranger);
  const Outcome outcome = airlock(root(), "fetch example.test/coreos/odd:1.35");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.err, HasSubstr("airlock: keys are trusted for \"example.test/coreos\""));
  EXPECT_THAT(outcome.err, HasSubstr("the signature names key"));
  EXPECT_THAT(outcome.err, HasSubstr("airlock trust --prefix=example.test/coreos/odd <key file>"));
}

TEST_F(Pages, FetchCalledRktSpeaksAsRkt) {
  must("ln -s " AIRLOCK_BINARY_DIR "/bin/airlock " + engine_->scratch("rkt"));
  std::string command = engine_->scratch("rkt");
  const Outcome version = shell(command + " version");
  EXPECT_THAT(version.out, StartsWith("rkt Version: "));
  EXPECT_THAT(version.out, HasSubstr("\nappc Version: 0.8.11\n"));
  EXPECT_THAT(shell(command + " help run || true").out, HasSubstr("USAGE:\n\trkt run "));
}

TEST_F(Pages, RunningALocalFileWantsASignatureThatIsThere) {
  must("mkdir -p " + directory_ + "/imgs");
  makeImage(directory_ + "/imgs/pauser.aci", {.name = "example.test/coreos/pauser"});
  const Outcome unsigned_ = there("fetch imgs/pauser.aci");
  EXPECT_EQ(unsigned_.code, 254);
  EXPECT_THAT(unsigned_.err, HasSubstr("error opening signature file: open " + directory_ +
                                       "/imgs/pauser.aci.asc: no such file or directory"));
  signer().sign(directory_ + "/imgs/pauser.aci");
  const Outcome signed_ = there("run imgs/pauser.aci --exec /bin/true");
  EXPECT_EQ(signed_.code, 0) << signed_.err;
  EXPECT_THAT(signed_.err, HasSubstr("airlock: signature verified:\n"
                                     "  Test Signer <signer@example.test>\n"));
}

TEST_F(Pages, TwoImagesHaveASignatureEach) {
  must("mkdir -p " + directory_ + "/imgs");
  for (const char* name : {"pauser", "bash"}) {
    const std::string file = directory_ + "/imgs/" + name + ".aci";
    makeImage(file, {.name = std::string("example.test/coreos/") + name});
    signer().sign(file);
  }
  must(in("mv imgs/pauser.aci.asc present.asc; mv imgs/bash.aci.asc foo.asc"));
  const Outcome outcome =
      there("fetch imgs/pauser.aci --signature ./present.asc imgs/bash.aci --signature foo.asc");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, StartsWith("airlock: signature verified:\n"
                                      "  Test Signer <signer@example.test>\n"));
  EXPECT_THAT(outcome.out, MatchesRegex("sha512-[0-9a-f]{32}\nsha512-[0-9a-f]{32}\n"));
  // The other way round they do not fit.
  EXPECT_EQ(there("fetch imgs/pauser.aci --signature foo.asc").code, 254);
}

TEST_F(Pages, RunListAndCollect) {
  ASSERT_EQ(airlock(root(), std::string("fetch ") + kShell).code, 0);
  const Outcome ran = airlock(root(), std::string("run ") + kShell + " --exec /bin/hostname");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr(std::string("airlock: using image from local store for image "
                                             "name ") +
                                 kShell + "\n"));
  const std::string listed = airlock(root(), "list --full --no-legend").out;
  const std::string pod = listed.substr(0, listed.find('\t'));
  ASSERT_EQ(pod.size(), 36U) << listed;
  EXPECT_THAT(ran.out, HasSubstr("airlock-" + pod));
  EXPECT_THAT(airlock(root(), "list").out,
              testing::AllOf(StartsWith("UUID"), HasSubstr("\tAPP"), HasSubstr("\tIMAGE NAME"),
                             HasSubstr("\texited")));
  const Outcome marked = airlock(root(), "gc");
  EXPECT_THAT(marked.err, HasSubstr("Moving pod \"" + pod + "\" to garbage\n"));
  EXPECT_THAT(marked.err,
              HasSubstr("Pod \"" + pod + "\" not removed: still within grace period (30m0s)\n"));
  EXPECT_EQ(airlock(root(), "gc --grace-period=0").out, "Garbage collecting pod \"" + pod + "\"\n");
  EXPECT_EQ(lines(airlock(root(), "list").out).size(), 1U);
}

TEST_F(Pages, APodOfRktIsCalledSo) {
  ASSERT_EQ(airlock(root(), std::string("fetch ") + kShell).code, 0);
  // The other programs are found beside the file that a link leads to.
  must("mkdir -p " + engine_->scratch("bin") + "; ln -s " AIRLOCK_BINARY_DIR "/bin/airlock " +
       engine_->scratch("bin") + "/rkt");
  std::string command = engine_->scratch("bin") + "/rkt";
  for (const std::string& argument : engine_->pathArguments()) command += " " + argument;
  const Outcome ran = shell(command + " run " + kShell + " --exec /bin/hostname");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("rkt: using image from local store"));
  EXPECT_THAT(ran.out, HasSubstr("rkt-"));
  airlock(root(), "gc --grace-period=0");
}

}  // namespace
}  // namespace airlock::test
