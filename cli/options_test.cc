// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace airlock::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<int> nothing(const Options&, const std::vector<std::string>&) { return 0; }

constexpr Command kCommands[] = {
    {"enter", "", "", "", nothing},      {"fetch", "", "", "", nothing},
    {"gc", "", "", "", nothing},         {"image cat-manifest", "", "", "", nothing},
    {"image list", "", "", "", nothing}, {"image rm", "", "", "", nothing},
    {"list", "", "", "", nothing},       {"run", "", "", "", nothing},
    {"rm", "", "", "", nothing},         {"status", "", "", "", nothing},
    {"stop", "", "", "", nothing},       {"trust", "", "", "", nothing},
    {"trust list", "", "", "", nothing},
};

CommandLine parse(const std::vector<std::string>& words) {
  auto line = parseCommandLine(kCommands, words);
  EXPECT_TRUE(line.has_value()) << line.error().text();
  return line ? *std::move(line) : CommandLine{};
}
std::string refusal(const std::vector<std::string>& words) {
  const auto line = parseCommandLine(kCommands, words);
  return line ? "accepted" : line.error().text();
}
std::string nameOf(const CommandLine& line) {
  return line.command == nullptr ? "" : line.command->name;
}

TEST(CommandLine, TakesGlobalFlagsBeforeAndAfterTheVerb) {
  for (const auto& words :
       {std::vector<std::string>{"--dir=/x", "--insecure-options=image", "fetch", "a.aci"},
        {"fetch", "--insecure-options", "image", "a.aci", "--dir", "/x"}}) {
    const CommandLine line = parse(words);
    EXPECT_EQ(nameOf(line), "fetch");
    EXPECT_EQ(line.options.dir, "/x");
    EXPECT_TRUE(line.options.dirGiven);
    EXPECT_TRUE(line.options.insecure.image);
    EXPECT_FALSE(line.options.insecure.tls);
    EXPECT_THAT(line.arguments, ElementsAre("a.aci"));
  }
}
TEST(CommandLine, LeavesWhatFollowsTwoDashesAlone) {
  EXPECT_THAT(parse({"run", "image", "--", "--debug", "--dir=/x"}).arguments,
              ElementsAre("image", "--", "--debug", "--dir=/x"));
}
TEST(CommandLine, LeavesTheCommandOfEnterAlone) {
  const CommandLine line = parse({"--debug", "enter", "--app=x", "uuid", "ls", "--json"});
  EXPECT_TRUE(line.options.debug);
  EXPECT_FALSE(line.options.json);
  EXPECT_THAT(line.arguments, ElementsAre("--app=x", "uuid", "ls", "--json"));
}
TEST(CommandLine, AcceptsShortenedVerbs) {
  EXPECT_EQ(nameOf(parse({"im", "li"})), "image list");
  EXPECT_EQ(nameOf(parse({"f", "x"})), "fetch");
  EXPECT_THAT(refusal({"st", "x"}), HasSubstr("can be"));
  EXPECT_EQ(nameOf(parse({"sta", "x"})), "status");
}
TEST(CommandLine, AcceptsAliases) {
  EXPECT_EQ(nameOf(parse({"images"})), "image list");
  EXPECT_EQ(nameOf(parse({"rmimage", "x"})), "image rm");
  EXPECT_EQ(nameOf(parse({"image", "fetch", "x"})), "fetch");
  EXPECT_EQ(nameOf(parse({"ps"})), "list");
}
TEST(CommandLine, TellsAVerbFromALongerOne) {
  EXPECT_EQ(nameOf(parse({"trust", "list"})), "trust list");
  EXPECT_EQ(nameOf(parse({"trust", "./list"})), "trust");
  EXPECT_EQ(nameOf(parse({"trust", "--root", "key"})), "trust");
}
TEST(CommandLine, NamesTheNearestVerb) {
  EXPECT_THAT(refusal({"fecth", "x"}), HasSubstr("Did you mean \"fetch\"?"));
  EXPECT_THAT(refusal({"bogus"}), HasSubstr("unknown command \"bogus\" for \"airlock\""));
  EXPECT_THAT(refusal({"image", "lost"}), HasSubstr("unknown command \"image lost\""));
  EXPECT_THAT(refusal({"image"}), HasSubstr("There are: image cat-manifest, image list, image rm"));
}
TEST(CommandLine, KnowsHelp) {
  EXPECT_TRUE(parse({"--help"}).help);
  EXPECT_EQ(nameOf(parse({"help", "image", "list"})), "image list");
  EXPECT_TRUE(parse({"fetch", "-h"}).help);
  EXPECT_FALSE(parse({}).help);
}
TEST(CommandLine, MakesPathsAbsolute) {
  EXPECT_EQ(parse({"--dir=x", "list"}).options.dir.front(), '/');
}
TEST(CommandLine, RefusesBadGlobalFlags) {
  EXPECT_THAT(refusal({"--dir"}), HasSubstr("needs a value"));
  EXPECT_THAT(refusal({"--bogus", "list"}), HasSubstr("unknown flag: --bogus"));
  EXPECT_THAT(refusal({"--debug=maybe", "list"}), HasSubstr("true or false"));
  EXPECT_THAT(refusal({"--insecure-options=images", "list"}), HasSubstr("unknown word \"images\""));
}

TEST(InsecureOptions, MeanWhatRktsMean) {
  const Insecure fetching = parseInsecure("all-fetch").value();
  EXPECT_TRUE(fetching.image && fetching.tls && fetching.http && fetching.pubkey);
  EXPECT_FALSE(fetching.seccomp || fetching.paths || fetching.capabilities);
  const Insecure running = parseInsecure("all-run").value();
  EXPECT_TRUE(running.seccomp && running.paths && running.capabilities);
  EXPECT_FALSE(running.image);
  const Insecure all = parseInsecure("all").value();
  EXPECT_TRUE(all.image && all.seccomp);
  const Insecure none = parseInsecure("none,ondisk").value();
  EXPECT_FALSE(none.image || none.tls || none.seccomp);
  EXPECT_FALSE(parseInsecure("").has_value());
}
TEST(InsecureOptions, OldSpellingMeansAllFetch) {
  EXPECT_TRUE(parse({"--insecure-skip-verify", "fetch", "x"}).options.insecure.image);
}

TEST(ParseFlags, KeepsTheOrderOfFlagsAndOperands) {
  std::string seen;
  const std::vector<Flag> flags = {
      {"s", Flag::Value::Required, [&](const std::string& value) -> Result<void> {
         seen += "[" + value + "]";
         return {};
       }}};
  const auto operand = [&](const std::string& word) -> Result<void> {
    seen += word;
    return {};
  };
  ASSERT_TRUE(
      parseFlags({"a", "--s=1", "b", "-s", "2", "--", "--s", "-"}, flags, operand).has_value());
  EXPECT_EQ(seen, "a[1]b[2]--s-");
}
TEST(ParseFlags, RefusesUnknownOnes) { EXPECT_FALSE(parseFlags({"--x"}, {}).has_value()); }

TEST(ProgramName, IsRktThroughALinkOfThatName) {
  setProgramName("/usr/local/bin/rkt");
  EXPECT_EQ(programName(), "rkt");
  setProgramName("./airlock");
  EXPECT_EQ(programName(), "airlock");
}

}  // namespace
}  // namespace airlock::cli
