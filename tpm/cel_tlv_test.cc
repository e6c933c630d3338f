// SPDX-License-Identifier: Apache-2.0
// The log in CEL-TLV, there and back.
#include "tpm/cel_tlv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tpm/event.h"
#include "tpm/test_tpm.h"

namespace airlock::tpm {
namespace {

using std::string_literals::operator""s;

std::vector<Record> goodRecords() {
  const Banks banks{{kSha256, Bytes(32)}, {kSha384, Bytes(48)}};
  const ipc::MeasureJob job = test::podJob();
  std::vector<Record> records;
  for (const Event& event :
       {engineEvent(job.engine, {}), policyEvent(job.engine), trustEvent(job.engine),
        imageEvent(job.images[0]), jobEvent(*job.event)}) {
    records.push_back({records.size(), 15, digests(banks, preimage(event)), event});
  }
  return records;
}

std::string encoded(const std::vector<Record>& records) {
  std::string bytes;
  for (const Record& record : records) bytes += encodeTlv(record);
  return bytes;
}

TEST(CelTlv, ALogIsTheSameThereAndBack) {
  const std::vector<Record> records = goodRecords();
  const auto again = parseTlv(encoded(records));
  ASSERT_TRUE(again) << again.error().text();
  ASSERT_EQ(again->size(), records.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(encodeRecord((*again)[i]), encodeRecord(records[i]));
  }
}

TEST(CelTlv, AFieldIsItsTypeItsLengthAndItsValue) {
  const std::string bytes = encodeTlv(goodRecords()[2]);
  EXPECT_TRUE(
      bytes.starts_with("\0\0\0\0\x08\0\0\0\0\0\0\0\x02"s   // RECNUM 2
                        "\x01\0\0\0\x01\x0f"s               // PCR 15
                        "\x03\0\0\0\x5a\x0b\0\0\0\x20"s));  // DIGESTS, SHA-256
}

TEST(CelTlv, WhatIsNotAsWeWriteItIsRefused) {
  const std::string good = encoded(goodRecords());
  for (std::size_t size = 1; size < good.size(); size += 13) {
    if (const auto cut = parseTlv(std::string_view(good).substr(0, size))) {
      EXPECT_LT(cut->size(), goodRecords().size());
    }
  }
  EXPECT_FALSE(parseTlv(good + '\0'));
  std::string edited = good;
  edited[good.find("example.com")] = 'E';
  EXPECT_FALSE(parseTlv(edited));
}

}  // namespace
}  // namespace airlock::tpm
