// SPDX-License-Identifier: Apache-2.0
#include "audit/record.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "audit/segment.h"
#include "base/accounts.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::audit {

namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

Component constant(std::string_view name) { return *Component::parse(name); }

std::span<const std::uint8_t> bytesOf(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Result<Fd> ensureReadable(FdRef above, const char* name, gid_t group) {
  Fd directory = TRY(sys::ensureDirectory(above, constant(name), kDirectoryMode));
  const struct stat info = TRY(sys::status(directory));
  if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0)
    return refuse(ErrorKind::Denied, "E_AUDIT",
                  std::string("the directory ") + name + " of the audit record is not ours alone",
                  "chown it to root, and chmod go-w");
  if ((info.st_gid != group || (info.st_mode & 0777) != kDirectoryMode) &&
      (::fchown(directory.get(), static_cast<uid_t>(-1), group) != 0 ||
       ::fchmod(directory.get(), kDirectoryMode) != 0))
    return failErrno("give the audit record to its group");
  return directory;
}

// Calls `line` with the digest of each line from `offset` on; what is behind the last newline goes
// into `rest`.
template <class Line>
Result<std::uint64_t> readLines(FdRef file, std::uint64_t offset, Sha256& rest, Line line) {
  std::array<std::uint8_t, 64 * 1024> buffer;
  std::uint64_t left = 0;
  for (;;) {
    const std::size_t got = TRY(sys::readAt(file, buffer, offset));
    if (got == 0) return left;
    offset += got;
    std::span<const std::uint8_t> piece(buffer.data(), got);
    while (!piece.empty()) {
      const auto newline = std::ranges::find(piece, static_cast<std::uint8_t>('\n'));
      const auto size = static_cast<std::size_t>(newline - piece.begin());
      rest.update(piece.first(size));
      left += size;
      if (newline == piece.end()) break;
      line(OciDigest(std::exchange(rest, Sha256()).finish()));
      left = 0;
      piece = piece.subspan(size + 1);
    }
  }
}

}  // namespace

Result<Record> Record::open(FdRef top) {
  const gid_t group = TRY(findGroup(kAuditGroup)).value_or(0);
  Fd directory = TRY(ensureReadable(top, "audit", group));
  Record record(TRY(EndFile::lock(top)), std::move(directory), group);
  TRY(record.findEnd());
  return record;
}

// Not through RESOLVE_BENEATH alone: a file that somebody linked here from elsewhere is none of
// ours.
Result<Fd> Record::openFile(FdRef directory, const Component& name) const {
  Fd file =
      TRY(sys::openBeneath(directory, name, O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK, kFileMode));
  const struct stat info = TRY(sys::status(file));
  if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || info.st_nlink != 1 ||
      (info.st_mode & 022) != 0)
    return refuse(ErrorKind::Denied, "E_AUDIT",
                  "\"" + name.text() + "\" of the audit record is not a file of ours alone");
  if ((info.st_gid != group_ || (info.st_mode & 0777) != kFileMode) &&
      (::fchown(file.get(), static_cast<uid_t>(-1), group_) != 0 ||
       ::fchmod(file.get(), kFileMode) != 0))
    return failErrno("give the audit record to its group");
  return file;
}

Result<void> Record::findEnd() {
  auto known = TRY(endFile_.read());
  if (known) {
    end_ = *known;
  } else {
    TRY(findSegment());
  }
  TRY(openSegment());
  return readTail();
}

// Without a word of where it ended: all of the last segment is read.
Result<void> Record::findSegment() {
  std::vector<std::uint64_t> firsts;  // rising, as the names
  for (const std::string& name : TRY(sys::list(directory_))) {
    if (const auto first = firstOfSegment(name)) firsts.push_back(*first);
  }
  if (firsts.empty()) return {};
  end_.first = end_.next = firsts.back();
  if (firsts.size() == 1) return {};
  // For the first line of a segment that has none yet.
  const Fd before = TRY(sys::openBeneath(
      directory_, TRY(Component::parse(segmentName(firsts[firsts.size() - 2]))), O_RDONLY));
  Sha256 rest;
  TRY(readLines(before, 0, rest, [&](const OciDigest& digest) { end_.last = digest; }));
  return {};
}

Result<void> Record::openSegment() {
  segment_ = TRY(openFile(directory_, TRY(Component::parse(segmentName(end_.first)))));
  return {};
}

Result<void> Record::readTail() {
  const auto size = static_cast<std::uint64_t>(TRY(sys::status(segment_)).st_size);
  torn_ = Sha256();
  tornBytes_ = 0;
  if (size <
      end_.bytes) {  // not healed: the next line names one that is gone, and a reader sees it
    cut_ = true;
    end_.bytes = size;
    return {};
  }
  tornBytes_ = TRY(readLines(segment_, end_.bytes, torn_, [&](const OciDigest& digest) {
    end_.last = digest;
    ++end_.next;
  }));
  end_.bytes = size;
  return {};
}

// A crash may have left one: then its lines count.
Result<void> Record::beginSegment() {
  TRY(sys::sync(segment_));
  end_.first = end_.next;
  end_.bytes = 0;
  TRY(openSegment());
  return readTail();
}

Result<Written> Record::append(const Entry& entry, Durable durable) {
  if (tornBytes_ == 0 && end_.bytes >= limits::kAuditSegmentBytes) TRY(beginSegment());
  std::string bytes;
  if (tornBytes_ != 0) {  // closed, not taken away: it counts as a line
    bytes = {kTorn, '\n'};
    torn_.update(bytesOf({&kTorn, 1}));
    end_.last = OciDigest(std::exchange(torn_, Sha256()).finish());
    ++end_.next;
    tornBytes_ = 0;
  }
  Written written{end_.next, {}, writeLine(entry, end_.next, end_.last)};
  if (written.line.size() > limits::kAuditLineBytes)
    return refuse(ErrorKind::Invalid, "E_AUDIT", "there is too much to say for one line");
  written.digest = ociDigestOf(written.line);
  bytes += written.line;
  bytes += '\n';
  fault("audit-writing");
  auto done = sys::writeAll(segment_, bytes);
  if (done && durable == Durable::Now) done = sys::sync(segment_);
  if (done && durable == Durable::Now && end_.bytes == 0) done = sys::sync(directory_);
  if (!done) {  // how much of it is there, the next look says
    static_cast<void>(readTail());
    return std::unexpected(std::move(done.error()));
  }
  fault("audit-written");
  end_.bytes += bytes.size();
  end_.last = written.digest;
  ++end_.next;
  // What is said to be there after a power failure must be.
  if (durable == Durable::Now) TRY(endFile_.write(end_));
  return written;
}

Result<void> Record::keep(const ContentDigest& digest, std::string_view content) {
  const Fd kept = TRY(ensureReadable(directory_, "kept", group_));
  const Fd file = TRY(openFile(kept, TRY(Component::parse(digest.text()))));
  const auto size = static_cast<std::size_t>(TRY(sys::status(file)).st_size);
  // What a crash has left of the same bytes is a beginning of them.
  if (size >= content.size()) return {};
  TRY(sys::writeAll(file, content.substr(size)));
  TRY(sys::sync(file));
  return sys::sync(kept);
}

}  // namespace airlock::audit
