// SPDX-License-Identifier: Apache-2.0
#include "cli/given_images.h"

#include <fcntl.h>

#include <cstdlib>
#include <span>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "store/byte_stream.h"
#include "store/unpacking.h"

namespace airlock::cli {

namespace {

// Images are large: memory is no place for them.
Result<Fd> unnamedFile() {
  const char* given = std::getenv("TMPDIR");
  const std::string path = given != nullptr && *given == '/' ? given : "/var/tmp";
  const Fd directory = TRY(sys::openPath(path, O_RDONLY | O_DIRECTORY));
  return inContext(sys::openTemporary(directory, 0600), path);
}

}  // namespace

Result<GivenImage> GivenImage::open(const store::RoleStarter& starter, const std::string& path) {
  const Fd file = TRY(sys::openPath(path, O_RDONLY | O_NONBLOCK));
  TRY(inContext(store::checkSource(file), path));
  Fd copy = TRY(unnamedFile());
  TRY(inContext(
      store::pump(file, limits::kImageBytes,
                  [&](std::span<const std::uint8_t> bytes) { return sys::writeAll(copy, bytes); }),
      path));
  const Fd whole = TRY(store::readOnly(copy));
  ImageId image = TRY(inContext(
      store::inflateImage(starter, whole,
                          [](std::span<const std::uint8_t>) -> Result<void> { return {}; }),
      path));
  return GivenImage(path, std::move(copy), std::move(image));
}

Result<std::string> GivenImage::signatureBeside() const {
  const std::string path = path_ + ".asc";
  const auto file = sys::openPath(path, O_RDONLY | O_NONBLOCK);
  if (!file && file.error().kind() == ErrorKind::Missing) {
    return refuse(ErrorKind::Missing, "E_SIG_MISSING",
                  "the evidence has no signature of " + airlock::quoted(path_),
                  "Put it beside the image, as " + printable(path));
  }
  if (!file) return std::unexpected(file.error());
  TRY(inContext(store::checkSource(*file), path));
  return inContext(sys::readAll(*file, limits::kSignatureBytes), path);
}

Result<ipc::Authenticated> GivenImage::authenticate(
    const store::RoleStarter& starter, std::string_view signature,
    const std::vector<ipc::TrustedKey>& keys) const {
  const Sealed bytes = TRY(Sealed::make("airlock-signature", signature));
  const Sealed bundle = TRY(Sealed::make("airlock-keys", TRY(ipc::encodeKeyBundle(keys))));
  const Fd data = TRY(store::readOnly(copy_));
  const FdRef fds[] = {data, bytes.fd(), bundle.fd()};
  store::Role role = TRY(store::Role::start(starter, "authenticate", ipc::AuthenticateJob{}, fds));
  return role.finish<ipc::Authenticated>(store::kRoleMilliseconds);
}

}  // namespace airlock::cli
