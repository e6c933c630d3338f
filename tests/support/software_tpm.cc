// SPDX-License-Identifier: Apache-2.0
#include "tests/support/software_tpm.h"

#include <fcntl.h>
#include <signal.h>

#include <stdexcept>

#include "base/syscall.h"

namespace airlock::test {

SoftwareTpm::SoftwareTpm() : socket_(state_ / "socket") {
  const Fd program = sys::openPath("/usr/bin/swtpm", O_RDONLY).value();
  process_ = spawn({.executable = program,
                    .arguments = {"swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + state_.path(),
                                  "--server", "type=unixio,path=" + socket_, "--flags",
                                  "not-need-init,startup-clear"},
                    .environment = {"PATH=/usr/bin:/bin"},
                    .descriptors = {},
                    .identity = {},
                    .limits = {},
                    .noNewPrivileges = true,
                    .dieWithParent = true})
                 .value();
  if (!eventually([&] { return exists(socket_); }))
    throw std::runtime_error("swtpm does not start");
}

SoftwareTpm::~SoftwareTpm() { stop(); }

std::string SoftwareTpm::policyLine(const std::string& mode) const {
  return "measure mode=" + mode + " pcr=15 software-tpm=" + socket_ + "\n";
}

void SoftwareTpm::stop() { process_.reset(); }

}  // namespace airlock::test
