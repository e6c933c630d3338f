// SPDX-License-Identifier: Apache-2.0
#include "ipc/tree_stream.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::ipc {

namespace {

constexpr std::size_t kHeaderBytes = 48;
constexpr std::size_t kPiece = 256 * limits::KiB;

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
}

// Takes numbers from the front of a header.
class Numbers {
 public:
  explicit Numbers(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  template <class T>
  T take() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{bytes_[i]} << (8 * i);
    bytes_ = bytes_.subspan(sizeof(T));
    return static_cast<T>(value);
  }

 private:
  std::span<const std::uint8_t> bytes_;
};

std::unexpected<Error> bad(const char* what) {
  return refuse(ErrorKind::Invalid, "E_TREE", std::string("the stream of the tree ") + what,
                "Nothing of it is to be trusted: report it if the image is genuine");
}

bool isKnown(std::uint8_t kind) {
  return kind <= static_cast<std::uint8_t>(TreeEntry::Kind::HardLink);
}

Result<void> checkPath(const std::string& path) {
  if (!BeneathPath::parse(path)) return bad("names a place outside of it");
  if (std::ranges::count(path, '/') >= std::ptrdiff_t{limits::kTreeDepth})
    return bad("is too deep");
  return {};
}

// In the order of their names, none of them one that file systems of ours stack layers by.
Result<std::vector<std::pair<std::string, std::string>>> readAttributes(std::string_view bytes) {
  constexpr std::size_t kHeader = 3;
  std::vector<std::pair<std::string, std::string>> attributes;
  while (!bytes.empty()) {
    if (bytes.size() < kHeader || attributes.size() == limits::kXattrsPerFile)
      return bad("has attributes that end nowhere");
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); };
    const std::size_t nameBytes = byte(0);
    const std::size_t valueBytes = byte(1) | std::size_t{byte(2)} << 8;
    bytes.remove_prefix(kHeader);
    if (bytes.size() < nameBytes + valueBytes) return bad("has attributes that end nowhere");
    std::string name(bytes.substr(0, nameBytes));
    const bool isLater = attributes.empty() || attributes.back().first < name;
    if (name.empty() || !isLater || name.contains('\0') || name.starts_with("overlay."))
      return bad("has an attribute of an unknown kind");
    attributes.emplace_back(std::move(name), bytes.substr(nameBytes, valueBytes));
    bytes.remove_prefix(nameBytes + valueBytes);
  }
  return attributes;
}

}  // namespace

std::string encodeTreeEntry(const TreeEntry& entry) {
  std::string bytes;
  put(bytes, static_cast<std::uint8_t>(entry.kind));
  put(bytes, std::uint8_t{0});
  put(bytes, static_cast<std::uint16_t>(entry.path.size()));
  put(bytes, static_cast<std::uint16_t>(entry.target.size()));
  put(bytes, static_cast<std::uint16_t>(entry.mode));
  put(bytes, entry.uid);
  put(bytes, entry.gid);
  put(bytes, entry.mtime);
  put(bytes, entry.mtimeNanoseconds);
  std::string attributes;
  for (const auto& [name, value] : entry.attributes) {
    put(attributes, static_cast<std::uint8_t>(name.size()));
    put(attributes, static_cast<std::uint16_t>(value.size()));
    attributes += name + value;
  }
  put(bytes, static_cast<std::uint32_t>(attributes.size()));
  put(bytes, entry.size);
  put(bytes, std::uint64_t{0});
  return bytes + entry.path + entry.target + attributes;
}

Result<void> TreeStreamReader::fill(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    pollfd event{pipe_.get(), POLLIN, 0};
    if (::poll(&event, 1, limits::kStallSeconds * 1000) == 0)
      return refuse(ErrorKind::Failed, "E_TIMEOUT", "the tree does not go on coming");
    const std::size_t got = TRY(sys::read(pipe_, bytes));
    if (got == 0) return bad("ends early");
    bytes = bytes.subspan(got);
  }
  return {};
}

Result<std::optional<TreeEntry>> TreeStreamReader::next() {
  std::array<std::uint8_t, kHeaderBytes> header;
  TRY(fill(header));
  Numbers numbers(header);
  const auto kind = numbers.take<std::uint8_t>();
  const auto zero = numbers.take<std::uint8_t>();
  const auto pathBytes = numbers.take<std::uint16_t>();
  const auto targetBytes = numbers.take<std::uint16_t>();
  TreeEntry entry{.mode = numbers.take<std::uint16_t>()};
  entry.uid = numbers.take<std::uint32_t>();
  entry.gid = numbers.take<std::uint32_t>();
  entry.mtime = numbers.take<std::uint64_t>();
  entry.mtimeNanoseconds = numbers.take<std::uint32_t>();
  const auto attributeBytes = numbers.take<std::uint32_t>();
  entry.size = numbers.take<std::uint64_t>();
  if (!isKnown(kind) || zero != 0 || numbers.take<std::uint64_t>() != 0)
    return bad("has an entry of an unknown kind");
  entry.kind = static_cast<TreeEntry::Kind>(kind);
  if (entry.kind == TreeEntry::Kind::End) return std::optional<TreeEntry>();
  const bool isLink =
      entry.kind == TreeEntry::Kind::Symlink || entry.kind == TreeEntry::Kind::HardLink;
  if (pathBytes > limits::kPathBytes || targetBytes > limits::kPathBytes ||
      (targetBytes != 0) != isLink || entry.mode > limits::kModeMax ||
      entry.uid > limits::kImageIdMax || entry.gid > limits::kImageIdMax ||
      entry.mtime > limits::kTimeMax || entry.mtimeNanoseconds > 999'999'999 ||
      attributeBytes > (isLink ? 0 : limits::kXattrBytes) || entry.size > limits::kTreeBytes ||
      (entry.kind != TreeEntry::Kind::File && entry.size != 0) ||
      ++entries_ > limits::kStackEntries + 1) {
    return bad("has a number out of range");
  }
  std::vector<std::uint8_t> texts(std::size_t{pathBytes} + targetBytes + attributeBytes);
  TRY(fill(texts));
  const std::string_view text(reinterpret_cast<const char*>(texts.data()), texts.size());
  entry.path = text.substr(0, pathBytes);
  entry.target = text.substr(pathBytes, targetBytes);
  entry.attributes = TRY(readAttributes(text.substr(std::size_t{pathBytes} + targetBytes)));
  const bool isRoot = entries_ == 1;
  if (isRoot != entry.path.empty() || (isRoot && entry.kind != TreeEntry::Kind::Directory))
    return bad("does not begin with its root");
  if (!isRoot) TRY(checkPath(entry.path));
  if (entry.kind == TreeEntry::Kind::HardLink) TRY(checkPath(entry.target));
  if (entry.target.find('\0') != std::string::npos) return bad("has a link to no name");
  return std::optional(std::move(entry));
}

Result<void> TreeStreamReader::content(
    const TreeEntry& file, const std::function<Result<void>(std::span<const std::uint8_t>)>& use) {
  std::vector<std::uint8_t> buffer(std::min<std::uint64_t>(file.size, kPiece));
  for (std::uint64_t left = file.size; left > 0;) {
    const auto piece = std::span(buffer).first(std::min<std::uint64_t>(left, buffer.size()));
    TRY(fill(piece));
    TRY(use(piece));
    left -= piece.size();
  }
  return {};
}

}  // namespace airlock::ipc
