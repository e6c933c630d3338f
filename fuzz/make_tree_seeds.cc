// SPDX-License-Identifier: Apache-2.0
// Writes the seeds of unpack_tar and erofs_check: make_tree_seeds CORPUS_FOLDER
#include <filesystem>
#include <fstream>

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
  std::string directory = TarBuilder::image().file("rootfs/f", "x").withoutEnd();
  directory += many.withoutEnd().substr(TarBuilder::image().withoutEnd().size());
  save("erofs_check", "two-blocks", contentOf(unpack(directory + std::string(1024, '\0')).image));
  return 0;
}
