// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/job_descriptors.h"

#include <fcntl.h>

#include <array>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::fetch {
namespace {

// Where distributions keep the certificates that they trust: Debian, Fedora, SUSE, Alpine.
constexpr std::array<const char*, 4> kSystemBundles{"/etc/ssl/certs/ca-certificates.crt",
                                                    "/etc/pki/tls/certs/ca-bundle.crt",
                                                    "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

Result<std::string> readBundle(FdRef file) {
  return inContext(sys::readAll(file, limits::kCaBundleBytes), "read the CA bundle");
}

}  // namespace

Result<Fd> takeOutput(ipc::FdTable& fds, std::size_t index) {
  Fd file = TRY(fds.take(index));
  const int flags = ::fcntl(file.get(), F_GETFL);
  if (flags < 0) return failErrno("fcntl F_GETFL");
  const bool writable = (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
  if (!writable || !S_ISREG(TRY(sys::status(file)).st_mode)) {
    return refuse(
        ErrorKind::Invalid, "E_FD",
        "descriptor " + std::to_string(index) + " of the job is no regular file open for writing");
  }
  return file;
}

Result<std::string> takePem(ipc::FdTable& fds, std::size_t index) {
  const Fd file = TRY(fds.take(index));
  return readBundle(file);
}

Result<std::string> systemBundle() {
  for (const char* path : kSystemBundles) {
    Result<Fd> file = sys::openPath(path, O_RDONLY);
    if (file) return readBundle(*file);
  }
  return std::string();
}

ClientOptions clientOptions(const ipc::FetchOptions& options) {
  ClientOptions client;
  client.allowHttp = options.allowHttp;
  client.skipTlsCheck = options.skipTlsCheck;
  client.proxy = options.proxy;
  client.noProxy = options.noProxy;
  client.credentials = options.credentials;
  return client;
}

}  // namespace airlock::fetch
