// SPDX-License-Identifier: Apache-2.0
#include "cli/evidence_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "base/syscall.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kBlock = 512;

// POSIX.1-1988 ustar, as pax(1) describes it.
struct Header {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char link[100];
  char magic[8];
  char user[32];
  char group[32];
  char major[8];
  char minor[8];
  char prefix[155];
  char rest[12];
};
static_assert(sizeof(Header) == kBlock);

Result<Header> headerOf(const std::string& name, std::size_t size) {
  Header header{};
  std::string_view last = name;
  std::string_view before;
  if (last.size() > sizeof header.name) {  // divided at a slash
    const std::size_t slash = name.find('/', name.size() - sizeof header.name - 1);
    if (slash == name.npos || slash > sizeof header.prefix)
      return refuse(ErrorKind::Invalid, "E_EVIDENCE",
                    "the name " + airlock::quoted(name) + " is too long for a member of evidence");
    before = std::string_view(name).substr(0, slash);
    last.remove_prefix(slash + 1);
  }
  std::memcpy(header.name, last.data(), last.size());
  std::memcpy(header.prefix, before.data(), before.size());
  std::memcpy(header.mode, "0000644", 8);
  std::memcpy(header.uid, "0000000", 8);
  std::memcpy(header.gid, "0000000", 8);
  std::snprintf(header.size, sizeof header.size, "%011zo", size);
  std::memcpy(header.mtime, "00000000000", 12);
  header.type = '0';
  std::memcpy(header.magic,
              "ustar\0"
              "00",
              8);
  std::memset(header.checksum, ' ', sizeof header.checksum);
  unsigned sum = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  for (std::size_t i = 0; i < kBlock; ++i) sum += bytes[i];
  std::snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
  return header;
}

}  // namespace

Result<std::string> ustarOf(const Evidence& evidence) {
  std::string archive;
  for (const auto& [name, content] : evidence) {
    const Header header = TRY(headerOf(name, content.size()));
    archive.append(reinterpret_cast<const char*>(&header), kBlock);
    archive += content;
    archive.append((kBlock - content.size() % kBlock) % kBlock, '\0');
  }
  archive.append(2 * kBlock, '\0');
  return archive;
}

Result<void> writeNewFile(const std::string& path, std::string_view content, bool overwrite) {
  if (path == "-") return sys::writeAll(FdRef(STDOUT_FILENO), content);
  const std::string made = path + ".new-" + std::to_string(::getpid());
  const Fd file = TRY(sys::openPath(made, O_WRONLY | O_CREAT | O_EXCL, 0644));
  auto written = sys::writeAll(file, content);
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

Result<void> writeEvidence(const Evidence& evidence, const std::string& path, bool overwrite) {
  return writeNewFile(path, TRY(ustarOf(evidence)), overwrite);
}

}  // namespace airlock::cli
