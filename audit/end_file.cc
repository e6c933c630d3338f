// SPDX-License-Identifier: Apache-2.0
#include "audit/end_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "base/syscall.h"

namespace airlock::audit {

namespace {

constexpr char kName[] = "audit-end";
constexpr int kLockMilliseconds = 10'000;
constexpr int kTryAgainMilliseconds = 5;
constexpr std::array<char, 8> kMagic = {'a', 'u', 'd', 'i', 't', 'e', '1', '\n'};

// This host's byte order: the file does not travel.
struct Content {
  std::array<char, 8> magic;
  std::uint64_t first;
  std::uint64_t bytes;
  std::uint64_t next;
  OciDigest::Bytes last;
  ContentDigest::Bytes policy;
  ContentDigest::Bytes trust;
};
struct File {
  Content content;
  OciDigest::Bytes check;  // of the content: it is written in place, and may be torn
};
static_assert(sizeof(File) == sizeof(Content) + 32 && sizeof(File) <= 512);  // one sector

OciDigest::Bytes checkOf(const Content& content) {
  Sha256 hash;
  hash.update({reinterpret_cast<const std::uint8_t*>(&content), sizeof content});
  return hash.finish();
}

}  // namespace

Result<EndFile> EndFile::lock(FdRef top) {
  Fd file =
      TRY(sys::openBeneath(top, *Component::parse(kName), O_RDWR | O_CREAT | O_NONBLOCK, 0600));
  const struct stat info = TRY(sys::status(file));
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0)
    return refuse(ErrorKind::Denied, "E_AUDIT",
                  "audit-end is not a file of the store's owner alone",
                  "Remove it: it is made anew from the record");
  for (int waited = 0; ::flock(file.get(), LOCK_EX | LOCK_NB) != 0;
       waited += kTryAgainMilliseconds) {
    if (errno != EWOULDBLOCK && errno != EINTR) return failErrno("lock the audit record");
    if (waited >= kLockMilliseconds)
      return refuse(ErrorKind::Busy, "E_AUDIT", "somebody else keeps the audit record locked");
    ::poll(nullptr, 0, kTryAgainMilliseconds);
  }
  return EndFile(std::move(file));
}

Result<std::optional<End>> EndFile::read() const {
  File read{};
  const std::size_t got =
      TRY(sys::readAt(file_, {reinterpret_cast<std::uint8_t*>(&read), sizeof read}, 0));
  const Content& content = read.content;
  if (got != sizeof read || content.magic != kMagic || read.check != checkOf(content))
    return std::optional<End>();
  return std::optional(End{.first = content.first,
                           .bytes = content.bytes,
                           .next = content.next,
                           .last = OciDigest(content.last),
                           .policy = ContentDigest(content.policy),
                           .trust = ContentDigest(content.trust)});
}

Result<void> EndFile::write(const End& end) const {
  File file{};
  file.content = {kMagic,           end.first,          end.bytes,        end.next,
                  end.last.bytes(), end.policy.bytes(), end.trust.bytes()};
  file.check = checkOf(file.content);
  return sys::writeAt(file_, {reinterpret_cast<const std::uint8_t*>(&file), sizeof file}, 0);
}

}  // namespace airlock::audit
