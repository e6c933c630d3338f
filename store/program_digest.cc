// SPDX-License-Identifier: Apache-2.0
#include "store/program_digest.h"

#include "base/limits.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

Result<ContentDigest> programDigest(FdRef runtime, const std::string& program, FdRef file) {
  const struct stat info = TRY(sys::status(file));
  // ctime cannot be set by anyone, so these five say "not written since" as far as the kernel
  // knows.
  const std::string identity = std::to_string(info.st_dev) + " " + std::to_string(info.st_ino) +
                               " " + std::to_string(info.st_size) + " " +
                               std::to_string(info.st_ctim.tv_sec) + "." +
                               std::to_string(info.st_ctim.tv_nsec) + "\n";
  const Fd cache = TRY(sys::ensureDirectory(runtime, name("programs"), 0700));
  const Component entry = TRY(Component::parse(program));
  if (const auto known = sys::readFile(cache, entry, limits::kTextBytes);
      known && known->starts_with(identity)) {
    if (auto digest = ContentDigest::parse(std::string_view(*known).substr(identity.size())))
      return *digest;
  }
  const ContentDigest digest = TRY(sha512OfFile(file));
  TRY(sys::replaceFile(cache, entry, identity + digest.text(), 0600));
  return digest;
}

}  // namespace airlock::store
