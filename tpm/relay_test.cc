// SPDX-License-Identifier: Apache-2.0
// Measuring through the relay, over a character device: a terminal whose other side is a real swtpm
// that answers, stops answering, or says something else.  What Linux' own device does with a TPM
// that hangs is tested in the guest (tests/guest/attest_tpm_test.cc).
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "base/syscall.h"
#include "tpm/test_tpm.h"
#include "tpm/transport.h"

namespace airlock::tpm {
namespace {

using ipc::MeasureMode;
using test::expectAgreement;
using test::podJob;
using test::replayIn;
using test::runMeasure;
using test::Swtpm;
using test::TemporaryDirectory;
using test::typesOf;
using testing::HasSubstr;

void expectCode(const Result<ipc::Measured>& result, std::string_view code) {
  ASSERT_FALSE(result) << "expected " << code;
  EXPECT_EQ(result.error().code(), code) << result.error().text();
}

// Passes commands to `tpm` while `answers` is above zero, then none.
class Device {
 public:
  Device(const Swtpm& tpm, int answers) : answers_(answers) {
    ours_ = Fd::own(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    EXPECT_EQ(::grantpt(ours_.get()), 0);
    EXPECT_EQ(::unlockpt(ours_.get()), 0);
    char name[64];
    EXPECT_EQ(::ptsname_r(ours_.get(), name, sizeof name), 0);
    theirs_ = sys::openPath(name, O_RDWR | O_NOCTTY).value();
    termios raw;
    EXPECT_EQ(::tcgetattr(theirs_.get(), &raw), 0);
    ::cfmakeraw(&raw);
    EXPECT_EQ(::tcsetattr(theirs_.get(), TCSANOW, &raw), 0);
    between_ = std::jthread([this, &tpm](const std::stop_token& stop) { pass(stop, tpm); });
  }
  Fd open() const { return sys::duplicate(theirs_).value(); }
  void end() {
    between_.request_stop();
    between_.join();
  }

 private:
  void pass(const std::stop_token& stop, const Swtpm& tpm) {
    const Fd socket = tpm.connect();
    std::array<std::uint8_t, kTpmBufferBytes> buffer;
    while (!stop.stop_requested()) {
      pollfd entry{.fd = ours_.get(), .events = POLLIN, .revents = 0};
      if (::poll(&entry, 1, 20) != 1 || (entry.revents & POLLIN) == 0) continue;
      const std::size_t command = sys::read(ours_, buffer).value();
      if (answers_-- <= 0) continue;
      ASSERT_TRUE(sys::writeAll(socket, std::span(buffer).first(command)));
      const std::size_t answer = sys::read(socket, buffer).value();
      ASSERT_TRUE(sys::writeAll(ours_, std::span(buffer).first(answer)));
    }
  }

  Fd ours_;
  Fd theirs_;
  int answers_;
  std::jthread between_;
};

constexpr int kAll = 1'000'000;

TEST(Relay, ADeviceIsMeasuredThrough) {
  const Swtpm tpm("sha256,sha384");
  const TemporaryDirectory directory;
  Device device(tpm, kAll);
  for (int i = 0; i < 3; ++i) {
    const auto measured = runMeasure(podJob(), directory.fd(), nullptr, {.device = device.open()});
    ASSERT_TRUE(measured) << measured.error().text();
    EXPECT_EQ(measured->anchor, "software");
  }
  device.end();
  EXPECT_EQ(expectAgreement(directory, tpm).records.size(), 7U);
}

class Hang : public testing::TestWithParam<int> {};

TEST_P(Hang, M02_IsRefusedAndNothingIsLost) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  {
    const Device device(tpm, GetParam());
    const auto refused = runMeasure(podJob(), directory.fd(), nullptr, {.device = device.open()});
    expectCode(refused, "E_TPM_TIMEOUT");
  }
  const auto measured = runMeasure(podJob(), directory.fd(), &tpm);
  ASSERT_TRUE(measured) << measured.error().text();
  expectAgreement(directory, tpm);
}

// Of the commands of a second start: which banks, the value, the extend, the value.
INSTANTIATE_TEST_SUITE_P(AtCommand, Hang, testing::Values(0, 1, 2, 3));

TEST(Relay, M02_AHangIsAReasonInLogModeAndPoisonsTheBoot) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(MeasureMode::Log), directory.fd(), &tpm));
  {
    const Device device(tpm, 2);
    const auto measured =
        runMeasure(podJob(MeasureMode::Log), directory.fd(), nullptr, {.device = device.open()});
    ASSERT_TRUE(measured) << measured.error().text();
    EXPECT_EQ(measured->anchor, "none");
  }
  EXPECT_EQ(std::ranges::count(typesOf(*replayIn(directory)), "pod"), 2);
  expectCode(runMeasure(podJob(), directory.fd(), &tpm), "E_TPM_POISONED");
}

TEST(Relay, M02_WhoWaitForTheirTurnBehindAHangAreRefusedToo) {
  const Swtpm tpm;
  const TemporaryDirectory directory;
  ASSERT_TRUE(runMeasure(podJob(), directory.fd(), &tpm));
  // Each answers once, which is before the lock.
  std::vector<std::unique_ptr<Swtpm>> tpms;
  std::vector<std::unique_ptr<Device>> devices;
  for (int i = 0; i < 4; ++i) {
    tpms.push_back(std::make_unique<Swtpm>());
    devices.push_back(std::make_unique<Device>(*tpms.back(), 1));
  }
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> starts;
    for (const auto& device : devices) {
      starts.emplace_back([&] {
        const auto result =
            runMeasure(podJob(), directory.fd(), nullptr, {.device = device->open()});
        if (!result && result.error().code() == "E_TPM_TIMEOUT") ++refused;
      });
    }
  }
  EXPECT_EQ(refused, 4);
}

TEST(Relay, M02_ADeviceThatGoesAwayIsRefused) {
  const TemporaryDirectory directory;
  Fd theirs;
  {
    const Fd ours = Fd::own(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_EQ(::unlockpt(ours.get()), 0);
    char name[64];
    ASSERT_EQ(::ptsname_r(ours.get(), name, sizeof name), 0);
    theirs = sys::openPath(name, O_RDWR | O_NOCTTY).value();
  }
  const auto refused = runMeasure(podJob(), directory.fd(), nullptr, {.device = std::move(theirs)});
  expectCode(refused, "E_TPM_IO");
  EXPECT_THAT(refused.error().text(), HasSubstr("Input/output error"));
  EXPECT_FALSE(directory.has("events.cel"));
}

}  // namespace
}  // namespace airlock::tpm
