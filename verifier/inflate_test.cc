// SPDX-License-Identifier: Apache-2.0
// Archives that the host's own compressors make, and everything that a compressed file can be
// instead.
#include "verifier/inflate.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <memory>

#include "base/limits.h"
#include "base/syscall.h"
#include "verifier/scratch_for_test.h"

namespace airlock::verifier {
namespace {

constexpr std::uint64_t kMost = limits::GiB;

class Inflate : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    scratch_->write("noise", noise(700'000) + std::string(300'000, 'x'));
    scratch_->shell("tar -cf tar noise");
  }
  static void TearDownTestSuite() { scratch_.reset(); }

  static std::string made(const std::string& command) {
    scratch_->shell(command + " > out");
    return scratch_->read("out");
  }
  // "filter: bytes are the tar's", or the code of the refusal.
  static std::string outcome(const std::string& file, bool throughPipe = false,
                             std::uint64_t most = kMost) {
    const Fd in = throughPipe ? pipeOf(file) : fileOf(file);
    const Fd out = fileOf("");
    const auto result = inflate(in, out, {.most = most});
    if (!result)
      return result.error().code().empty() ? result.error().text() : result.error().code();
    EXPECT_EQ(result->bytesIn, file.size());
    EXPECT_EQ(result->bytesOut, contentOf(out).size());
    return result->filter +
           (contentOf(out) == scratch_->read("tar") ? ": the tar" : ": something else");
  }

  static std::unique_ptr<Scratch> scratch_;
};
std::unique_ptr<Scratch> Inflate::scratch_;

TEST_F(Inflate, EveryFilterGivesTheTar) {
  for (const bool pipe : {false, true}) {
    EXPECT_EQ(outcome(made("cat tar"), pipe), "none: the tar");
    EXPECT_EQ(outcome(made("gzip -1 < tar"), pipe), "gzip: the tar");
    EXPECT_EQ(outcome(made("gzip -9 tar -c"), pipe), "gzip: the tar");  // with a name in the header
    EXPECT_EQ(outcome(made("bzip2 < tar"), pipe), "bzip2: the tar");
    EXPECT_EQ(outcome(made("xz -0 < tar"), pipe), "xz: the tar");
    EXPECT_EQ(outcome(made("xz -T2 --block-size=100000 -0 < tar"), pipe), "xz: the tar");
    EXPECT_EQ(outcome(made("xz -C sha256 -0 < tar"), pipe), "xz: the tar");
    EXPECT_EQ(outcome(made("xz -9 < tar"), pipe), "xz: the tar");
    EXPECT_EQ(outcome(made("zstd -1 < tar"), pipe), "zstd: the tar");
    EXPECT_EQ(outcome(made("zstd -T2 -q < tar"), pipe), "zstd: the tar");
  }
}

TEST_F(Inflate, T16_WhatIsNoImageIsRefused) {
  EXPECT_EQ(outcome(""), "E_FILTER");
  EXPECT_EQ(outcome("\x1f"), "E_FILTER");
  EXPECT_EQ(outcome("#!/bin/sh\n" + std::string(600, '#')), "E_FILTER");
  EXPECT_EQ(outcome(std::string(1024, '\0')), "E_FILTER");
  EXPECT_EQ(outcome("PK\3\4" + noise(1000)), "E_FILTER");
  EXPECT_EQ(outcome(made("lzma -0 < tar")), "E_FILTER");
}

TEST_F(Inflate, T16_OnlyOneFilterIsTakenOff) {
  EXPECT_EQ(outcome(made("gzip < tar | gzip")), "gzip: something else");
}

TEST_F(Inflate, T17_NothingMayFollowTheStream) {
  for (const char* tool : {"gzip", "bzip2", "xz -0", "zstd -q"}) {
    const std::string file = made(std::string(tool) + " < tar");
    EXPECT_EQ(outcome(file + "x"), "E_TRAILING") << tool;
    EXPECT_EQ(outcome(file + std::string(4, '\0')), "E_TRAILING") << tool;
    EXPECT_EQ(outcome(file + file), "E_TRAILING") << tool;
    EXPECT_EQ(outcome(file + file, true), "E_TRAILING") << tool;
  }
}

