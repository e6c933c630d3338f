// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>

namespace airlock::cli {
namespace {

struct Pty {
  Fd master;
  Fd slave;
};
Pty openPty() {
  int master = -1;
  int slave = -1;
  EXPECT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  return {Fd::own(master), Fd::own(slave)};
}

TEST(Escape, IsThreeTimesControlBracketWithinASecond) {
  EXPECT_TRUE(EscapeDetector().feed("\x1d\x1d\x1d", 5000));
  EscapeDetector oneByOne;
  EXPECT_FALSE(oneByOne.feed("\x1d", 0));
  EXPECT_FALSE(oneByOne.feed("\x1d", 500));
  EXPECT_TRUE(oneByOne.feed("\x1d", 1000));
}

TEST(Escape, IsNotTypedSlowly) {
  EscapeDetector slow;
  EXPECT_FALSE(slow.feed("\x1d\x1d", 0));
  EXPECT_FALSE(slow.feed("\x1d", 1001));
  // The late one counts as the first of the next three.
  EXPECT_FALSE(slow.feed("\x1d", 1500));
  EXPECT_TRUE(slow.feed("\x1d", 1900));
}

TEST(Escape, IsNotTypedWithSomethingBetween) {
  EscapeDetector other;
  EXPECT_FALSE(other.feed("\x1d\x1dx\x1d", 0));
  EXPECT_FALSE(other.feed("", 0));
  EXPECT_FALSE(other.feed("\x1d", 0));
  EXPECT_TRUE(
      other.feed("abc\x1d\x1d\x1d"
                 "def",
                 1));
}

TEST(Terminal, RawModeEndsWithItsOwner) {
  const Pty pty = openPty();
  termios before{};
  ASSERT_EQ(::tcgetattr(pty.slave.get(), &before), 0);
  {
    auto raw = RawMode::enter(pty.slave);
    ASSERT_TRUE(raw);
    termios now{};
    ASSERT_EQ(::tcgetattr(pty.slave.get(), &now), 0);
    EXPECT_EQ(now.c_lflag & (ICANON | ECHO | ISIG), 0U);
    const RawMode moved = *std::move(raw);
  }
  termios after{};
  ASSERT_EQ(::tcgetattr(pty.slave.get(), &after), 0);
  EXPECT_EQ(after.c_lflag, before.c_lflag);
}

TEST(Terminal, RawModeOfAFileIsAnError) {
  const Fd file = Fd::own(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(isTerminal(file));
  EXPECT_FALSE(RawMode::enter(file));
}

TEST(Terminal, OfAnotherProcessGroupIsNotWatched) {
  const Pty pty = openPty();  // nobody's controlling terminal
  termios before{};
  ASSERT_EQ(::tcgetattr(pty.slave.get(), &before), 0);
  {
    const EscapeWatch watch(pty.slave);
    EXPECT_EQ(watch.fd(), -1);
  }
  const Fd file = Fd::own(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(EscapeWatch(file).fd(), -1);
  termios after{};
  ASSERT_EQ(::tcgetattr(pty.slave.get(), &after), 0);
  EXPECT_EQ(after.c_lflag, before.c_lflag);
}

TEST(Terminal, WindowSizeIsCopied) {
  const Pty from = openPty();
  const Pty to = openPty();
  winsize size{.ws_row = 33, .ws_col = 77, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(from.slave.get(), TIOCSWINSZ, &size), 0);
  copyWindowSize(from.slave, to.master);
  winsize got{};
  ASSERT_EQ(::ioctl(to.slave.get(), TIOCGWINSZ, &got), 0);
  EXPECT_EQ(got.ws_row, 33);
  EXPECT_EQ(got.ws_col, 77);
}

}  // namespace
}  // namespace airlock::cli
