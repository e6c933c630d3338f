// SPDX-License-Identifier: Apache-2.0
// A record of a test's own.  For the tests of this folder.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "audit/log.h"
#include "audit/record.h"
#include "audit/segment.h"
#include "base/syscall.h"

namespace airlock::audit {

namespace fs = std::filesystem;

class RecordTest : public testing::Test {
 protected:
  RecordTest() {
    char name[] = "/tmp/airlock-audit-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~RecordTest() override { fs::remove_all(path_); }

  Fd top() const { return sys::openPath(path_, O_RDONLY | O_DIRECTORY).value(); }
  std::string segment(std::uint64_t first = 0) const {
    return path_ + "/audit/" + segmentName(first);
  }
  static Entry entry(const std::string& reason = "") {
    Entry made{.op = "stop", .who = Who{.uid = 7, .gid = 8, .pid = 9}};
    made.subject.text("app", reason);
    return made;
  }
  // Each as a request of its own.
  Written append(const Entry& what, Durable durable = Durable::Now) const {
    return Record::open(top()).value().append(what, durable).value();
  }
  std::string content(std::uint64_t first = 0) const {
    std::ostringstream text;
    text << std::ifstream(segment(first)).rdbuf();
    return text.str();
  }
  void write(const std::string& text) const { std::ofstream(segment()) << text; }
  // What the reader makes of it.
  Result<std::vector<Line>> read() const {
    std::vector<Line> lines;
    const Fd directory = sys::openPath(path_ + "/audit", O_RDONLY | O_DIRECTORY).value();
    const auto each = [&](const Line& line) -> Result<void> {
      lines.push_back(line);
      return {};
    };
    TRY(readRecord(directory, each));
    return lines;
  }
  std::string path_;
};

}  // namespace airlock::audit
