// SPDX-License-Identifier: Apache-2.0
#include "cli/go_format.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "cli/progress.h"

namespace airlock::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;

TEST(Tabulate, SeparatesColumnsAsRktsImageListDoes) {
  EXPECT_EQ(
      tabulate({{"ID", "NAME", "SIZE", "IMPORT TIME", "LAST USED"},
                {"sha512-2a9f83494079", "example.com/busybox:1.35.0", "4.0MiB", "now", "now"}}),
      "ID\t\t\tNAME\t\t\t\tSIZE\tIMPORT TIME\tLAST USED\n"
      "sha512-2a9f83494079\texample.com/busybox:1.35.0\t4.0MiB\tnow\t\tnow\n");
}
TEST(Tabulate, SeparatesColumnsAsRktsListDoes) {
  EXPECT_EQ(
      tabulate({{"UUID", "APP", "IMAGE NAME", "STATE", "CREATED", "STARTED", "NETWORKS"},
                {"11636d62", "busybox", "example.com/busybox:1.35.0", "exited", "now", "now", ""}}),
      "UUID\t\tAPP\tIMAGE NAME\t\t\tSTATE\tCREATED\tSTARTED\tNETWORKS\n"
      "11636d62\tbusybox\texample.com/busybox:1.35.0\texited\tnow\tnow\t\n");
}
TEST(Tabulate, KeepsEmptyCells) { EXPECT_EQ(tabulate({{"a", "b"}, {"", "c"}}), "a\tb\n\tc\n"); }
TEST(Tabulate, CountsCharactersNotBytes) {
  EXPECT_EQ(tabulate({{"äöüäöüä", "b"}, {"1234567", "c"}}), "äöüäöüä\tb\n1234567\tc\n");
}
TEST(Tabulate, StartsAColumnAnewAfterARowWithoutIt) {
  EXPECT_EQ(tabulate({{"a", "b"}, {"x"}, {"123456789", "c"}}), "a\tb\nx\n123456789\tc\n");
}

TEST(HumanizeTime, SpeaksAsGoHumanize) {
  const std::int64_t now = 1'800'000'000 * kSecond;
  const auto ago = [&](std::int64_t seconds) { return humanizeTime(now - seconds * kSecond, now); };
  EXPECT_EQ(ago(0), "now");
  EXPECT_EQ(ago(1), "1 second ago");
  EXPECT_EQ(ago(41), "41 seconds ago");
  EXPECT_EQ(ago(60), "1 minute ago");
  EXPECT_EQ(ago(120), "2 minutes ago");
  EXPECT_EQ(ago(3600), "1 hour ago");
  EXPECT_EQ(ago(5 * 3600), "5 hours ago");
  EXPECT_EQ(ago(86400), "1 day ago");
  EXPECT_EQ(ago(6 * 86400), "6 days ago");
  EXPECT_EQ(ago(7 * 86400), "1 week ago");
  EXPECT_EQ(ago(20 * 86400), "2 weeks ago");
  EXPECT_EQ(ago(40 * 86400), "1 month ago");
  EXPECT_EQ(ago(400 * 86400), "1 year ago");
  EXPECT_EQ(ago(40LL * 360 * 86400), "a long while ago");
  EXPECT_EQ(ago(-120), "2 minutes from now");
}

TEST(GoTime, HasMillisecondsWithoutTheirZeros) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  EXPECT_EQ(goTime(1'453'739'552'563'000'000), "2016-01-25 16:32:32.563 +0000 UTC");
  EXPECT_EQ(goTime(1'453'739'552'500'000'000), "2016-01-25 16:32:32.5 +0000 UTC");
  EXPECT_EQ(goTime(1'453'739'552'000'000'000), "2016-01-25 16:32:32 +0000 UTC");
}

TEST(HumanizeBytes, HasOneDigitBelowTen) {
  EXPECT_EQ(humanizeBytes(4'149'799), "4.0MiB");
  EXPECT_EQ(humanizeBytes(12 * 1024 * 1024), "12MiB");
  EXPECT_EQ(humanizeBytes(9), "9B");
  EXPECT_EQ(humanizeBytes(1023), "1023B");
  EXPECT_EQ(humanizeBytes(1024), "1.0KiB");
}
TEST(DecimalBytes, HasThreeDigits) {
  EXPECT_EQ(decimalBytes(473), "473 B");
  EXPECT_EQ(decimalBytes(2'650'000), "2.65 MB");
  EXPECT_EQ(decimalBytes(676'000), "676 KB");
  EXPECT_EQ(decimalBytes(0), "0 B");
}

TEST(GoDuration, PrintsAsGo) {
  EXPECT_EQ(goDuration(0), "0s");
  EXPECT_EQ(goDuration(kHour / 2), "30m0s");
  EXPECT_EQ(goDuration(24 * kHour), "24h0m0s");
  EXPECT_EQ(goDuration(3 * kSecond / 2), "1.5s");
  EXPECT_EQ(goDuration(2'000'000), "2ms");
  EXPECT_EQ(goDuration(1'500), "1.5µs");
  EXPECT_EQ(goDuration(-kSecond), "-1s");
}
TEST(GoDuration, ParsesAsGo) {
  EXPECT_EQ(parseGoDuration("30m").value(), kHour / 2);
  EXPECT_EQ(parseGoDuration("1h30m").value(), kHour + kHour / 2);
  EXPECT_EQ(parseGoDuration("1.5h").value(), kHour + kHour / 2);
  EXPECT_EQ(parseGoDuration("24h").value(), 24 * kHour);
  EXPECT_EQ(parseGoDuration("0").value(), 0);
  EXPECT_EQ(parseGoDuration("100ms").value(), 100'000'000);
  EXPECT_EQ(parseGoDuration("-1s").value(), -kSecond);
  for (const char* bad : {"", "30", "m", "1x", "1..2s", ".s", "h1", "-", "99999999999999999999h"}) {
    EXPECT_FALSE(parseGoDuration(bad).has_value()) << bad;
  }
}

TEST(ProgressBar, FillsEightyColumnsLessTheFigures) {
  EXPECT_EQ(progressBar("Downloading signature", 473, 473),
            "Downloading signature: [" + std::string(39, '=') + "] 473 B/473 B");
  EXPECT_EQ(progressBar("Downloading ACI", 0, 100).find('='), std::string::npos);
  EXPECT_EQ(progressBar("Downloading ACI", 1000, 0),
            "Downloading ACI: 1 KB of an unknown total size");
}
TEST(ProgressBar, CannotBeMadeToOverflow) {
  EXPECT_EQ(progressBar("a", 200, 100), "a: [" + std::string(59, '=') + "] 200 B/100 B");
  EXPECT_FALSE(progressBar(std::string(500, 'x'), 1, 2).empty());
  EXPECT_EQ(progressBar("\033[2J", 1, 0), "\\x1b[2J: 1 B of an unknown total size");
}
TEST(ProgressLine, HasTwoSpacesWhereTheBarWas) {
  EXPECT_EQ(progressLine("Downloading ACI", 2'650'000, 2'650'000),
            "Downloading ACI:  2.65 MB/2.65 MB");
}

}  // namespace
}  // namespace airlock::cli
