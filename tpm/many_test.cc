// SPDX-License-Identifier: Apache-2.0
// Many processes of airlock-measure, at once and one behind the other, against one swtpm.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <thread>

#include "tpm/test_tpm.h"

namespace airlock::tpm {
namespace {

using ipc::MeasureJob;
using test::expectAgreement;
using test::podJob;
using test::runMeasure;
using test::Swtpm;
using test::TemporaryDirectory;

TEST(Measure, EightProcessesAtOnceLoseAndReorderNothing) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  std::vector<std::vector<std::string>> pods(8);
  {
    std::vector<std::jthread> threads;
    for (std::vector<std::string>& mine : pods) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) {
          const MeasureJob job = podJob();
          const auto measured = runMeasure(job, directory.fd(), &tpm);
          EXPECT_TRUE(measured) << measured.error().text();
          mine.push_back(test::podOf(job));
        }
      });
    }
  }
  const Replay replay = expectAgreement(directory, tpm);
  EXPECT_EQ(replay.records.size(), 4U + 40U);
  std::map<std::string, std::size_t> at;
  for (const Record& record : replay.records) {
    if (record.event.type == "pod") at[textField(record.event, "pod")] = record.number;
  }
  EXPECT_EQ(at.size(), 40U);
  for (const auto& mine : pods) {
    for (std::size_t i = 1; i < mine.size(); ++i) EXPECT_LT(at[mine[i - 1]], at[mine[i]]);
  }
}

TEST(Measure, AThousandEventsReplayToTheRegister) {
  const Swtpm tpm("sha256,sha384");
  const TemporaryDirectory directory;
  MeasureJob job = podJob();
  const ipc::ImageFacts image = job.images[0];
  job.images.clear();
  for (int round = 0; round < 63; ++round) {
    job.images.clear();
    for (int i = 0; i < 15; ++i) {
      ipc::ImageFacts one = image;
      one.origin = std::to_string(round) + "/" + std::to_string(i);
      job.images.push_back(one);
    }
    const auto measured = runMeasure(job, directory.fd(), &tpm);
    ASSERT_TRUE(measured) << measured.error().text();
  }
  EXPECT_EQ(expectAgreement(directory, tpm).records.size(), 3U + 63U * 16U);
}

// The program that calls it a thousand times, and says what a start costs; not asserted, since it
// is the machine's.
TEST(Measure, AThousandStartsAreAllInTheLogInTheirOrder) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kStarts = 1000;
  const Swtpm tpm("sha256,sha384");
  const TemporaryDirectory directory;
  std::vector<std::string> pods;
  std::vector<double> costs;  // milliseconds
  for (std::size_t i = 0; i < kStarts; ++i) {
    const MeasureJob job = podJob();
    const auto began = Clock::now();
    const auto measured = runMeasure(job, directory.fd(), &tpm);
    costs.push_back(std::chrono::duration<double, std::milli>(Clock::now() - began).count());
    ASSERT_TRUE(measured) << measured.error().text();
    pods.push_back(test::podOf(job));
  }
  const Replay replay = expectAgreement(directory, tpm);
  std::vector<std::string> recorded;
  for (const Record& record : replay.records) {
    if (record.event.type == "pod") recorded.push_back(textField(record.event, "pod"));
  }
  EXPECT_EQ(recorded, pods);
  std::ranges::sort(costs);
  std::cout << "a start costs " << costs[kStarts / 2] << " ms to measure (median of " << kStarts
            << ", process and two banks), 99% less than " << costs[kStarts * 99 / 100] << " ms\n";
  RecordProperty("medianMicroseconds", static_cast<int>(costs[kStarts / 2] * 1000));
}

}  // namespace
}  // namespace airlock::tpm
