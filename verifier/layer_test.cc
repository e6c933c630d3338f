// SPDX-License-Identifier: Apache-2.0
#include "verifier/layer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/syscall.h"
#include "ipc/tree_stream.h"
#include "verifier/erofs_check.h"
#include "verifier/layer_stack.h"
#include "verifier/tree_test_support.h"
#include "verifier/tree_walk.h"

namespace airlock::verifier {
namespace {

using testing::memoryFile;
using testing::paxRecord;
using testing::TarBuilder;

// A stack of layers, made from the bottom up as the store's owner has it made.
class Stack {
 public:
  // The code of the refusal, or "accepted".
  std::string add(const TarBuilder& tar) { return addRaw(tar.whole()); }
  std::string addRaw(const std::string& tar) {
    std::vector<FdRef> lowers;
    std::vector<std::uint32_t> skip;
    bool hasLowers = false;
    for (int reading = 0; reading < 4; ++reading) {
      const Fd source = memoryFile(tar);
      Fd image = memoryFile("");
      lowers.clear();
      if (hasLowers)
        for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
          lowers.emplace_back(*layer);
      const auto layered =
          unpackLayer(source, image, {.bottom = layers_.empty(), .lowers = lowers, .skip = skip});
      if (!layered) return layered.error().code();
      last = *layered;
      ++readings;
      if (layered->superseded.empty() && !layered->needsLowers) {
        const auto checked = checkTree(image, TreeOf::Layer);
        if (!checked) return checked.error().text();
        layers_.push_back(std::move(image));
        return "accepted";
      }
      skip.insert(skip.end(), layered->superseded.begin(), layered->superseded.end());
      std::ranges::sort(skip);
      hasLowers |= layered->needsLowers;
    }
    return "read again and again";
  }

  // What is seen of all layers: path → what it is.
  std::map<std::string, std::string> seen() const {
    std::vector<FdRef> layers;
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer)
      layers.emplace_back(*layer);
    sys::Pipe pipe = sys::pipe().value();
    EXPECT_GT(::fcntl(pipe.writeEnd.get(), F_SETPIPE_SZ, 1 << 20), 0);
    EXPECT_TRUE(streamTree(layers, pipe.writeEnd));
    pipe.writeEnd.reset();
    std::map<std::string, std::string> found;
    ipc::TreeStreamReader reader(pipe.readEnd);
    for (;;) {
      auto entry = reader.next();
      EXPECT_TRUE(entry) << entry.error().text();
      if (!entry || !*entry) return found;
      std::string& what = found[(*entry)->path];
      using Kind = ipc::TreeEntry::Kind;
      char mode[8];
      std::snprintf(mode, sizeof mode, "%o", (*entry)->mode);
      if ((*entry)->kind == Kind::Directory) what = std::string("dir ") + mode;
      if ((*entry)->kind == Kind::Symlink) what = "-> " + (*entry)->target;
      if ((*entry)->kind == Kind::HardLink) what = "= " + (*entry)->target;
      if ((*entry)->kind != Kind::File) continue;
      EXPECT_TRUE(reader.content(**entry, [&](std::span<const std::uint8_t> bytes) -> Result<void> {
        what.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return {};
      }));
    }
  }
  std::string at(const std::string& path) const {
    const auto all = seen();
    const auto found = all.find(path);
    return found == all.end() ? "nothing" : found->second;
  }
  const Fd& layer(std::size_t i) const { return layers_[i]; }

  ipc::Layered last;
  int readings = 0;

 private:
  std::vector<Fd> layers_;
};

TarBuilder tar() { return {}; }

TEST(Layer, AWhiteoutTakesAwayWhatIsBelow) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().directory("etc/").file("etc/a", "one").file("etc/b", "two")),
            "accepted");
  ASSERT_EQ(stack.add(tar().directory("etc/").file("etc/.wh.a", "")), "accepted");
  EXPECT_EQ(stack.at("etc/a"), "nothing");
  EXPECT_EQ(stack.at("etc/b"), "two");
  EXPECT_EQ(stack.at("etc/.wh.a"), "nothing");
}

TEST(Layer, WhatAWhiteoutsOwnLayerHasUnderThatNameStays) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().directory("etc/").file("etc/old", "1").file("gone", "x")), "accepted");
  // Whichever comes first (image spec, "Whiteouts"): the directory is a new one, the file replaced.
  ASSERT_EQ(stack.add(tar()
                          .file(".wh.etc", "")
                          .directory("etc/")
                          .file("etc/new", "2")
                          .file("gone", "y")
                          .file(".wh.gone", "")),
            "accepted");
  EXPECT_EQ(stack.at("etc/old"), "nothing");
  EXPECT_EQ(stack.at("etc/new"), "2");
  EXPECT_EQ(stack.at("gone"), "y");
}

