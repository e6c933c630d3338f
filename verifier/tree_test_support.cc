// SPDX-License-Identifier: Apache-2.0
#include "verifier/tree_test_support.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <span>

#include "base/syscall.h"
#include "verifier/erofs_check.h"
#include "verifier/erofs_format.h"

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

void fixChecksum(std::string& tar, std::size_t at) {
  tar.replace(at + 148, 8, 8, ' ');
  std::uint64_t sum = 0;
  for (const char c : std::string_view(tar).substr(at, 512)) sum += static_cast<unsigned char>(c);
  tar.replace(at + 148, 7, octal(sum, 7));
}

std::string resigned(std::string image) {
  if (image.size() < erofs::kBlockBytes) return image;
  const std::span block(reinterpret_cast<std::uint8_t*>(image.data()), erofs::kBlockBytes);
  const auto place = block.subspan(erofs::kSuperOffset);
  const auto checksum = place.subspan(offsetof(erofs::SuperBlock, checksum), 4);
  std::ranges::fill(checksum, std::uint8_t{0});
  const std::uint32_t value = erofs::crc32c(place);
  std::memcpy(checksum.data(), &value, sizeof value);
  return image;
}

TarBuilder TarBuilder::image() { return TarBuilder().file("manifest", "{}").directory("rootfs/"); }

TarBuilder& TarBuilder::add(const RawEntry& entry) {
  std::string header(512, '\0');
  put(header, 0, std::string_view(entry.name).substr(0, 100));
  put(header, 100, entry.rawMode.empty() ? octal(entry.mode, 8) : entry.rawMode);
  put(header, 108, entry.rawUid.empty() ? octal(0, 8) : entry.rawUid);
  put(header, 116, octal(0, 8));
  put(header, 124, entry.rawSize.empty() ? octal(entry.content.size(), 12) : entry.rawSize);
  put(header, 136, entry.rawMtime.empty() ? octal(entry.mtime, 12) : entry.rawMtime);
  header[156] = entry.type;
  put(header, 157, std::string_view(entry.linkName).substr(0, 100));
  put(header, 257, entry.magic);
  fixChecksum(header, 0);
  if (!entry.goodChecksum) header[148] = header[148] == '0' ? '1' : '0';
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
