// SPDX-License-Identifier: Apache-2.0
// Writes the seeds of unpack_tar, erofs_check, layer, render and tree_stream: make_tree_seeds
// CORPUS_FOLDER
#include <filesystem>
#include <fstream>

#include "ipc/tree_stream.h"
#include "verifier/tree_test_support.h"

using namespace airlock::verifier::testing;  // NOLINT: one function

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const std::filesystem::path corpus = arguments[1];
  const auto save = [&](const char* target, const std::string& name, const std::string& bytes) {
    std::filesystem::create_directories(corpus / target);
    std::ofstream(corpus / target / name, std::ios::binary) << bytes;
  };
  TarBuilder many = TarBuilder::image();
  for (int i = 0; i < 200; ++i)
    many.hardLink("rootfs/d/link-to-the-file-" + std::to_string(i), "rootfs/f");
  const std::pair<const char*, TarBuilder> seeds[] = {
      {"empty", TarBuilder::image()},
      {"files",
       TarBuilder::image().file("rootfs/a/b", "x").file("rootfs/c", std::string(4090, 'y'))},
      {"links", TarBuilder::image()
                    .file("rootfs/a", "x")
                    .hardLink("rootfs/b", "rootfs/a")
                    .symlink("rootfs/c", "a")},
      {"pax",
       TarBuilder::image()
           .pax(paxRecord("comment", "c"), 'g')
           .pax(paxRecord("path", "rootfs/p") + paxRecord("mtime", "1.5") +
                paxRecord("SCHILY.xattr.user.a", "v") + paxRecord("LIBARCHIVE.xattr.user.b", "dg"))
           .file("x", "x")},
      {"gnu", TarBuilder::image()
                  .add({.name = "././@LongLink",
                        .type = 'L',
                        .content = "rootfs/" + std::string(200, 'n') + '\0'})
                  .file("x", "x")},
  };
  for (const auto& [name, tar] : seeds) {
    save("unpack_tar", name, tar.whole());
    save("erofs_check", name, contentOf(unpack(tar.whole()).image));
  }
  const std::pair<const char*, TarBuilder> layers[] = {
      {"whiteouts", TarBuilder().directory("d/").file("d/.wh.f", "").file("g", "new")},
      {"opaque", TarBuilder().directory("d/").file("d/.wh..wh..opq", "").file("d/n", "x")},
      {"replaced", TarBuilder().file("a", "1").file("a", "2").directory("b/").file("b", "3")},
      {"below", TarBuilder().hardLink("one", "g").file("d/implicit", "x")},
      {"through", TarBuilder().directory("u/").symlink("l", "u").file("l/x", "1")},
      {"devices", TarBuilder().add({.name = "null", .type = '3'}).add({.name = "p", .type = '6'})},
      {"attributes", TarBuilder()
                         .pax(paxRecord("SCHILY.xattr.security.capability", "c") +
                              paxRecord("SCHILY.xattr.user.k", "v"))
                         .file("x", "x")},
  };
  for (const auto& [name, tar] : layers) save("layer", name, tar.whole());
  save("layer", "unpadded", TarBuilder().file("a", "1").withoutEnd().substr(0, 513));
  std::string directory = TarBuilder::image().file("rootfs/f", "x").withoutEnd();
  directory += many.withoutEnd().substr(TarBuilder::image().withoutEnd().size());
  save("erofs_check", "two-blocks", contentOf(unpack(directory + std::string(1024, '\0')).image));
  // Two archives, the length of the first before them; the top bit: under white lists.
  const auto pair = [](const TarBuilder& one, const TarBuilder& two, char lists) {
    const std::string first = one.whole();
    const std::size_t records = first.size() / 512;
    return std::string{static_cast<char>(lists | static_cast<char>(records >> 8)),
                       static_cast<char>(records & 0xff)} +
           first + two.whole();
  };
  const TarBuilder top = TarBuilder::image().file("rootfs/a", "1").file("rootfs/d/b", "2");
  const TarBuilder base = TarBuilder::image()
                              .file("rootfs/a", "old")
                              .hardLink("rootfs/c", "rootfs/a")
                              .hardLink("rootfs/d/e", "rootfs/c")
                              .symlink("rootfs/l", "a")
                              .file("rootfs/a/b", "x");
  save("render", "plain", pair(top, base, 0));
  save("render", "turned", pair(base, top, 0));
  save("render", "lists", pair(top, base, '\x80'));

  using airlock::ipc::TreeEntry;
  using Kind = TreeEntry::Kind;
  std::string stream = encodeTreeEntry(TreeEntry{.kind = Kind::Directory, .mode = 0755});
  save("tree_stream", "root", stream + encodeTreeEntry(TreeEntry{.kind = Kind::End}));
  stream += encodeTreeEntry(TreeEntry{.kind = Kind::File, .path = "d", .mode = 0644, .size = 3});
  stream += "abc" + encodeTreeEntry(TreeEntry{.kind = Kind::HardLink, .path = "h", .target = "d"});
  stream += encodeTreeEntry(TreeEntry{.kind = Kind::Symlink, .path = "l", .target = "../x"});
  TreeEntry attributed{.kind = TreeEntry::Kind::Directory, .path = "x", .mode = 0755};
  attributed.attributes = {{"a", "1"}, {"origin", "there"}};
  stream += encodeTreeEntry(attributed);
  save("tree_stream", "entries", stream + encodeTreeEntry(TreeEntry{.kind = Kind::End}));
  return 0;
}
