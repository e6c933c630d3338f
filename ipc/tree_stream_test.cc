// SPDX-License-Identifier: Apache-2.0
#include "ipc/tree_stream.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::ipc {
namespace {

using Kind = TreeEntry::Kind;

const TreeEntry kRoot{.kind = Kind::Directory, .mode = 0755};
const std::string kEnd = encodeTreeEntry({.kind = Kind::End});

// The code of the refusal, or the paths that came.
std::string read(const std::string& bytes) {
  sys::Pipe pipe = sys::pipe().value();
  if (!sys::writeAll(pipe.writeEnd, bytes)) return "write";
  pipe.writeEnd.reset();
  TreeStreamReader reader(pipe.readEnd);
  std::string paths;
  for (;;) {
    auto entry = reader.next();
    if (!entry) return entry.error().code();
    if (!*entry) return paths;
    paths += (*entry)->path + ";";
    const auto taken =
        reader.content(**entry, [](std::span<const std::uint8_t>) -> Result<void> { return {}; });
    if (!taken) return taken.error().code();
  }
}
std::string after(TreeEntry entry) {
  return read(encodeTreeEntry(kRoot) + encodeTreeEntry(entry) + std::string(entry.size, 'x') +
              kEnd);
}

TEST(TreeStream, WhatIsWrittenIsRead) {
  const TreeEntry file{.kind = Kind::File,
                       .path = "a/b",
                       .mode = 04755,
                       .uid = 1,
                       .gid = 65534,
                       .mtime = 1'000'000'000,
                       .mtimeNanoseconds = 5,
                       .size = 3};
  EXPECT_EQ(read(encodeTreeEntry(kRoot) + encodeTreeEntry({.kind = Kind::Directory, .path = "a"}) +
                 encodeTreeEntry(file) + "abc" +
                 encodeTreeEntry({.kind = Kind::Symlink, .path = "l", .target = "/etc/../x"}) +
                 encodeTreeEntry({.kind = Kind::HardLink, .path = "h", .target = "a/b"}) + kEnd),
            ";a;a/b;l;h;");
}

TEST(TreeStream, AttributesComeWithTheirFile) {
  TreeEntry file{.kind = Kind::File, .path = "a", .size = 2};
  file.attributes = {{"a", ""}, {"origin", std::string("x\0y", 3)}};
  sys::Pipe pipe = sys::pipe().value();
  ASSERT_TRUE(sys::writeAll(pipe.writeEnd, encodeTreeEntry(kRoot) + encodeTreeEntry(file)));
  TreeStreamReader reader(pipe.readEnd);
  ASSERT_TRUE(reader.next());
  const auto read = reader.next();
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->attributes, file.attributes);
  EXPECT_EQ((*read)->path, "a");
}

TEST(TreeStream, AttributesThatNoTreeHasAreRefused) {
  const auto with = [](std::vector<std::pair<std::string, std::string>> attributes,
                       Kind kind = Kind::File) {
    TreeEntry entry{.kind = kind, .path = "a"};
    if (kind == Kind::Symlink) entry.target = "b";
    entry.attributes = std::move(attributes);
    return after(entry);
  };
  EXPECT_EQ(with({{"a", "1"}, {"b", "2"}}), ";a;");
  EXPECT_EQ(with({{"", "x"}}), "E_TREE");
  EXPECT_EQ(with({{"b", "1"}, {"a", "2"}}), "E_TREE") << "not in order";
  EXPECT_EQ(with({{"a", "1"}, {"a", "2"}}), "E_TREE");
  EXPECT_EQ(with({{std::string("a\0b", 3), "1"}}), "E_TREE");
  EXPECT_EQ(with({{"overlay.opaque", "y"}}), "E_TREE");
  EXPECT_EQ(with({{"a", std::string(limits::kXattrBytes, 'x')}}), "E_TREE") << "too many bytes";
  EXPECT_EQ(with({{"a", "1"}}, Kind::Symlink), "E_TREE");
  std::string cut = encodeTreeEntry([] {
    TreeEntry entry{.kind = Kind::File, .path = "a"};
    entry.attributes = {{"a", "12345678"}};
    return entry;
  }());
  cut[cut.size() - 10] = 9;  // the value is longer than all of them
  EXPECT_EQ(read(encodeTreeEntry(kRoot) + cut + kEnd), "E_TREE");
}

TEST(TreeStream, WhatNoTreeHasIsRefused) {
  for (const std::string path : {"..", "../x", "/x", "a//b", "a/../b", "a/./b", "", "a/"})
    EXPECT_EQ(after({.kind = Kind::File, .path = path}), "E_TREE") << path;
  EXPECT_EQ(after({.kind = Kind::HardLink, .path = "a", .target = "../x"}), "E_TREE");
  EXPECT_EQ(after({.kind = Kind::HardLink, .path = "a"}), "E_TREE");
  EXPECT_EQ(after({.kind = Kind::Symlink, .path = "a", .target = std::string("x\0y", 3)}),
            "E_TREE");
  EXPECT_EQ(after({.kind = Kind::File, .path = "a", .target = "b"}), "E_TREE");
  EXPECT_EQ(after({.kind = Kind::File, .path = std::string("a\0b", 3)}), "E_TREE");
  EXPECT_EQ(after({.kind = Kind::File, .path = "a", .mode = 010000}), "E_TREE");
  EXPECT_EQ(after({.kind = Kind::File, .path = "a", .uid = 65535}), "E_TREE");
  EXPECT_EQ(after({.kind = Kind::File, .path = "a", .mtime = ~std::uint64_t{0}}), "E_TREE");
  EXPECT_EQ(after({.kind = Kind::Directory, .path = "a", .size = 1}), "E_TREE");
  EXPECT_EQ(after({.kind = static_cast<Kind>(9), .path = "a"}), "E_TREE");
  EXPECT_EQ(read(encodeTreeEntry({.kind = Kind::File, .path = "a"}) + kEnd), "E_TREE");
  EXPECT_EQ(read(encodeTreeEntry({.kind = Kind::File}) + kEnd), "E_TREE");
}

TEST(TreeStream, AStreamThatEndsEarlyIsRefused) {
  const std::string whole = encodeTreeEntry(kRoot) +
                            encodeTreeEntry({.kind = Kind::File, .path = "a", .size = 4}) + "abcd" +
                            kEnd;
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_EQ(read(whole.substr(0, i)), "E_TREE") << i;
  EXPECT_EQ(read(whole), ";a;");
}

}  // namespace
}  // namespace airlock::ipc
