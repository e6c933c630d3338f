// SPDX-License-Identifier: Apache-2.0
#include "cli/journal.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/local_socket.h"
#include "base/syscall.h"
#include "cli/pod_flags.h"

namespace airlock::cli {

namespace {

constexpr int kStreamBuffer = 8 * 1024 * 1024;  // as sd_journal_stream_fd() asks for
constexpr std::size_t kMachineIdBytes = 64;
constexpr int kDirectoryTries = 50;
constexpr useconds_t kDirectoryMicroseconds = 100'000;

}  // namespace

bool isJournalStream(FdRef fd, const std::string& journalStream) {
  if (journalStream.empty()) return false;
  const auto info = sys::status(fd);
  return info && S_ISSOCK(info->st_mode) &&
         journalStream == std::to_string(info->st_dev) + ":" + std::to_string(info->st_ino);
}

std::string journalSocket(const std::string& nameSpace) {
  return "/run/systemd/journal" + (nameSpace.empty() ? "" : "." + nameSpace) + "/stdout";
}

std::string unitOf(std::string_view cgroup) {
  std::string unit;
  for (const std::string& part : splitText(cgroup, '/')) {
    if (part.ends_with(".service") || part.ends_with(".scope")) unit = part;
  }
  return unit;
}

std::string ownUnit() {
  const auto file = sys::openPath("/proc/self/cgroup", O_RDONLY);
  if (!file) return {};
  const auto text = sys::readAll(*file, limits::kHeaderBytes);
  if (!text) return {};
  // cgroup v2, or systemd's own hierarchy beside v1.  cgroups(7)
  for (const std::string& line : splitText(*text, '\n')) {
    const bool systemds = line.starts_with("0::") || line.contains(":name=systemd:");
    if (const std::string unit = unitOf(line); systemds && !unit.empty()) return unit;
  }
  return {};
}

// What sd_journal_stream_fd(3) writes (systemd, src/libsystemd/sd-journal/journal-send.c, and
// src/journal/journald-stream.c, which reads it): seven lines, then the stream.
//   identifier                 SYSLOG_IDENTIFIER
//   unit                       of what has ended before journald looks; believed from root alone
//   priority                   6, LOG_INFO, as systemd gives to what a unit prints
//   level prefix               1: a line may begin with "<3>" (sd-daemon(3)), as in a unit
//   to syslog, kmsg, console   0: as journald is set up
Result<Fd> openJournalStream(const std::string& socket, const std::string& identifier,
                             const std::string& unit) {
  Fd stream = TRY(sys::connectLocal(socket, SOCK_STREAM));
  if (::shutdown(stream.get(), SHUT_RD) != 0) return failErrno("shutdown");
  static_cast<void>(
      ::setsockopt(stream.get(), SOL_SOCKET, SO_SNDBUF, &kStreamBuffer, sizeof kStreamBuffer));
  TRY(sys::writeAll(stream, identifier + "\n" + unit + "\n6\n1\n0\n0\n0\n"));
  return stream;
}

Result<JournalDirectory> openJournalDirectory(const std::string& nameSpace) {
  const Fd file = TRY(sys::openPath("/etc/machine-id", O_RDONLY));
  std::string id = TRY(sys::readAll(file, kMachineIdBytes));
  id = id.substr(0, id.find('\n'));
  for (int tries = 0; tries < kDirectoryTries; ++tries) {
    for (const char* top : {"/var/log/journal/", "/run/log/journal/"}) {
      std::string path = top + id + "." + nameSpace;
      auto fd = sys::openPath(path, O_RDONLY | O_DIRECTORY);
      if (fd) return JournalDirectory{std::move(path), *std::move(fd)};
      if (fd.error().number() == EACCES) return std::unexpected(std::move(fd.error()));
    }
    ::usleep(kDirectoryMicroseconds);
  }
  return refuse(ErrorKind::Missing, "E_JOURNAL",
                "the journal namespace " + nameSpace + " has no journal",
                "Start it: LogNamespace= in the unit, or systemctl start systemd-journald@" +
                    nameSpace + ".socket");
}

}  // namespace airlock::cli
