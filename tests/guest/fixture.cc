// SPDX-License-Identifier: Apache-2.0
// Makes, on the machine that boots the guest and at its speed, what every group starts with:
//   GUEST_FIXTURE=DIRECTORY guest_fixture      a signer (gnupg/, key.asc), its busybox.aci and
//   busybox.aci.asc, and probe.aci, busybox and the program that tests run in pods
// A test program, since what it is made with reports to one.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/images.h"

TEST(Fixture, IsMade) {
  using namespace airlock::test;  // NOLINT: a program's main file
  const std::string directory = std::getenv("GUEST_FIXTURE");
  const Signer signer;
  writeFile(directory + "/key.asc", signer.publicKey());
  signer.sign(makeImage(directory + "/busybox.aci"));
  signer.sign(
      makeImage(directory + "/probe.aci",
                {.name = "example.test/tools/probe",
                 .version = "1",
                 .prepare = "cp " AIRLOCK_BINARY_DIR "/tests/stage1_probe rootfs/bin/probe"}));
  must("GNUPGHOME=" + signer.home() + " gpgconf --kill all; cp -a " + signer.home() + " " +
       directory + "/gnupg");
}
