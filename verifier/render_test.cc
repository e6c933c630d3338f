// SPDX-License-Identifier: Apache-2.0
// Trees of several images.
#include <gtest/gtest.h>

#include <map>

#include "verifier/erofs_check.h"
#include "verifier/path_whitelist.h"
#include "verifier/tree_test_support.h"
#include "verifier/unpack.h"

namespace airlock::verifier {
namespace {

using testing::TarBuilder;
using Of = PathWhitelist::Of;

TarBuilder image() { return TarBuilder::image(); }

struct Layer {
  std::string tar;
  std::vector<std::string> own = {};
  std::vector<std::string> dependent = {};  // of an image that leads to this one
};

// What is in the tree of these images: "code" of a refusal, or "" when the checker agrees.
std::string render(const std::vector<Layer>& layers, std::string* bytes = nullptr) {
  std::vector<Fd> tars;
  std::vector<RenderedImage> images;
  for (const Layer& layer : layers) tars.push_back(testing::memoryFile(layer.tar));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    PathWhitelist whitelist;
    whitelist.add(layers[i].dependent, Of::Dependent);
    whitelist.add(layers[i].own, Of::Itself);
    images.push_back({.tar = tars[i], .whitelist = std::move(whitelist)});
  }
  const Fd tree = testing::memoryFile("");
  const Fd scratch = testing::memoryFile("");
  const auto rendered = renderAcis(images, tree, scratch);
  if (!rendered) return rendered.error().code();
  const auto checked = checkTree(tree);
  if (!checked) return "check: " + checked.error().text();
  if (bytes != nullptr) *bytes = testing::contentOf(tree);
  return "";
}

// Rendered, these images are the same bytes as that one image unpacked.
void expectSame(const std::vector<Layer>& layers, const TarBuilder& single) {
  std::string rendered;
  ASSERT_EQ(render(layers, &rendered), "");
  const auto unpacked = testing::unpack(single.whole());
  ASSERT_TRUE(unpacked.result) << unpacked.result.error().text();
  EXPECT_TRUE(rendered == testing::contentOf(unpacked.image));
}

TEST(Render, OneImageIsWhatUnpackMakesOfIt) {
  const auto one = image().directory("rootfs/etc").file("rootfs/etc/motd", "hello");
  expectSame({{one.whole()}}, one);
}

TEST(Render, EarlierImagesWinAndTheOthersFillIn) {
  expectSame(
      {{image().file("rootfs/a", "first").whole()},
       {image().file("rootfs/a", "second").file("rootfs/b", "second").whole()},
       {image().file("rootfs/b", "third").file("rootfs/c", "third").whole()}},
      image().file("rootfs/a", "first").file("rootfs/b", "second").file("rootfs/c", "third"));
}

TEST(Render, ADirectoryKeepsTheAttributesOfTheFirstThatNamesIt) {
  const auto named = [](std::uint64_t mode) {
    return testing::RawEntry{.name = "rootfs/d", .type = '5', .mode = mode};
  };
  expectSame({{image().add(named(0700)).whole()}, {image().add(named(0755)).whole()}},
             image().add(named(0700)));
  // One that is only implied by a path has none of its own yet.
  expectSame({{image().file("rootfs/d/x", "1").whole()}, {image().add(named(0711)).whole()}},
             image().file("rootfs/d/x", "1").add(named(0711)));
}

TEST(Render, NothingGetsBelowWhatAnEarlierImageHasAsAFileOrLink) {
  for (const char type : {'0', '2'}) {
    const testing::RawEntry blocker{
        .name = "rootfs/d", .type = type, .linkName = type == '2' ? "/etc" : ""};
    expectSame({{image().add(blocker).whole()},
                {image().directory("rootfs/d").file("rootfs/d/shadow", "evil").whole()},
                {image().file("rootfs/d/e/f", "evil").whole()}},
               image().add(blocker));
  }
}

TEST(Render, ALaterFileDoesNotReplaceADirectory) {
  expectSame({{image().file("rootfs/d/x", "1").whole()}, {image().file("rootfs/d", "2").whole()}},
             image().file("rootfs/d/x", "1"));
}

TEST(Render, AnOwnWhitelistKeepsDirectoriesAndListedPathsOnly) {
  expectSame({{image()
                   .directory("rootfs/etc")
                   .file("rootfs/etc/kept", "1")
                   .file("rootfs/etc/gone", "2")
                   .symlink("rootfs/etc/link", "kept")
                   .whole(),
               {"/etc//./kept"}}},
             image().directory("rootfs/etc").file("rootfs/etc/kept", "1"));
}

TEST(Render, TheWhitelistOfADependentHoldsForDirectoriesToo) {
  expectSame({{image().whole(), {"/etc/kept"}},
              {image()
                   .add({.name = "rootfs/etc", .type = '5', .mode = 0700})
                   .directory("rootfs/var")
                   .file("rootfs/etc/kept", "1")
                   .file("rootfs/etc/gone", "2")
                   .whole(),
               {},
               {"/etc/kept"}}},
             image().file("rootfs/etc/kept", "1"));
}

TEST(Render, SeveralWhitelistsMeanWhatAllOfThemHave) {
  expectSame({{image().whole()},
              {image().file("rootfs/a", "1").file("rootfs/b", "2").file("rootfs/c", "3").whole(),
               {"/a", "/b"},
               {"/b", "/c"}}},
             image().file("rootfs/b", "2"));
}

TEST(Render, AHardLinkToAFileThatWasReplacedIsThatFile) {
  expectSame({{image().file("rootfs/perl", "new").whole()},
              {image()
                   .file("rootfs/perl", "old")
                   .hardLink("rootfs/perl5", "rootfs/perl")
                   .hardLink("rootfs/perl5.36", "rootfs/perl")
                   .whole()}},
             image()
                 .file("rootfs/perl", "new")
                 .file("rootfs/perl5", "old")
                 .hardLink("rootfs/perl5.36", "rootfs/perl5"));
}

TEST(Render, AHardLinkFindsItsFileThroughNamesThatWereLeftOut) {
  expectSame({{image()
                   .file("rootfs/a", std::string(9000, 'x'))
                   .hardLink("rootfs/b", "rootfs/a")
                   .hardLink("rootfs/c", "rootfs/b")
                   .hardLink("rootfs/d", "rootfs/a")
                   .whole(),
               {"/c", "/d"}}},
             image().file("rootfs/c", std::string(9000, 'x')).hardLink("rootfs/d", "rootfs/c"));
  expectSame(
      {{image().file("rootfs/b", "kept").whole()},
       {image()
            .file("rootfs/a", "1")
            .hardLink("rootfs/b", "rootfs/a")
            .hardLink("rootfs/c", "rootfs/b")
            .whole()}},
      image().file("rootfs/b", "kept").file("rootfs/a", "1").hardLink("rootfs/c", "rootfs/a"));
}

TEST(Render, AHardLinkNamesNoFileOfAnotherImage) {
  EXPECT_EQ(render({{image().file("rootfs/a", "1").whole()},
                    {image().hardLink("rootfs/b", "rootfs/a").whole()}}),
            "E_LINK");
}

TEST(Render, WhatUnpackRefusesIsRefusedInEveryImage) {
  const std::map<std::string, TarBuilder> hostile = {
      {"E_PATH", image().file("rootfs/../x", "")},
      {"E_SYMLINK", image().symlink("rootfs/l", "/etc").file("rootfs/l/x", "")},
      {"E_DUPLICATE", image().file("rootfs/x", "").file("rootfs/x", "")},
      {"E_DEVICE", image().add({.name = "rootfs/null", .type = '3'})},
      {"E_LAYOUT", image().file("etc", "")}};
  for (const auto& [code, tar] : hostile) {
    EXPECT_EQ(render({{tar.whole()}, {image().whole()}}), code);
    EXPECT_EQ(render({{image().file("rootfs/y", "").whole()}, {tar.whole()}}), code);
  }
}

TEST(Render, TheWhitelistIsCleanedAsAnAbsolutePath) {
  PathWhitelist whitelist;
  whitelist.add({"../../etc/./passwd", "/a/b/../c/"}, Of::Dependent);
  EXPECT_TRUE(whitelist.keeps("etc/passwd", false));
  EXPECT_TRUE(whitelist.keeps("a/c", true));
  EXPECT_FALSE(whitelist.keeps("a/b", true));
  EXPECT_FALSE(whitelist.keeps("", true));
  PathWhitelist none;
  none.add({}, Of::Dependent);
  EXPECT_TRUE(none.keeps("anything", false));
}

}  // namespace
}  // namespace airlock::verifier
