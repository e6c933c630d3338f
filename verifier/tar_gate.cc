// SPDX-License-Identifier: Apache-2.0
#include "verifier/tar_gate.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::verifier {

struct TarHeader {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char linkName[100];
  char magic[8];
  char userName[32];
  char groupName[32];
  char major[8];
  char minor[8];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(TarHeader) == 512);

namespace {

constexpr std::size_t kBufferBytes = 256 * limits::KiB;
constexpr char kMagicPosix[] = {'u', 's', 't', 'a', 'r', '\0', '0', '0'};
constexpr char kMagicGnu[] = {'u', 's', 't', 'a', 'r', ' ', ' ', '\0'};
// Makes libarchive take the names of a pax header as bytes; it would look for character sets
// otherwise (T19).
constexpr std::string_view kBinaryRecord = "21 hdrcharset=BINARY\n";

std::unexpected<Error> refuseTar(std::string_view code, std::string message,
                                 std::string hint = "make the archive again with GNU tar") {
  return refuse(ErrorKind::Invalid, code, std::move(message), std::move(hint));
}
std::unexpected<Error> truncated() {
  return refuseTar("E_TRUNCATED", "the archive ends early", "fetch or make it again");
}

std::uint64_t padded(std::uint64_t size) { return (size + 511) / 512 * 512; }

bool isZero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

// Octal text, or GNU's base-256 of a positive number; nothing else, and no more than 63 bits.
std::optional<std::uint64_t> number(std::span<const char> field) {
  std::uint64_t value = 0;
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    if (static_cast<unsigned char>(field[0]) != 0x80) return std::nullopt;
    for (const char c : field.subspan(1)) {
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  std::size_t i = 0;
  while (i < field.size() && field[i] == ' ') ++i;
  for (; i < field.size() && field[i] >= '0' && field[i] <= '7'; ++i) {
    value = value << 3 | static_cast<std::uint64_t>(field[i] - '0');  // at most 12 digits: 36 bits
  }
  for (; i < field.size(); ++i) {
    if (field[i] != ' ' && field[i] != '\0') return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> decimal(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::uint64_t checksumOf(TarHeader header) {
  std::memset(header.checksum, ' ', sizeof header.checksum);
  std::uint64_t sum = 0;
  for (const std::uint8_t byte :
       std::span(reinterpret_cast<const std::uint8_t*>(&header), sizeof header)) {
    sum += byte;
  }
  return sum;
}

// A text field ends at its first NUL; what follows must be NUL too, or readers disagree about the
// name.
bool cleanText(std::span<const char> field) {
  const auto end = std::ranges::find(field, '\0');
  return std::all_of(end, field.end(), [](char c) { return c == '\0'; });
}

void putOctal(std::span<char> field, std::uint64_t value) {
  for (std::size_t i = field.size() - 1; i-- > 0; value >>= 3) {
    field[i] = static_cast<char>('0' + (value & 7));
  }
}

// An extension header of our own making around a body that was checked.
void putExtension(std::string& out, char type, std::string_view body) {
  TarHeader header{};
  const std::string_view name = type == 'x' ? "pax" : "././@LongLink";
  name.copy(header.name, name.size());
  putOctal(header.mode, 0644);
  putOctal(header.uid, 0);
  putOctal(header.gid, 0);
  putOctal(header.size, body.size());
  putOctal(header.mtime, 0);
  header.type = type;
  std::memcpy(header.magic, type == 'x' ? kMagicPosix : kMagicGnu, sizeof header.magic);
  putOctal(header.checksum, checksumOf(header));
  out.append(reinterpret_cast<const char*>(&header), sizeof header);
  out += body;
  out.resize(padded(out.size()));
}

// digits[.digits], with at most 12 digits before the dot: readers disagree about "nan", 1e99 and
// times before 1970.
bool isTime(std::string_view text) {
  const std::size_t dot = std::min(text.find('.'), text.size());
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (!digits(text.substr(0, dot)) || dot > 12) return false;
  return dot == text.size() || digits(text.substr(dot + 1));
}

Result<void> checkType(char type, TarOf what) {
  if (what == TarOf::Layer && (type == '3' || type == '4' || type == '6')) return {};
  switch (type) {
    case '0':
    case '1':
    case '2':
    case '5':
      return {};
    case '3':
    case '4':
      return refuseTar("E_DEVICE",
                       "the archive holds a device node; no device of an image ever exists",
                       "remove it: the engine makes /dev itself");
    case '6':
      return refuseTar("E_TYPE", "the archive holds a FIFO", "remove it from the image");
    case 'S':
      return refuseTar("E_SPARSE", "the archive holds a sparse file",
                       "archive it without --sparse");
    default:
      return refuseTar("E_TYPE", "the archive holds an entry of unsupported type " +
                                     quoted(std::string_view(&type, 1)));
  }
}

// Some writers put the file type into the mode too; it must then be the entry's.
bool modeFits(std::uint64_t mode, char type) {
  const std::uint64_t typeBits = mode & ~std::uint64_t{07777};
  if (typeBits == 0) return true;
  switch (type) {
    case '5':
      return typeBits == S_IFDIR;
    case '2':
      return typeBits == S_IFLNK;
    case '3':
      return typeBits == S_IFCHR;
    case '4':
      return typeBits == S_IFBLK;
    case '6':
      return typeBits == S_IFIFO;
    default:
      return typeBits == S_IFREG;
  }
}

// An attribute of a layer that is not taken over: capabilities of files do nothing where no program
// can gain any, and labels and marks of other file systems are not an image's to give.
bool isLeftOut(std::string_view key) {
  constexpr std::string_view kSchily = "SCHILY.xattr.";
  if (key.starts_with("RHT.security.") || key.starts_with("SCHILY.acl.")) return true;
  if (key.starts_with("LIBARCHIVE.xattr.")) return true;  // bsdtar writes both notations
  if (!key.starts_with(kSchily)) return false;
  key.remove_prefix(kSchily.size());
  return !key.starts_with("user.") || key.starts_with("user.overlay.");
}

}  // namespace

TarGate::TarGate(TarOf what) : what_(what), buffer_(kBufferBytes) {}

Result<bool> TarGate::fill(FdRef tar) {
  if (begin_ != end_) return true;
  begin_ = 0;
  end_ = TRY(sys::read(tar, buffer_));
  return end_ != 0;
}

// False when the input ends before the record begins; an input that ends inside it is refused.
Result<bool> TarGate::readRecord(FdRef tar, std::array<std::uint8_t, kRecord>& record) {
  std::size_t have = 0;
  while (have < record.size()) {
    if (!TRY(fill(tar))) {
      if (have == 0) return false;
      return truncated();
    }
    const std::size_t count = std::min(record.size() - have, end_ - begin_);
    std::memcpy(record.data() + have, buffer_.data() + begin_, count);
    have += count;
    begin_ += count;
  }
  return true;
}

Result<std::string> TarGate::readBody(FdRef tar, std::uint64_t size) {
  std::string body;
  std::array<std::uint8_t, kRecord> record;
  while (body.size() < size) {
    if (!TRY(readRecord(tar, record))) return truncated();
    body.append(reinterpret_cast<const char*>(record.data()), record.size());
  }
  body.resize(size);
  return body;
}

Result<std::span<const std::uint8_t>> TarGate::passBody(FdRef tar) {
  if (!TRY(fill(tar))) {
    // umoci leaves out the padding of the last file, too: all of its content is there.
    if (what_ == TarOf::Aci || bodyLeft_ > padding_) return truncated();
    static constexpr std::array<std::uint8_t, kRecord> kZeros{};
    return std::span(kZeros).first(std::exchange(bodyLeft_, 0));
  }
  const std::size_t count = std::min<std::uint64_t>(bodyLeft_, end_ - begin_);
  const auto bytes = std::span(buffer_).subspan(begin_, count);
  begin_ += count;
  bodyLeft_ -= count;
  return bytes;
}

Result<std::span<const std::uint8_t>> TarGate::next(FdRef tar) {
  std::span<const std::uint8_t> bytes;
  if (bodyLeft_ != 0) {
    bytes = TRY(passBody(tar));
  } else if (!ended_) {
    output_.clear();
    TRY(readHeaders(tar));
    bytes = {reinterpret_cast<const std::uint8_t*>(output_.data()), output_.size()};
  }
  outputBytes_ += bytes.size();
  return bytes;
}

std::optional<GatedEntry> TarGate::takeEntry() {
  if (entries_.empty()) return std::nullopt;
  const GatedEntry entry = entries_.front();
  entries_.pop_front();
  return entry;
}

// Leaves in output_ the headers of the next entry, or the end of the archive.
Result<void> TarGate::readHeaders(FdRef tar) {
  for (;;) {
    std::array<std::uint8_t, kRecord> record;
    if (!TRY(readRecord(tar, record))) {
      // Go's writers may leave the end mark out; a layer that is cut off has another digest.
      if (what_ == TarOf::Aci || !pax_.empty() || longName_ || longLink_) return truncated();
      end();
      return {};
    }
    if (isZero(record)) return drain(tar);
    TarHeader header;
    std::memcpy(&header, record.data(), sizeof header);
    if (number(header.checksum) != checksumOf(header)) {
      return refuseTar("E_CHECKSUM", "a header of the archive has a wrong checksum",
                       "fetch or make it again");
    }
    if (std::string_view("xgLK").contains(header.type)) {
      TRY(readExtension(tar, header));
    } else {
      return takeEntryHeader(header);
    }
  }
}

Result<void> TarGate::readExtension(FdRef tar, const TarHeader& header) {
  const auto size = number(header.size);
  if (!size || *size > limits::kTarHeaderBytes) {
    return refuseTar("E_LIMIT", "an extension header of the archive is larger than " +
                                    std::to_string(limits::kTarHeaderBytes) + " bytes");
  }
  std::string body = TRY(readBody(tar, *size));
  if (header.type == 'x' || header.type == 'g') {
    if (header.type == 'x' && (!pax_.empty() || longName_ || longLink_)) {
      return refuseTar("E_PAX", "an entry has two extension headers");
    }
    // Tar programs disagree about global records: only a comment (git archive writes one) means the
    // same to all (T13).
    if (header.type == 'g') {
      const std::size_t space = body.find(' ');
      const std::string_view rest =
          space == std::string::npos ? body : std::string_view(body).substr(space);
      if (!rest.starts_with(" comment=") ||
          decimal(std::string_view(body).substr(0, space)) != body.size() || body.back() != '\n') {
        return refuseTar("E_PAX", "the archive has a global pax header other than a comment");
      }
      return {};
    }
    return takePaxHeader(body);
  }
  return takeLongName(header.type, std::move(body));
}

Result<void> TarGate::takeLongName(char type, std::string body) {
  bool& seen = type == 'L' ? longName_ : longLink_;
  if (seen || !pax_.empty()) return refuseTar("E_PAX", "an entry has two extension headers");
  seen = true;
  if (body.empty() || body.front() == '\0' || !cleanText(body)) {
    return refuseTar("E_PATH", "a long name in the archive is empty or contains a NUL byte");
  }
  putExtension(output_, type, body);
  return {};
}

Result<void> TarGate::takePaxHeader(const std::string& body) {
  pax_ = kBinaryRecord;
  std::string_view rest = body;
  while (!rest.empty()) {
    const std::size_t space = rest.find(' ');
    const auto length = decimal(rest.substr(0, std::min(space, rest.size())));
    if (space == std::string_view::npos || !length || *length < space + 3 ||
        *length > rest.size() || rest[*length - 1] != '\n') {
      return refuseTar("E_PAX", "a pax header of the archive has a malformed record");
    }
    const std::string_view record = rest.substr(0, *length);
    const std::string_view text = record.substr(space + 1, *length - space - 2);
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      return refuseTar("E_PAX", "a pax header of the archive has a malformed record");
    }
    TRY(takePaxRecord(text.substr(0, equals), text.substr(equals + 1), record));
    rest.remove_prefix(*length);
  }
  return {};
}

// Keeps what we use, refuses what changes the meaning of the entry, and drops the rest (names of
// owners, comments, other times, what the standard tells readers to ignore).
Result<void> TarGate::takePaxRecord(std::string_view key, std::string_view value,
                                    std::string_view record) {
  if (key.starts_with("GNU.sparse.") || key == "SCHILY.realsize") {
    return refuseTar("E_SPARSE", "the archive holds a sparse file", "archive it without --sparse");
  }
  if (what_ == TarOf::Layer && isLeftOut(key)) return {};
  if (key.starts_with("RHT.security.") || key.starts_with("SCHILY.acl.")) {
    return refuseTar("E_XATTR", "an entry has the extended attribute " + quoted(key),
                     "only user.* attributes may be in an image");
  }
  const bool isXattr = key.starts_with("SCHILY.xattr.") || key.starts_with("LIBARCHIVE.xattr.");
  const bool isPath = key == "path" || key == "linkpath";
  const bool isId = key == "uid" || key == "gid";
  if (!isXattr && !isPath && !isId && key != "size" && key != "mtime") return {};
  if (!paxKeys_.emplace(key).second) {
    return refuseTar("E_PAX", "a pax header has the record " + quoted(key) + " twice");
  }
  if (key.contains('\0')) return refuseTar("E_PAX", "a pax record has a NUL byte in its key");
  if (isPath && (value.empty() || value.contains('\0'))) {
    return refuseTar("E_PATH", "a pax " + std::string(key) + " is empty or contains a NUL byte");
  }
  if (isId) {
    const auto id = decimal(value);
    if (!id || *id > limits::kImageIdMax) {
      return refuseTar("E_ID", "an entry has the " + std::string(key) + " " + quoted(value),
                       "ids in an image go up to " + std::to_string(limits::kImageIdMax));
    }
  }
  if (key == "size") {
    paxSize_ = decimal(value);
    if (!paxSize_) return refuseTar("E_LIMIT", "an entry has the size " + quoted(value));
  }
  if (key == "mtime" && !isTime(value)) {
    return refuseTar("E_TIME", "an entry has the modification time " + quoted(value));
  }
  pax_ += record;
  return {};
}

Result<void> TarGate::takeEntryHeader(const TarHeader& header) {
  // V7 archives have no type for directories, only the slash at the end of the name.
  char type = header.type == '\0' ? '0' : header.type;
  const std::string_view name(header.name, strnlen(header.name, sizeof header.name));
  if (header.type == '\0' && !longName_ && !paxKeys_.contains("path") && name.ends_with('/'))
    type = '5';
  TRY(checkType(type, what_));

  const bool isPosix = std::memcmp(header.magic, kMagicPosix, sizeof kMagicPosix) == 0;
  if (!cleanText(header.name) || !cleanText(header.linkName) ||
      (isPosix && !cleanText(header.prefix))) {
    return refuseTar("E_PATH", "a name in the archive contains a NUL byte");
  }
  const auto mode = number(header.mode);
  if (!mode || !modeFits(*mode, type)) {
    return refuseTar("E_MODE", "the entry " + quoted(name) + " has a malformed mode");
  }
  if (!number(header.uid) || !number(header.gid)) {
    return refuseTar("E_ID", "the entry " + quoted(name) + " has a malformed owner");
  }
  if (!number(header.mtime)) {
    return refuseTar("E_TIME", "the entry " + quoted(name) + " has a malformed or negative time");
  }
  auto size = number(header.size);
  if (paxSize_) size = paxSize_;
  if (!size || *size > limits::kTreeBytes) {
    return refuseTar("E_LIMIT", "the entry " + quoted(name) + " has a size that is out of range");
  }
  if (type != '0' && *size != 0) {
    return refuseTar("E_TAR", "the entry " + quoted(name) + " is no file but has content");
  }

  if (!pax_.empty()) putExtension(output_, 'x', pax_);
  output_.append(reinterpret_cast<const char*>(&header), sizeof header);
  entries_.push_back({.position = outputBytes_, .size = *size, .type = type});
  bodyLeft_ = padded(*size);
  padding_ = bodyLeft_ - *size;
  pax_.clear();
  paxKeys_.clear();
  paxSize_.reset();
  longName_ = longLink_ = false;
  return {};
}

// After the first zero record: a second one, then nothing but some padding up to the real end
// (T17).
Result<void> TarGate::drain(FdRef tar) {
  if (!pax_.empty() || longName_ || longLink_) {
    return refuseTar("E_TRUNCATED", "the archive ends after an extension header");
  }
  std::array<std::uint8_t, kRecord> record;
  if (!TRY(readRecord(tar, record))) return truncated();
  std::size_t trailing = 0;
  std::span<const std::uint8_t> bytes = record;
  do {
    if (!isZero(bytes)) {
      return refuseTar("E_TRAILING", "something follows the end of the archive",
                       "an image is one archive: nothing may be appended to it");
    }
    if (!TRY(fill(tar))) break;
    bytes = std::span(buffer_).subspan(begin_, end_ - begin_);
    begin_ = end_;
    trailing += bytes.size();
  } while (trailing <= limits::kTrailingZeros);
  if (trailing > limits::kTrailingZeros) {
    return refuseTar("E_TRAILING", "more than " + std::to_string(limits::kTrailingZeros) +
                                       " zero bytes follow the end of the archive");
  }
  end();
  return {};
}

void TarGate::end() {
  output_.assign(2 * kRecord, '\0');
  ended_ = true;
}

}  // namespace airlock::verifier
