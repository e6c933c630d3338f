// SPDX-License-Identifier: Apache-2.0
#include "cli/journal_reader.h"

#include <gtest/gtest.h>

namespace airlock::cli {
namespace {

constexpr char kEntry[] =
    R"({"__CURSOR":"s=1;i=2","_UID":"720000","MESSAGE":"hello","__REALTIME_TIMESTAMP":)"
    R"("1795893791717943","_PID":"25167","SYSLOG_IDENTIFIER":"web"})";

TEST(JournalEntry, IsWhatAStreamHasSaid) {
  const auto entry = parseJournalEntry(kEntry);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->cursor, "s=1;i=2");
  EXPECT_EQ(entry->identifier, "web");
  EXPECT_EQ(entry->uid, 720000U);
  EXPECT_EQ(entry->pid, 25167);
  EXPECT_EQ(entry->line.time, 1795893791717943000);
  EXPECT_EQ(entry->line.text, "hello");
}

TEST(JournalEntry, BytesThatAreNoTextAreKept) {
  std::string json = kEntry;
  json.replace(json.find("\"hello\""), 7, "[98,97,100,32,255,1]");
  EXPECT_EQ(parseJournalEntry(json)->line.text, "bad \xff\x01");
}

TEST(JournalEntry, WhatIsNoneIsLeftOut) {
  for (const auto& [from, to] : {std::pair("\"hello\"", "null"),
                                 {"\"hello\"", "[256]"},
                                 {"\"hello\"", "[-1]"},
                                 {"\"720000\"", "\"-1\""},
                                 {"\"720000\"", "\"99999999999\""},
                                 {"\"720000\"", "720000"},
                                 {"\"1795893791717943\"", "\"-5\""},
                                 {"\"1795893791717943\"", "\"9223372036854775807\""},
                                 {"\"_PID\"", "\"other\""},
                                 {"{", "["}}) {
    std::string json = kEntry;
    json.replace(json.find(from), std::string_view(from).size(), to);
    EXPECT_FALSE(parseJournalEntry(json)) << json;
  }
  EXPECT_FALSE(parseJournalEntry(""));
  EXPECT_FALSE(parseJournalEntry("-- No entries --"));
}

}  // namespace
}  // namespace airlock::cli
