// SPDX-License-Identifier: Apache-2.0
// What airlock-attest cannot do, tried from inside its confinement by attest_probe.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "base/process.h"
#include "base/syscall.h"

namespace airlock::attest {
namespace {

ExitStatus outcome(const std::string& attempt) {
  const Fd program = sys::openPath(AIRLOCK_BINARY_DIR "/tests/attest_probe", O_PATH).value();
  const Fd open = sys::openPath("/etc/passwd", O_RDONLY).value();
  Child child = spawn({.executable = program,
                       .arguments = {"attest_probe", attempt},
                       .descriptors = {{open, 9}}})
                    .value();
  return child.wait().value();
}

TEST(AttestConfinement, CanComputeAndNothingElse) {
  EXPECT_TRUE(outcome("compute").clean()) << outcome("compute").text();
  for (const char* attempt :
       {"open-passwd", "open-tpm", "create-file", "socket-inet", "socket-unix", "exec-shell",
        "fork", "ptrace-parent", "kill-parent", "unshare", "writable-code"}) {
    EXPECT_EQ(outcome(attempt).signal, SIGSYS) << attempt << ": " << outcome(attempt).text();
  }
}

TEST(AttestConfinement, KeepsNoDescriptorThatItWasNotGiven) {
  EXPECT_EQ(outcome("use-left-open").code, EBADF);
}

}  // namespace
}  // namespace airlock::attest
