// SPDX-License-Identifier: Apache-2.0
#include "image/quantity.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace airlock::image {
namespace {

struct Row {
  const char* text;
  std::int64_t units;
  const char* canonical;
};

TEST(Quantity, IsReadAndWrittenAsKubernetesDoes) {
  for (const Row& row : std::initializer_list<Row>{{"0", 0, "0"},
                                                   {"16M", 16'000'000, "16M"},
                                                   {"1.5Gi", 1536LL << 20, "1536Mi"},
                                                   {"1.5", 2, "1500m"},
                                                   {"250m", 1, "250m"},
                                                   {"1000m", 1, "1"},
                                                   {"1n", 1, "1m"},
                                                   {"0.0001", 1, "1m"},
                                                   {"1e3", 1000, "1e3"},
                                                   {"12e2", 1200, "1200"},
                                                   {"5E", 5'000'000'000'000'000'000, "5E"},
                                                   {"5E2", 500, "500"},
                                                   {"1Ki", 1024, "1Ki"},
                                                   {"0.5Ki", 512, "512"},
                                                   {"1000Ki", 1024000, "1000Ki"},
                                                   {"2Ei", 2LL << 60, "2Ei"},
                                                   {"-1.5k", -1500, "-1500"},
                                                   {"+4", 4, "4"},
                                                   {"00010", 10, "10"},
                                                   {"1.e3", 1000, "1e3"},
                                                   {".5", 1, "500m"},
                                                   {"1e-3", 1, "1e-3"},
                                                   {"1e22", INT64_MAX, nullptr},
                                                   {"9223372036854775807", INT64_MAX, nullptr},
                                                   {"9223372036854775808", INT64_MAX, nullptr},
                                                   {"100Ei", INT64_MAX, nullptr},
                                                   {"-100E", -INT64_MAX, nullptr},
                                                   {"1e100", INT64_MAX, nullptr},
                                                   {"1e-100", 1, "1e-3"}}) {
    const auto quantity = Quantity::parse(row.text);
    ASSERT_TRUE(quantity) << row.text;
    EXPECT_EQ(quantity->units(), row.units) << row.text;
    if (row.canonical != nullptr) {
      EXPECT_EQ(quantity->text(), row.canonical) << row.text;
    }
    const auto again = Quantity::parse(quantity->text());
    ASSERT_TRUE(again) << quantity->text();
    EXPECT_EQ(again->text(), quantity->text());
    EXPECT_EQ(again->units(), quantity->units());
    EXPECT_EQ(again->thousandths(), quantity->thousandths());
  }
}

TEST(Quantity, OtherTextsAreRefused) {
  for (const char* bad :
       {"",      "M",  "+",  "1 M",   "1MB",   "1KB",  "1K",  "0x10",  "1..2",
        "1.2.3", ".",  "1e", "1e999", "1e+-3", "1Mi1", "--1", "1e1.5", "12345678901234567890123",
        "1,5",   "NaN"}) {
    EXPECT_FALSE(Quantity::parse(bad)) << bad;
  }
  EXPECT_FALSE(Quantity::parse(std::string(1000, '0')));
}

TEST(Quantity, ThousandthsSaturate) {
  EXPECT_EQ(Quantity::parse("250m")->thousandths(), 250);
  EXPECT_EQ(Quantity::parse("2")->thousandths(), 2000);
  EXPECT_EQ(Quantity::parse("8E")->thousandths(), INT64_MAX);
  EXPECT_EQ(Quantity::ofUnits(16 << 20, Quantity::Family::Binary).text(), "16Mi");
}

}  // namespace
}  // namespace airlock::image
