// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "cli/obtain_image.h"
#include "cli/text_output.h"
#include "cli/trusted_keys.h"

namespace airlock::cli {
namespace {

TEST(ErrorText, IsOneLineWithWhatToDo) {
  const Error error =
      Error(ErrorKind::Missing, "no such image").withHint("Fetch it").withCode("E_NOT_FOUND");
  EXPECT_EQ(errorText("rm", error, {}), "rm: no such image. Fetch it\n");
}
TEST(ErrorText, NeverDrivesTheTerminal) {
  EXPECT_EQ(errorText("fetch", Error(ErrorKind::Failed, "a\n\033[2Jb"), {}),
            "fetch: a\\x0a\\x1b[2Jb\n");
}
TEST(ErrorText, IsAnObjectForMachines) {
  Options options;
  options.json = true;
  const Error error = Error(ErrorKind::Failed, "bad").withHint("do").withCode("E_X");
  EXPECT_EQ(errorText("fetch", error, options),
            "{\"command\":\"fetch\",\"code\":\"E_X\",\"message\":\"bad\",\"hint\":\"do\"}\n");
}

TEST(Fingerprint, IsSpacedAsRktDoes) {
  EXPECT_EQ(spacedFingerprint("2c365f7918223b4b7baf598fab5d427f1e006e47"),
            "2C36 5F79 1822 3B4B 7BAF  598F AB5D 427F 1E00 6E47");
  EXPECT_EQ(spacedFingerprint("minisign-0011223344556677"), "minisign-0011223344556677");
}

TEST(KeyText, IsRktsDialogue) {
  const ipc::KeyFacts facts{
      .fingerprint = KeyFingerprint::parse("2c365f7918223b4b7baf598fab5d427f1e006e47").value(),
      .subkeys = {"719b35b309f93f1285768a5e2557d40efc2ef323"},
      .userIds = {"Peer Signer <signer@example.com>"}};
  EXPECT_EQ(keyText("pubkey: ", {ImageName::parse("example.com/busybox").value()},
                    "https://example.com/pubkeys.gpg", facts),
            "pubkey: prefix: \"example.com/busybox\"\n"
            "key: \"https://example.com/pubkeys.gpg\"\n"
            "gpg key fingerprint is: 2C36 5F79 1822 3B4B 7BAF  598F AB5D 427F 1E00 6E47\n"
            "    Subkey fingerprint: 719B 35B3 09F9 3F12 8576  8A5E 2557 D40E FC2E F323\n"
            "\tPeer Signer <signer@example.com>\n");
}
TEST(KeyText, EscapesIdentities) {
  const ipc::KeyFacts facts{
      .fingerprint = KeyFingerprint::parse("2c365f7918223b4b7baf598fab5d427f1e006e47").value(),
      .subkeys = {},
      .userIds = {"\033]0;x\007"}};
  EXPECT_EQ(keyText("pubkey: ", {}, "k", facts).find('\033'), std::string::npos);
}

TEST(PullPolicy, HasThreeWords) {
  EXPECT_EQ(parsePullPolicy("never").value(), PullPolicy::Never);
  EXPECT_EQ(parsePullPolicy("new").value(), PullPolicy::New);
  EXPECT_EQ(parsePullPolicy("update").value(), PullPolicy::Update);
  EXPECT_FALSE(parsePullPolicy("always").has_value());
}

}  // namespace
}  // namespace airlock::cli
