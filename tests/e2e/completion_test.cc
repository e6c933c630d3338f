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
  EXPECT_EQ(inFish("attest ver"),
            "verify\ttell from its evidence what ran on another host, without trusting it\n");
  EXPECT_EQ(inFish("attest verify air"), "airlock\n");
  EXPECT_EQ(inFish("audit verify --ak=air"), "--ak=airlock\n");
}

TEST(Completion, InZshCompletesWhatWasTyped) {
  if (!exists("/usr/bin/zsh")) GTEST_SKIP() << "needs zsh";
  const Scratch home;
  must("ln -s " AIRLOCK_BINARY_DIR "/bin/airlock " + (home / "airlock") + "; " +
       (home / "airlock") + " completion zsh > " + (home / "_airlock"));
  OnTerminal shell("exec zsh -f -i",
                   {"HOME=" + home.path(), "PATH=" + home.path() + ":/usr/bin:/bin"});
  const auto says = [&](const std::string& keys, const std::string& answer) {
    shell.type(keys);
    EXPECT_TRUE(shell.says(answer)) << keys << "\n" << shell.text();
  };
  // ^X prints what the line has become, and begins a new one.
  says(
      "PS1='ready> '; unsetopt prompt_sp; become() { print -r -- \"<$BUFFER>\"; BUFFER= }; "
      "zle -N become; bindkey '^X' become; cd; echo loaded\r",
      "\nloaded\n");
  const auto becomes = [&](const std::string& keys, const std::string& line) {
    says(keys + "\x18", "<" + line + ">");
  };
  // Once as a file that zsh loads by itself, once as the manual has it.
  says("fpath=($HOME $fpath); autoload -U compinit; compinit -u -D; echo again\r", "\nagain\n");
  becomes("airlock image l\t", "airlock image list ");
  becomes("airlock image list --no-l\t", "airlock image list --no-legend ");
  says("airlock st\t\t", "status  -- tell how a pod is");
  says("\x15source <(airlock completion zsh); echo once more\r", "\nonce more\n");
  becomes("airlock completion z\t", "airlock completion zsh ");
  becomes("airlock trust re\t", "airlock trust remove ");
  becomes("airlock attest ver\t", "airlock attest verify ");
  becomes("airlock attest verify --ak=_air\t", "airlock attest verify --ak=_airlock ");
  becomes("airlock audit verify _air\t", "airlock audit verify _airlock ");
}

}  // namespace
}  // namespace airlock::test
