// SPDX-License-Identifier: Apache-2.0
#include "verifier/tree_test_support.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "base/syscall.h"
#include "verifier/erofs_check.h"

namespace airlock::verifier::testing {

namespace {

std::string octal(std::uint64_t value, std::size_t width) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(width - 1),
                static_cast<unsigned long long>(value));
  return std::string(text, width - 1) + '\0';
}

void put(std::string& header, std::size_t at, std::string_view text) {
  header.replace(at, text.size(), text);
}

}  // namespace

TarBuilder TarBuilder::image() { return TarBuilder().file("manifest", "{}").directory("rootfs/"); }

TarBuilder& TarBuilder::add(const RawEntry& entry) {
  std::string header(512, '\0');
  put(header, 0, std::string_view(entry.name).substr(0, 100));
  put(header, 100, entry.rawMode.empty() ? octal(entry.mode, 8) : entry.rawMode);
  put(header, 108, entry.rawUid.empty() ? octal(0, 8) : entry.rawUid);
  put(header, 116, octal(0, 8));
  put(header, 124, entry.rawSize.empty() ? octal(entry.content.size(), 12) : entry.rawSize);
  put(header, 136, entry.rawMtime.empty() ? octal(entry.mtime, 12) : entry.rawMtime);
  put(header, 148, "        ");
  header[156] = entry.type;
  put(header, 157, std::string_view(entry.linkName).substr(0, 100));
  put(header, 257, entry.magic);
  std::uint64_t sum = entry.goodChecksum ? 0 : 1;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(header, 148, octal(sum, 7));
  bytes_ += header + entry.content;
  bytes_.resize((bytes_.size() + 511) / 512 * 512);
  return *this;
}

TarBuilder& TarBuilder::file(std::string_view name, std::string_view content) {
  return add({.name = std::string(name), .content = std::string(content)});
}
TarBuilder& TarBuilder::directory(std::string_view name) {
  return add({.name = std::string(name), .type = '5', .content = "", .mode = 0755});
}
TarBuilder& TarBuilder::symlink(std::string_view name, std::string_view target) {
  return add(
      {.name = std::string(name), .type = '2', .content = "", .linkName = std::string(target)});
}
TarBuilder& TarBuilder::hardLink(std::string_view name, std::string_view target) {
  return add(
      {.name = std::string(name), .type = '1', .content = "", .linkName = std::string(target)});
}
TarBuilder& TarBuilder::pax(std::string_view records, char type) {
  return add({.name = "pax", .type = type, .content = std::string(records)});
}
TarBuilder& TarBuilder::bytes(std::string_view raw) {
  bytes_ += raw;
  return *this;
}

std::string paxRecord(std::string_view key, std::string_view value) {
  const std::string rest = " " + std::string(key) + "=" + std::string(value) + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

std::string base256(std::uint64_t value, std::size_t width) {
  std::string text(width, '\0');
  for (std::size_t i = width; i-- > 0; value >>= 8) text[i] = static_cast<char>(value & 0xff);
  text[0] = static_cast<char>(text[0] | 0x80);
  return text;
}

Fd memoryFile(std::string_view content) {
  Fd file = Fd::own(::memfd_create("tree-test", MFD_CLOEXEC));
  if (!sys::writeAll(file, content)) return {};
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string contentOf(FdRef file) {
  auto content = sys::readAll(file, std::size_t{1} << 30);
  return content ? *content : "";
}

Unpacking unpack(std::string_view tar) {
  const Fd input = memoryFile(tar);
  Fd image = memoryFile("");
  auto result = unpackAci(input, image);
  return {std::move(result), std::move(image)};
}

std::string verdict(std::string_view tar) {
  const Unpacking unpacking = unpack(tar);
  if (!unpacking.result) {
    return unpacking.result.error().kind() == ErrorKind::Invalid ? unpacking.result.error().code()
                                                                 : unpacking.result.error().text();
  }
  const auto checked = checkTree(unpacking.image);
  return checked ? "accepted" : "check: " + checked.error().text();
}

}  // namespace airlock::verifier::testing
