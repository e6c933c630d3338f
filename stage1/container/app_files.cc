// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/app_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
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

// In the place of what the image has, link or file.
Result<void> replaceFile(FdRef directory, const char* name, const std::string& content) {
  if (::unlinkat(directory.get(), name, 0) != 0 && errno != ENOENT)
    return failErrno(std::string("replace /etc/") + name);
  Fd file = Fd::own(::openat(directory.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file.valid()) return failErrno(std::string("make /etc/") + name);
  return sys::writeAll(file, content);
}

// `usual` is what we make of our own; nullopt: nothing.
Result<void> makeGivenFile(FdRef etc, const char* name, const ipc::GivenFile& file,
                           const std::optional<std::string>& usual) {
  switch (file.rule) {
    case ipc::GivenFile::Rule::Usual:
      return usual ? makeMissingFile(etc, name, *usual) : Result<void>();
    case ipc::GivenFile::Rule::None:
      return {};
    case ipc::GivenFile::Rule::Add:
      return replaceFile(etc, name, usual.value_or("") + file.content);
    case ipc::GivenFile::Rule::Replace:
      return replaceFile(etc, name, file.content);
  }
  return {};
}

}  // namespace

std::optional<std::string> readHostFile(const std::string& path) {
  auto file = sys::openPath(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return std::nullopt;
  auto content = sys::readAll(*file, limits::kHeaderBytes);
  return content ? std::optional(*std::move(content)) : std::nullopt;
}

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
  // With the host's network come the names that the host knows, and the servers that it asks.
  const bool hostNetwork = spec.network == ipc::Network::Host;
  std::string hosts = "127.0.0.1\tlocalhost " + host + "\n::1\tlocalhost ip6-localhost\n";
  if (hostNetwork) hosts += readHostFile("/etc/hosts").value_or("");
  TRY(makeGivenFile(*etc, "hosts", spec.hosts, hosts));
  return makeGivenFile(*etc, "resolv.conf", spec.resolvConf,
                       hostNetwork ? readHostFile("/etc/resolv.conf") : std::nullopt);
}

}  // namespace airlock::stage1
