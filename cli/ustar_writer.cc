// SPDX-License-Identifier: Apache-2.0
#include "cli/ustar_writer.h"

#include "base/log.h"
#include "base/syscall.h"

namespace airlock::cli {

namespace {

// Offsets and widths of IEEE Std 1003.1, "ustar Interchange Format".
constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kPrefixBytes = 155;
constexpr std::size_t kSizeDigits = 11;
constexpr std::uint64_t kSizeEnd = std::uint64_t{1} << (3 * kSizeDigits);

void put(std::string& block, std::size_t at, std::string_view text) {
  block.replace(at, text.size(), text);
}
void putOctal(std::string& block, std::size_t at, std::size_t digits, std::uint64_t value) {
  for (std::size_t i = digits; i-- > 0; value >>= 3)
    block[at + i] = static_cast<char>('0' + (value & 7));
}

Result<void> putName(std::string& block, std::string_view name) {
  std::size_t cut = std::string_view::npos;
  if (name.size() > kNameBytes) {
    cut = name.find('/', name.size() - kNameBytes - 1);
    if (cut == name.npos || cut > kPrefixBytes) {
      return refuse(ErrorKind::Invalid, "E_ARCHIVE",
                    "the name " + airlock::quoted(name) + " is too long for an archive");
    }
    put(block, 345, name.substr(0, cut));
  }
  put(block, 0, cut == name.npos ? name : name.substr(cut + 1));
  return {};
}

}  // namespace

Result<void> UstarWriter::header(std::string_view name, Type type, std::uint64_t size) {
  if (size >= kSizeEnd) {
    return refuse(ErrorKind::Invalid, "E_ARCHIVE",
                  airlock::quoted(name) + " is too large for an archive: it has 8 GiB or more");
  }
  std::string block(kBlock, '\0');
  TRY(putName(block, name));
  putOctal(block, 100, 7, type == Type::Directory ? 0755 : 0644);
  putOctal(block, 108, 7, 0);
  putOctal(block, 116, 7, 0);
  putOctal(block, 124, kSizeDigits, size);
  putOctal(block, 136, 11, 0);
  put(block, 148, "        ");
  block[156] = static_cast<char>(type);
  put(block, 257, std::string_view("ustar\00000", 8));
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  putOctal(block, 148, 6, sum);
  block[154] = '\0';
  return sys::writeAll(out_, block);
}

Result<void> UstarWriter::directory(std::string_view name) {
  return header(name, Type::Directory, 0);
}

Result<void> UstarWriter::add(std::string_view name, std::string_view content) {
  return add(name, content.size(), [&](FdRef out) { return sys::writeAll(out, content); });
}

Result<void> UstarWriter::add(std::string_view name, std::uint64_t size,
                              const WriteContent& write) {
  TRY(header(name, Type::File, size));
  TRY(write(out_));
  const std::size_t rest = size % kBlock;
  if (rest != 0) TRY(sys::writeAll(out_, std::string(kBlock - rest, '\0')));
  return {};
}

Result<void> UstarWriter::finish() { return sys::writeAll(out_, std::string(2 * kBlock, '\0')); }

}  // namespace airlock::cli
