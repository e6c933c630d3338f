// SPDX-License-Identifier: Apache-2.0
// Completion in the real shells.  What bash does is in cli/commands_test.cc.
#include <gmock/gmock.h>

#include "tests/support/shell.h"
#include "tests/support/terminal.h"

namespace airlock::test {
namespace {

// What fish would offer behind these words.
std::string inFish(const std::string& words, const std::string& program = "airlock") {
  const Scratch home;
  must("ln -s " AIRLOCK_BINARY_DIR "/bin/airlock " + (home / program));
  return must("cd " + home.path() + "; HOME=" + home.path() + " PATH=" + home.path() +
              ":/usr/bin:/bin fish --no-config -c '" + program +
              " completion fish | source; complete -C \"" + program + " " + words + "\"'");
}

TEST(Completion, InFishOffersCommandsAndFlagsWithWhatTheyDo) {
  if (!exists("/usr/bin/fish")) GTEST_SKIP() << "needs fish";
  EXPECT_EQ(inFish("im"), "image\ta group of commands\n");
  EXPECT_EQ(inFish("image l"), "list\tlist the images in the store\n");
  EXPECT_EQ(inFish("trust re"), "remove\ttrust a key no longer\n");
  EXPECT_EQ(inFish("image list --no"), "--no-legend\twithout the line of column names\n");
  EXPECT_EQ(inFish("--json st", "rkt"), "status\ttell how a pod is\nstop\tstop pods\n");
  EXPECT_EQ(inFish("completion z"), "zsh\n");
}

TEST(Completion, InZshCompletesWhatWasTyped) {
  if (!exists("/usr/bin/zsh")) GTEST_SKIP() << "needs zsh";
  const Scratch home;
  must("ln -s " AIRLOCK_BINARY_DIR "/bin/airlock " + (home / "airlock") + "; " +
       (home / "airlock") + " completion zsh > " + (home / "_airlock"));
  OnTerminal shell("exec zsh -f -i",
                   {"HOME=" + home.path(), "PATH=" + home.path() + ":/usr/bin:/bin"});
  const auto typed = [&](const std::string& keys, const std::string& answer) {
    shell.type(keys);
    EXPECT_TRUE(shell.says(answer)) << shell.text();
  };
  // Once as a file that zsh loads by itself, once as the manual has it.
  typed(
      "PS1='ready> '; unsetopt prompt_sp; cd; fpath=($HOME $fpath); autoload -U compinit; "
      "compinit -u -D; echo loaded\r",
      "\nloaded\n");
  typed("airlock image l\t", "airlock image list");
  typed("--no-l\t", "--no-legend");
  typed(
      "\x15"
      "airlock st\t\t",
      "status");
  typed(
      "\x15"
      "source <(airlock completion zsh); echo again\r",
      "\nagain\n");
  typed("airlock completion z\t", "airlock completion zsh");
  typed(
      "\x15"
      "airlock trust re\t",
      "airlock trust remove");
}

}  // namespace
}  // namespace airlock::test
