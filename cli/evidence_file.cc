// SPDX-License-Identifier: Apache-2.0
#include "cli/evidence_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/ustar_writer.h"

namespace airlock::cli {

namespace {

using Write = std::function<Result<void>(FdRef file)>;

Result<void> writeWhole(const std::string& path, bool overwrite, const Write& write) {
  if (path == "-") return write(FdRef(STDOUT_FILENO));
  const std::string made = path + ".new-" + std::to_string(::getpid());
  const Fd file = TRY(sys::openPath(made, O_WRONLY | O_CREAT | O_EXCL, 0644));
  auto written = write(file);
  if (written) written = sys::sync(file);
  const int flags = overwrite ? 0 : RENAME_NOREPLACE;
  if (written && ::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
    written = errno == EEXIST ? Result<void>(refuse(ErrorKind::Invalid, "E_EXISTS",
                                                    airlock::quoted(path) + " is there already",
                                                    "Replace it with --overwrite"))
                              : Result<void>(failErrno("write " + path));
  }
  if (!written) ::unlink(made.c_str());
  return written;
}

}  // namespace

Result<void> writeNewFile(const std::string& path, std::string_view content, bool overwrite) {
  return writeWhole(path, overwrite, [&](FdRef file) { return sys::writeAll(file, content); });
}

Result<void> writeEvidence(const EvidenceFiles& evidence, const std::string& path, bool overwrite) {
  return writeWhole(path, overwrite, [&](FdRef file) -> Result<void> {
    UstarWriter archive(file);
    for (const auto& [name, content] : evidence) TRY(archive.add(name, content));
    return archive.finish();
  });
}

}  // namespace airlock::cli
