// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/status_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/syscall.h"

namespace airlock::stage1 {

Result<void> writeStatus(FdRef statusDir, const AppName& app, int code, bool oomKilled) {
  const std::string temporary =
      "." + app.text().substr(0, 200);  // an app's name never begins with a dot
  static_cast<void>(::unlinkat(statusDir.get(), temporary.c_str(), 0));
  Fd file = Fd::own(::openat(statusDir.get(), temporary.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.valid()) return failErrno("status of " + app.text());
  if (::fchmod(file.get(), 0644) != 0) return failErrno("status of " + app.text());
  TRY(sys::writeAll(file, std::to_string(code) + (oomKilled ? " oom-killed\n" : "\n")));
  if (::renameat(statusDir.get(), temporary.c_str(), statusDir.get(), app.text().c_str()) != 0) {
    return failErrno("status of " + app.text());
  }
  return {};
}

Result<void> markReady(FdRef statusDir) {
  // No app's name begins with a dot.
  Fd file = Fd::own(::openat(statusDir.get(), ".ready",
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.valid()) return failErrno("mark the pod as ready");
  return {};
}

}  // namespace airlock::stage1
