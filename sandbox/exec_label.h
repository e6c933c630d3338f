// SPDX-License-Identifier: Apache-2.0
// The SELinux label of the next program that a process executes.  For the time between clone and
// exec, where libselinux is no use: it allocates, and it opens "/proc" by name.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace airlock::sandbox {

// The root of the procfs at `path`: E_SELINUX when something else is mounted there.
Result<Fd> openProc(const char* path);

// A label, and the procfs to write it to: opened where the host's can be seen, used in a process
// that has left it.
class ExecLabel {
 public:
  // `label` must live longer; "" is none, and set() does nothing.
  static Result<ExecLabel> prepare(const std::string& label);
  bool set() const noexcept;  // async-signal-safe

 private:
  ExecLabel(Fd proc, const char* label) : proc_(std::move(proc)), label_(label) {}
  Fd proc_;
  const char* label_;
};

// Sets it for this process and reads it back; false with errno set.  `proc` must be the root of a
// procfs, and nothing below it another mount (CVE-2019-16884, CVE-2025-52881: a label that goes to
// a file of the image's making is no label).  async-signal-safe
bool setExecLabel(int proc, const char* label) noexcept;

// The label that process `pid` (a number in that procfs) has now.
Result<std::string> labelOf(FdRef proc, pid_t pid);

}  // namespace airlock::sandbox
