// SPDX-License-Identifier: Apache-2.0
#include "attest/exported_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"

namespace airlock::attest {
namespace {

using testing::HasSubstr;

const std::string kA(40, 'a');
const std::string kB(40, 'b');

// "" or what is wrong; `keys` are those of the last trust record.
std::string faultOf(const std::vector<std::pair<std::string, std::string>>& keys,
                    const std::map<std::string, std::string_view, std::less<>>& files,
                    const std::string& digest = "") {
  Evidence evidence;
  evidence.trusted = files;
  History history;
  history.trusts.push_back({.number = 1, .trust = "", .keys = {{"", kB}}, .files = ""});
  history.trusts.push_back({.number = 2, .trust = "", .keys = keys, .files = digest});
  const auto found = checkKeyFiles(evidence, history);
  return found ? "" : found.error().code() + " " + found.error().message();
}

TEST(KeyFilesOfEvidence, StandWhereTheRecordSays) {
  EXPECT_EQ(faultOf({}, {}), "");
  EXPECT_EQ(faultOf({{"", kA}}, {{"root.d/" + kA, "key"}}), "");
  EXPECT_EQ(faultOf({{"a.b/c", kA}}, {{"prefix.d/a.b/c/" + kA, "key"}}), "");
  EXPECT_EQ(faultOf({{"a.b/c", kA}}, {{"root.d/a.b/c/" + kA, "key"}}), "");
  EXPECT_THAT(faultOf({{"a.b", kA}}, {{"prefix.d/a.b/c/" + kA, "key"}}), HasSubstr("is missing"));
  EXPECT_THAT(faultOf({{"", kA}}, {{"root.d/" + kB, "key"}}), HasSubstr("is missing"));
  EXPECT_THAT(faultOf({{"", kA}}, {{"root.d/" + kA, "key"}, {"root.d/" + kB, "key"}}),
              HasSubstr("was not trusted"));
  EXPECT_THAT(faultOf({{"", kA}}, {}), HasSubstr("E_ATTEST_KEYS"));
}

TEST(KeyFilesOfEvidence, AnEmptyFileTakesAKeyAwayAndIsNoKey) {
  EXPECT_EQ(faultOf({{"", "-" + kA}}, {{"root.d/" + kA, ""}}), "");
  EXPECT_THAT(faultOf({{"", "-" + kA}}, {{"root.d/" + kA, "key"}}), HasSubstr("not trusted"));
  EXPECT_THAT(faultOf({{"", kA}}, {{"root.d/" + kA, ""}}), HasSubstr("not trusted"));
  // The vendor's key, and an empty file of the administrator's.
  EXPECT_EQ(faultOf({{"", "-" + kA}, {"", kA}}, {{"root.d/" + kA, ""}}), "");
}

TEST(KeyFilesOfEvidence, AreNothingButKeysByTheirFingerprints) {
  for (const char* name : {"README", "root.d", "root.d/README", "prefix.d/README", "other.d/x"}) {
    EXPECT_THAT(faultOf({}, {{name, "x"}}), HasSubstr("is no file of a key")) << name;
  }
  EXPECT_THAT(faultOf({}, {{"prefix.d/" + kA, "x"}}), HasSubstr("is no file of a key"));
}

TEST(KeyFilesOfEvidence, AreByteForByteWhatWasMeasuredLogsIncluded) {
  const std::string log = "rekor.d/sha256-" + std::string(64, 'c');
  const auto line = [](const std::string& path, std::string_view content) {
    return path + " " + digestOf(content).text() + "\n";
  };
  const std::string digest = digestOf(line(log, "pem") + line("root.d/" + kA, "key")).text();
  EXPECT_EQ(faultOf({{"", kA}}, {{"root.d/" + kA, "key"}, {log, "pem"}}, digest), "");
  EXPECT_THAT(faultOf({{"", kA}}, {{"root.d/" + kA, "KEY"}, {log, "pem"}}, digest),
              HasSubstr("another content"));
  EXPECT_THAT(faultOf({{"", kA}}, {{"root.d/" + kA, "key"}}, digest), HasSubstr("another log"));
  EXPECT_THAT(faultOf({{"", kA}}, {{"root.d/" + kA, "key"}, {log, "PEM"}}, digest),
              HasSubstr("another content"));
}

TEST(ExportedFiles, OnlyTheLastPolicyAndTheLastKeysOfABootAreLookedAtAndThatIsSaid) {
  const auto notesOf = [](int policies, int trusts) {
    History history;
    for (int i = 0; i < policies; ++i) history.policies.push_back({0, std::to_string(i)});
    for (int i = 0; i < trusts; ++i) {
      history.trusts.push_back({.number = 0, .trust = std::to_string(i), .keys = {}, .files = ""});
    }
    return checkExportedFiles(Evidence(), history)->notes;
  };
  // A policy file that says something would have another digest than the last record: none is
  // given.
  EXPECT_THAT(notesOf(2, 1), testing::Contains(HasSubstr("of 2 policies")));
  EXPECT_THAT(notesOf(1, 1), testing::Not(testing::Contains(HasSubstr("only the last"))));
}

}  // namespace
}  // namespace airlock::attest