TEST(Layer, AnOpaqueDirectoryHidesWhatIsBelowAndNotItsSiblings) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().directory("a/").file("a/old", "1").directory("b/").file("b/x", "b")),
            "accepted");
  ASSERT_EQ(stack.add(tar().directory("a/").file("a/new", "2").file("a/.wh..wh..opq", "")),
            "accepted");
  EXPECT_EQ(stack.at("a/old"), "nothing");
  EXPECT_EQ(stack.at("a/new"), "2");
  EXPECT_EQ(stack.at("b/x"), "b");
}

TEST(Layer, BookkeepingOfAufsMeansNothing) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().file("a", "1")), "accepted");
  ASSERT_EQ(stack.add(tar().directory(".wh..wh.plnk/").file(".wh..wh.aufs", "").file("b", "2")),
            "accepted");
  EXPECT_EQ(stack.seen().size(), 3U);  // the root, a and b
}

TEST(Layer, AWhiteoutOfNothingIsRefused) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().file("a", "1")), "accepted");
  EXPECT_EQ(stack.add(tar().file(".wh.", "")), "E_WHITEOUT");
  EXPECT_EQ(stack.add(tar().file(".wh..", "")), "E_WHITEOUT");
  EXPECT_EQ(stack.add(tar().file(".wh...", "")), "E_WHITEOUT");
}

TEST(Layer, WhiteoutsOfTheBottomLayerLeaveNoTrace) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().file(".wh.a", "").directory("b/").file("b/.wh..wh..opq", "")),
            "accepted");
  EXPECT_TRUE(stack.last.hangsOnPlace);
  EXPECT_TRUE(checkTree(stack.layer(0), TreeOf::Image));
  EXPECT_EQ(stack.seen().size(), 2U);
}

TEST(Layer, ADirectoryThatIsNotMentionedIsAsItWasBelow) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().add({.name = "tmp/", .type = '5', .mode = 01777}).file("tmp/a", "1")),
            "accepted");
  EXPECT_FALSE(stack.last.hangsOnPlace);
  ASSERT_EQ(stack.add(tar().file("tmp/b", "2")), "accepted");
  EXPECT_EQ(stack.at("tmp"), "dir 1777");
  EXPECT_EQ(stack.at("tmp/a"), "1");
  EXPECT_TRUE(stack.last.hangsOnPlace);
}

