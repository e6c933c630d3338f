// SPDX-License-Identifier: Apache-2.0
// A machine whose firmware measures (UEFI): its log goes out with the quote, and is checked outside
// (after-attest_uefi).
#include <gmock/gmock.h>

#include "tests/guest/support.h"

namespace airlock::test {
namespace {

using testing::HasSubstr;

class AttestationWithUefi : public Guest {};

TEST_F(AttestationWithUefi, TheFirmwaresLogGoesOutWithTheQuote) {
  ASSERT_TRUE(exists("/sys/firmware/efi"));
  done(Who::Root, "airlock attest init");
  done(Who::Root, std::string("airlock run ") + kGuestImage + " --exec=/bin/busybox -- true");
  done(Who::Root, "airlock attest enroll -o /run/results/enrolled");
  done(Who::Root,
       "airlock attest quote --nonce=000102030405060708090a0b0c0d0e0f10111213 -o "
       "/run/results/evidence; echo 000102030405060708090a0b0c0d0e0f10111213 >/run/results/nonce");
  EXPECT_GT(std::stol(done(Who::Root, "stat -c %s /run/results/evidence/firmware.log")), 1000);
  EXPECT_THAT(done(Who::Root, "airlock tpm log"), HasSubstr("the log replays"));
}

}  // namespace
}  // namespace airlock::test
