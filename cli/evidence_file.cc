// SPDX-License-Identifier: Apache-2.0
#include "cli/evidence_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <vector>

#include "base/log.h"
#include "base/path.h"
#include "base/syscall.h"
#include "cli/in_message.h"
#include "cli/ustar_writer.h"

namespace airlock::cli {

namespace {

using Write = std::function<Result<void>(FdRef file)>;

Result<void> takeName(const std::string& made, const std::string& path, IfThere ifThere) {
  const unsigned flags = ifThere == IfThere::Overwrite ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), flags) == 0) return {};
  // NFS knows no such rename.
  if (errno == EINVAL && ::link(made.c_str(), path.c_str()) == 0) {
    static_cast<void>(::unlink(made.c_str()));
    return {};
  }
  if (errno != EEXIST) return failErrno("rename");
  return refuse(ErrorKind::Invalid, "E_EXISTS", "it is there already",
                "remove it, or name another file");
}

Result<void> writeWhole(const std::string& path, IfThere ifThere, mode_t mode, const Write& write) {
  if (path == "-") return inMessage(write(FdRef(STDOUT_FILENO)), "standard output");
  // Beside it, so that no reader meets half of it.
  const std::string made = path + ".new-" + std::to_string(::getpid());
  const Fd file = TRY(sys::openPath(made, O_WRONLY | O_CREAT | O_EXCL, mode));
  auto written = write(file);
  if (written) written = sys::sync(file);
  if (written) written = takeName(made, path, ifThere);
  if (!written) static_cast<void>(::unlink(made.c_str()));
  return written;
}

// Errors are about the name that the user gave.
Result<void> about(const std::string& path, Result<void> written) {
  if (written || path == "-") return written;
  const Error& error = written.error();
  if (error.number() == 0) return inMessage(std::move(written), printable(path));
  return std::unexpected(Error::fromErrno(error.number(), "write " + printable(path)));
}

}  // namespace

Result<void> writeNewFile(const std::string& path, std::string_view content, IfThere ifThere,
                          mode_t mode) {
  return about(path, writeWhole(path, ifThere, mode,
                                [&](FdRef file) { return sys::writeAll(file, content); }));
}

Result<void> writeEvidence(const EvidenceFiles& evidence, const std::string& path,
                           IfThere ifThere) {
  return about(path, writeWhole(path, ifThere, kForAll, [&](FdRef file) -> Result<void> {
                 UstarWriter archive(file);
                 for (const auto& [name, content] : evidence) TRY(archive.add(name, content));
                 return archive.finish();
               }));
}

Result<void> writeFiles(const std::string& directory, const EvidenceFiles& files) {
  const bool made = ::mkdir(directory.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) return failErrno("make " + printable(directory));
  const Fd dir = TRY(sys::openPath(directory, O_RDONLY | O_DIRECTORY));
  if (!TRY(sys::list(dir)).empty()) {
    return refuse(ErrorKind::Invalid, "E_EXISTS", printable(directory) + " is not empty",
                  "name a new directory: old files must not pass for new ones");
  }
  std::vector<std::string> begun;
  const auto write = [&](const std::string& name, std::string_view content) -> Result<void> {
    const Component component = TRY(Component::parse(name));
    const Fd file = TRY(sys::openBeneath(dir, component, O_WRONLY | O_CREAT | O_EXCL, kForAll));
    begun.push_back(name);
    TRY(sys::writeAll(file, content));
    return sys::sync(file);
  };
  for (const auto& [name, content] : files) {
    auto written = write(name, content);
    if (written) continue;
    for (const std::string& each : begun) {
      static_cast<void>(::unlinkat(dir.get(), each.c_str(), 0));
    }
    if (made) static_cast<void>(::rmdir(directory.c_str()));
    return about(directory + "/" + name, std::move(written));
  }
  return {};
}

}  // namespace airlock::cli