TEST(Layer, AHardLinkMayNameAFileOfALayerBelow) {
  Stack stack;
  const std::string content(10'000, 'c');
  ASSERT_EQ(stack.add(tar().directory("bin/").file("bin/tool", content)), "accepted");
  ASSERT_EQ(stack.add(tar().file("other", "x")), "accepted");
  ASSERT_EQ(stack.add(tar().hardLink("one", "bin/tool").hardLink("two", "./bin/tool")), "accepted");
  EXPECT_EQ(stack.at("one"), content);
  EXPECT_EQ(stack.at("two"), "= one");
  EXPECT_EQ(stack.at("bin/tool"), content);
}

TEST(Layer, AHardLinkToNothingIsRefused) {
  Stack stack;
  EXPECT_EQ(stack.add(tar().hardLink("one", "two")), "E_LINK");
  ASSERT_EQ(stack.add(tar().directory("d/").file("two", "x")), "accepted");
  EXPECT_EQ(stack.add(tar().hardLink("one", "three")), "E_LINK");
  EXPECT_EQ(stack.add(tar().hardLink("one", "d")), "E_LINK");
  ASSERT_EQ(stack.add(tar().file(".wh.two", "")), "accepted");
  EXPECT_EQ(stack.add(tar().hardLink("one", "two")), "E_LINK");
}

TEST(Layer, ALaterEntryReplacesAnEarlierOne) {
  Stack stack;
  ASSERT_EQ(stack.add(tar()
                          .file("a", std::string(9000, '1'))
                          .file("b", "keep")
                          .file("a", "two")
                          .symlink("c", "b")
                          .directory("c/")
                          .file("c/x", "in c")
                          .directory("d/")
                          .file("d/gone", "1")
                          .file("d", "a file now")),
            "accepted");
  EXPECT_EQ(stack.at("a"), "two");
  EXPECT_EQ(stack.at("b"), "keep");
  EXPECT_EQ(stack.at("c"), "dir 755");
  EXPECT_EQ(stack.at("c/x"), "in c");
  EXPECT_EQ(stack.at("d"), "a file now");
  EXPECT_EQ(stack.readings, 2);
}

TEST(Layer, AnEntryThatOthersAreLinksToIsNotReplaced) {
  Stack stack;
  EXPECT_EQ(stack.add(tar().file("a", "1").hardLink("b", "a").file("a", "2")), "E_DUPLICATE");
}

TEST(Layer, ADirectoryMayComeAgainWithOtherAttributes) {
  Stack stack;
  ASSERT_EQ(
      stack.add(
          tar().directory("a/").file("a/x", "1").add({.name = "a/", .type = '5', .mode = 0700})),
      "accepted");
  EXPECT_EQ(stack.at("a"), "dir 700");
  EXPECT_EQ(stack.at("a/x"), "1");
  EXPECT_EQ(stack.readings, 1);
}

TEST(Layer, T01_APathThroughASymlinkStaysInTheTree) {
  Stack stack;
  ASSERT_EQ(stack.add(tar()
                          .directory("usr/")
                          .directory("usr/lib/")
                          .symlink("lib", "usr/lib")
                          .file("lib/a", "1")
                          .symlink("up", "../../../../usr")
                          .file("up/b", "2")
                          .symlink("abs", "/usr/lib")
                          .file("abs/c", "3")),
            "accepted");
  EXPECT_EQ(stack.at("usr/lib/a"), "1");
  EXPECT_EQ(stack.at("usr/b"), "2");
  EXPECT_EQ(stack.at("usr/lib/c"), "3");
  EXPECT_EQ(stack.add(tar().symlink("x", "y").symlink("y", "x").file("x/a", "")), "E_SYMLINK");
  EXPECT_EQ(stack.add(tar().file("f", "").file("f/a", "")), "E_PATH");
}

TEST(Layer, T08_DevicesAndFifosAreLeftOut) {
  Stack stack;
  ASSERT_EQ(stack.add(tar()
                          .directory("dev/")
                          .add({.name = "dev/sda", .type = '4'})
                          .add({.name = "dev/null", .type = '3'})
                          .add({.name = "dev/pipe", .type = '6'})
                          .file("dev/x", "1")),
            "accepted");
  EXPECT_EQ(stack.last.leftOut, 3U);
  EXPECT_EQ(stack.seen().size(), 3U);
}

TEST(Layer, AttributesThatNoPodCouldUseAreLeftOut) {
  Stack stack;
  ASSERT_EQ(stack.add(tar()
                          .pax(paxRecord("SCHILY.xattr.security.capability", "abc") +
                               paxRecord("SCHILY.xattr.user.kept", "yes") +
                               paxRecord("SCHILY.xattr.trusted.overlay.opaque", "y") +
                               paxRecord("SCHILY.xattr.user.overlay.opaque", "y") +
                               paxRecord("SCHILY.acl.access", "user::rw-"))
                          .file("ping", "x")),
            "accepted");
  const FdRef layers[] = {stack.layer(0)};
  const auto opened = LayerStack::open(layers);
  ASSERT_TRUE(opened);
  const std::string_view path[] = {"ping"};
  const auto found = opened->find(path);
  ASSERT_TRUE(found && *found);
  const auto attributes = opened->reader((*found)->parts.front())
                              .attributes((*found)->inode, (*found)->parts.front().nid);
  ASSERT_TRUE(attributes);
  ASSERT_EQ(attributes->userXattrs.size(), 1U);
  EXPECT_EQ(attributes->userXattrs.at("kept"), "yes");
}

TEST(Layer, AnArchiveMayEndWithoutItsEndMark) {
  Stack stack;
  EXPECT_EQ(stack.addRaw(tar().file("a", "1").withoutEnd()), "accepted");
  // umoci stops right behind the last byte.
  const std::string padded = tar().file("b", "1234").withoutEnd();
  EXPECT_EQ(stack.addRaw(padded.substr(0, padded.size() - 508)), "accepted");
  EXPECT_EQ(stack.at("b"), "1234");
  EXPECT_EQ(stack.addRaw(padded.substr(0, padded.size() - 509)), "E_TRUNCATED");
  EXPECT_EQ(stack.addRaw(""), "accepted");
  EXPECT_EQ(stack.addRaw(std::string(1024, '\0')), "accepted");
  EXPECT_EQ(stack.at("a"), "1");
}

TEST(Layer, T05_NamesLeadNowhereButBelow) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().add({.name = "/abs", .content = "1"})), "accepted");
  EXPECT_EQ(stack.at("abs"), "1");
  EXPECT_EQ(stack.add(tar().file("../x", "")), "E_PATH");
  EXPECT_EQ(stack.add(tar().file("a/../../x", "")), "E_PATH");
  EXPECT_EQ(stack.add(tar().hardLink("a", "../x")), "E_PATH");
}

TEST(Layer, TheSameArchiveAtTheSamePlaceIsTheSameImage) {
  const TarBuilder one =
      tar().directory("a/").file("a/.wh.x", "").file("a/b", std::string(5000, 'b'));
  std::string images[2];
  for (std::string& image : images) {
    Stack stack;
    ASSERT_EQ(stack.add(tar().file("bottom", "1")), "accepted");
    ASSERT_EQ(stack.add(one), "accepted");
    image = testing::contentOf(stack.layer(1));
  }
  EXPECT_EQ(images[0], images[1]);
}

TEST(Layer, OnlyALayerMayHaveWhiteouts) {
  Stack stack;
  ASSERT_EQ(stack.add(tar().file("a", "1")), "accepted");
  ASSERT_EQ(stack.add(tar().file(".wh.a", "")), "accepted");
  EXPECT_FALSE(checkTree(stack.layer(1), TreeOf::Image));
  ASSERT_EQ(stack.add(tar().directory("d/").file("d/.wh..wh..opq", "")), "accepted");
  EXPECT_FALSE(checkTree(stack.layer(2), TreeOf::Image));
}

}  // namespace
}  // namespace airlock::verifier
