// SPDX-License-Identifier: Apache-2.0
#include "cli/evidence_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace airlock::cli {
namespace {

namespace fs = std::filesystem;

class Written : public testing::Test {
 protected:
  Written() {
    std::string name = fs::temp_directory_path() / "airlock-written-XXXXXX";
    top_ = ::mkdtemp(name.data());
  }
  ~Written() override { fs::remove_all(top_); }
  std::string at(const std::string& name) const { return top_ + "/" + name; }
  std::string read(const std::string& name) const {
    std::ifstream file(at(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::ptrdiff_t entries(const std::string& name = "") const {
    return std::distance(fs::directory_iterator(at(name)), fs::directory_iterator());
  }

  std::string top_;
};

std::string codeOf(const Result<void>& result) {
  return result ? "" : std::string(result.error().code());
}

TEST_F(Written, FilesGoIntoANewOrEmptyDirectoryOnly) {
  EXPECT_TRUE(writeFiles(at("new"), {{"quote", "1"}, {"pcrs", "{}"}}));
  EXPECT_EQ(read("new/pcrs"), "{}");
  EXPECT_EQ(codeOf(writeFiles(at("new"), {{"quote", "2"}})), "E_EXISTS");
  EXPECT_EQ(read("new/quote"), "1");
  fs::create_directory(at("empty"));
  EXPECT_TRUE(writeFiles(at("empty"), {{"quote", "1"}}));
}

// The second of them is no name for a file: as on a disk that is full by then.
TEST_F(Written, ADirectoryThatCannotBeFilledIsLeftAsItWas) {
  EXPECT_FALSE(writeFiles(at("new"), {{"a", "1"}, {"b/c", "2"}}));
  EXPECT_FALSE(fs::exists(at("new")));
  fs::create_directory(at("empty"));
  EXPECT_FALSE(writeFiles(at("empty"), {{"a", "1"}, {"b/c", "2"}}));
  EXPECT_EQ(entries("empty"), 0);
}

TEST_F(Written, AFileIsWholeAndTakesNoNameThatIsTaken) {
  EXPECT_TRUE(writeNewFile(at("secret"), "1", IfThere::Refuse, kForOwner));
  EXPECT_EQ(fs::status(at("secret")).permissions(), fs::perms(0600));
  EXPECT_EQ(codeOf(writeNewFile(at("secret"), "2")), "E_EXISTS");
  fs::create_symlink("elsewhere", at("link"));
  EXPECT_EQ(codeOf(writeNewFile(at("link"), "2")), "E_EXISTS");
  EXPECT_TRUE(writeNewFile(at("secret"), "3", IfThere::Overwrite));
  EXPECT_EQ(read("secret"), "3");
  EXPECT_EQ(codeOf(writeEvidence({{std::string(300, 'x'), "1"}}, at("evidence"), IfThere::Refuse)),
            "E_ARCHIVE");
  EXPECT_EQ(entries(), 2) << "nothing half written";
}

TEST_F(Written, ErrorsNameTheFileThatTheUserNamed) {
  const auto written = writeNewFile(at("nowhere/file"), "1");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message(),
            "write " + at("nowhere/file") + ": No such file or directory");
}

}  // namespace
}  // namespace airlock::cli
