// SPDX-License-Identifier: Apache-2.0
#include "base/sealed.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/syscall.h"

namespace airlock {

namespace {
constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
}

Result<Sealed> Sealed::make(const char* debugName, std::string_view content) {
  Fd fd = Fd::own(::memfd_create(debugName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return failErrno("memfd_create");
  TRY(sys::writeAll(fd, content));
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return failErrno("seal a memfd");
  return Sealed(std::move(fd), content.size());
}

Result<Sealed> Sealed::check(Fd fd, std::size_t limit) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return refuse(ErrorKind::Invalid, "E_FD", "descriptor is not a sealed memfd");
  }
  const auto size = static_cast<std::size_t>(TRY(sys::status(fd)).st_size);
  if (size > limit) return refuse(ErrorKind::Invalid, "E_LIMIT", "sealed memfd is too large");
  return Sealed(std::move(fd), size);
}

Result<std::string> Sealed::read() const { return sys::readAll(fd_, size_); }

}  // namespace airlock
