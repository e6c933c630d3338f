// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/local_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/syscall.h"

namespace airlock::fetch {

Result<Fd> DirectoryFiles::open(const std::string& path) const {
  const BeneathPath name = TRY(BeneathPath::parse(path));
  // O_NONBLOCK: a FIFO would keep us waiting.
  auto file = sys::openBeneath(FdRef(directory_), name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!file) {
    const bool closed = file.error().number() == EACCES;
    Error error = Error(file.error()).in("the layout's " + quoted(path));
    if (closed) {
      return fail(
          std::move(error).withHint("let the user airlock-fetch read it, or name an oci-archive"));
    }
    return fail(std::move(error));
  }
  if (!S_ISREG(TRY(sys::status(*file)).st_mode))
    return refuse(ErrorKind::Invalid, "E_PATH", quoted(path) + " is no regular file");
  return file;
}

Result<std::string> DirectoryFiles::read(const std::string& path, std::size_t most) {
  const Fd file = TRY(open(path));
  return inContext(sys::readAll(file, most), "the layout's " + quoted(path));
}

Result<void> DirectoryFiles::stream(std::span<const FileWish> wishes) {
  std::vector<std::uint8_t> buffer(limits::kInflateBuffer);
  for (const FileWish& wish : wishes) {
    const Fd file = TRY(open(wish.path));
    for (;;) {
      const std::size_t got = TRY(sys::read(file, buffer));
      if (got == 0) break;
      TRY(wish.take({reinterpret_cast<const char*>(buffer.data()), got}));
    }
    TRY(wish.finish());
  }
  return {};
}

}  // namespace airlock::fetch
