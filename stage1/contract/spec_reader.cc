// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/spec_reader.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "base/limits.h"
#include "base/sealed.h"

namespace airlock::stage1 {

namespace {

Result<void> requireOpen(int fd) {
  const int flags = ::fcntl(fd, F_GETFD);
  if (flags >= 0 && ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0) return {};
  return refuse(ErrorKind::Invalid, "E_FD",
                "descriptor " + std::to_string(fd) + " of the stage1 contract is missing",
                "stage1 programs are started by airlock-helper, not by hand");
}

Result<void> closeFrom(int first) {
  if (::syscall(SYS_close_range, first, ~0U, 0) != 0) return failErrno("close_range");
  return {};
}

}  // namespace

Result<ipc::PodSpec> takePodSpec() {
  TRY(requireOpen(ipc::kSpecFd));
  const Sealed sealed = TRY(Sealed::check(Fd::own(ipc::kSpecFd), limits::kSealedBytes));
  return ipc::decodePodSpec(TRY(sealed.read()));
}

Result<ipc::EnterSpec> takeEnterSpec() {
  TRY(requireOpen(ipc::kLockFd));
  const Sealed sealed = TRY(Sealed::check(Fd::own(ipc::kLockFd), limits::kSealedBytes));
  return ipc::decodeEnterSpec(TRY(sealed.read()));
}

Result<void> checkRunDescriptors(const ipc::PodSpec& spec) {
  for (const int fd : {ipc::kLeashFd, ipc::kStatusDirFd, ipc::kLockFd}) TRY(requireOpen(fd));
  const int end = ipc::Stage1Descriptors{spec}.end();
  for (int fd = ipc::kStdinFd; fd < end; ++fd) TRY(requireOpen(fd));
  return closeFrom(end);
}

Result<void> checkEnterDescriptors() {
  TRY(requireOpen(ipc::kLeashFd));
  for (int fd = ipc::kStdinFd; fd <= ipc::kStderrFd; ++fd) TRY(requireOpen(fd));
  return closeFrom(ipc::kStderrFd + 1);
}

Result<std::string> readFilterBytes(Fd file) {
  constexpr std::size_t limit = std::size_t{BPF_MAXINSNS} * sizeof(sock_filter);
  return TRY(Sealed::check(std::move(file), limit)).read();
}

Result<std::vector<sock_filter>> parseFilter(std::string_view bytes) {
  if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0 ||
      bytes.size() / sizeof(sock_filter) > BPF_MAXINSNS) {
    return refuse(ErrorKind::Invalid, "E_FILTER", "a seccomp program must be whole instructions");
  }
  std::vector<sock_filter> filter(bytes.size() / sizeof(sock_filter));
  std::memcpy(filter.data(), bytes.data(), bytes.size());
  return filter;
}

}  // namespace airlock::stage1