TEST_F(Inflate, T17_AStreamMustBeWhole) {
  for (const char* tool : {"gzip", "bzip2", "xz -0", "zstd -q"}) {
    const std::string file = made(std::string(tool) + " < tar");
    EXPECT_EQ(outcome(file.substr(0, file.size() - 1)), "E_TRUNCATED") << tool;
    EXPECT_EQ(outcome(file.substr(0, file.size() - 9)), "E_TRUNCATED") << tool;
    EXPECT_EQ(outcome(file.substr(0, file.size() / 2), true), "E_TRUNCATED") << tool;
    EXPECT_EQ(outcome(file.substr(0, 7)), "E_TRUNCATED") << tool;
  }
}

TEST_F(Inflate, T17_ChecksumsAndLengthsAreBelievedByNobody) {
  std::string gzip = made("gzip < tar");
  gzip[gzip.size() - 5] ^= 1;  // CRC-32
  EXPECT_EQ(outcome(gzip), "E_CORRUPT");
  gzip = made("gzip < tar");
  gzip[gzip.size() - 1] ^= 1;  // length
  EXPECT_EQ(outcome(gzip), "E_CORRUPT");
  for (const char* tool : {"gzip", "bzip2", "xz -0", "zstd -q"}) {
    std::string file = made(std::string(tool) + " < tar");
    file[file.size() / 2] = static_cast<char>(file[file.size() / 2] ^ 0x55);
    EXPECT_EQ(outcome(file), "E_CORRUPT") << tool;
  }
}

TEST_F(Inflate, T14_BombsAreRefused) {
  const std::string gzip = made("head -c 60M /dev/zero | gzip -9");
  EXPECT_EQ(outcome(gzip), "E_RATIO");
  EXPECT_EQ(outcome(gzip, true), "E_RATIO");
  EXPECT_EQ(outcome(made("head -c 60M /dev/zero | xz -0")), "E_RATIO");
  EXPECT_EQ(outcome(made("head -c 60M /dev/zero | bzip2")), "E_RATIO");
  EXPECT_EQ(outcome(made("head -c 60M /dev/zero | zstd -q")), "E_RATIO");
}

TEST_F(Inflate, T14_ASmallFileMayGrowALittle) {
  EXPECT_EQ(outcome(made("head -c 9M /dev/zero | gzip -9")), "gzip: something else");
}

TEST_F(Inflate, T14_ALongRunOfZerosInALargeFileIsNoBomb) {
  EXPECT_EQ(outcome(made("(head -c 40M /dev/zero; cat tar) | gzip -1")), "gzip: something else");
}

TEST_F(Inflate, T14_NoMoreComesOutThanIsAllowed) {
  const std::string tar = scratch_->read("tar");
  EXPECT_EQ(outcome(made("gzip < tar"), false, tar.size()), "gzip: the tar");
  EXPECT_EQ(outcome(made("gzip < tar"), false, tar.size() - 1), "E_LIMIT");
  EXPECT_EQ(outcome(tar, false, tar.size() - 1), "E_LIMIT");
}

TEST_F(Inflate, T15_HungryDictionariesAreRefused) {
  EXPECT_EQ(outcome(made("xz --lzma2=preset=0,dict=512MiB < tar")), "E_MEMLIMIT");
  // A frame header with a window of 2 GiB, as `zstd --long=31` writes it.
  EXPECT_EQ(outcome(std::string("\x28\xb5\x2f\xfd\x00\xa8", 6) + noise(600)), "E_MEMLIMIT");
}

TEST_F(Inflate, AReaderThatGoesAwayIsAnError) {
  auto pipe = sys::pipe().value();
  pipe.readEnd.reset();
  ::signal(SIGPIPE, SIG_IGN);
  EXPECT_FALSE(inflate(fileOf(scratch_->read("tar")), pipe.writeEnd, {.most = kMost}));
}

}  // namespace
}  // namespace airlock::verifier
