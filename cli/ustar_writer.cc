// SPDX-License-Identifier: Apache-2.0
#include "cli/ustar_writer.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <string>

#include "base/log.h"
#include "base/syscall.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameBytes = 100;
constexpr std::size_t kPrefixBytes = 155;

// Offsets and widths of IEEE Std 1003.1, "ustar Interchange Format".
void put(std::string& block, std::size_t at, std::string_view text) {
  block.replace(at, text.size(), text);
}
void putOctal(std::string& block, std::size_t at, int digits, std::size_t value) {
  std::array<char, 16> text{};
  static_cast<void>(std::snprintf(text.data(), text.size(), "%0*zo", digits, value));
  put(block, at, text.data());
}

Result<std::string> header(std::string_view name, std::size_t size) {
  std::string block(kBlock, '\0');
  std::size_t cut = std::string_view::npos;
  if (name.size() > kNameBytes) {
    cut = name.find('/', name.size() - kNameBytes - 1);
    if (cut == name.npos || cut > kPrefixBytes) {
      return refuse(ErrorKind::Invalid, "E_EVIDENCE",
                    "the name " + airlock::quoted(name) + " is too long for an archive");
    }
    put(block, 345, name.substr(0, cut));
  }
  put(block, 0, cut == name.npos ? name : name.substr(cut + 1));
  putOctal(block, 100, 7, 0644);
  putOctal(block, 108, 7, 0);
  putOctal(block, 116, 7, 0);
  putOctal(block, 124, 11, size);
  putOctal(block, 136, 11, 0);
  put(block, 148, "        ");
  block[156] = '0';
  put(block, 257, std::string_view("ustar\00000", 8));
  std::size_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  putOctal(block, 148, 6, sum);
  block[154] = '\0';
  return block;
}

}  // namespace

Result<void> UstarWriter::add(std::string_view name, std::string_view content) {
  TRY(sys::writeAll(out_, TRY(header(name, content.size()))));
  TRY(sys::writeAll(out_, content));
  const std::size_t rest = content.size() % kBlock;
  if (rest != 0) TRY(sys::writeAll(out_, std::string(kBlock - rest, '\0')));
  return {};
}

Result<void> UstarWriter::finish() { return sys::writeAll(out_, std::string(2 * kBlock, '\0')); }

}  // namespace airlock::cli
