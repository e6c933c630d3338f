// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/app_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/limits.h"
#include "base/syscall.h"
#include "stage1/container/host_name.h"

namespace airlock::stage1 {

namespace {

bool meansLeaveIt(int number) { return number == EEXIST || number == EROFS; }

Result<void> makeMissingDirectory(FdRef root, const char* name, mode_t mode) {
  if (::mkdirat(root.get(), name, mode) == 0 || meansLeaveIt(errno)) return {};
  return failErrno(std::string("make /") + name);
}

Result<void> makeMissingFile(FdRef directory, const char* name, const std::string& content) {
  // O_EXCL: a link, even one that leads nowhere, counts as there.  (open(2))
  Fd file = Fd::own(::openat(directory.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.valid()) return sys::writeAll(file, content);
  if (meansLeaveIt(errno)) return {};
  return failErrno(std::string("make /etc/") + name);
}

}  // namespace

Result<void> makeAppFiles(FdRef appRoot, const ipc::PodSpec& spec) {
  TRY(makeMissingDirectory(appRoot, "tmp", 01777));
  TRY(makeMissingDirectory(appRoot, "run", 0755));
  TRY(makeMissingDirectory(appRoot, "etc", 0755));

  // Links on the way to /etc stay inside the image; something that is no directory is the image's
  // own business.
  auto etc = sys::openInRoot(appRoot, "/etc", O_PATH | O_DIRECTORY);
  if (!etc) return {};
  const std::string host = hostNameOf(spec);
  TRY(makeMissingFile(*etc, "hostname", host + "\n"));
  TRY(makeMissingFile(*etc, "hosts",
                      "127.0.0.1\tlocalhost " + host + "\n::1\tlocalhost ip6-localhost\n"));
  if (spec.network != ipc::Network::Host) return {};

  // The pod asks the same name servers as the host, whose network it has.
  auto hostFile = sys::openPath("/etc/resolv.conf", O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!hostFile) return {};
  auto content = sys::readAll(*hostFile, limits::kHeaderBytes);
  if (!content) return {};
  return makeMissingFile(*etc, "resolv.conf", *content);
}

}  // namespace airlock::stage1
