// SPDX-License-Identifier: Apache-2.0
// What the policy compiler accepts and refuses; runs the tool itself.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace airlock::sandbox {
namespace {

// True when the tool makes a header from this text.
bool compiles(const std::string& text) {
  char directory[] = "/tmp/airlock-seccompile-XXXXXX";
  const std::filesystem::path place = ::mkdtemp(directory);
  std::ofstream(place / "case.policy") << text;
  const std::string command = AIRLOCK_BINARY_DIR "/bin/seccompile " +
                              (place / "case.policy").string() + " " +
                              (place / "case.bpf.h").string() + " 2>/dev/null";
  const bool good = std::system(command.c_str()) == 0;
  EXPECT_EQ(good, std::filesystem::exists(place / "case.bpf.h"));
  std::filesystem::remove_all(place);
  return good;
}

TEST(Seccompile, AcceptsAPolicyWithReasons) {
  EXPECT_TRUE(compiles("default kill # ours\nallow read write # data\n"));
  EXPECT_TRUE(compiles("default kill # ours\nallow cachestat mseal # newer than libseccomp\n"));
  EXPECT_TRUE(
      compiles("default kill # ours\nallow socket if arg0 in AF_UNIX,AF_INET and arg2 = 0 # a\n"
               "errno EPERM socket # b\n"));
}

TEST(Seccompile, RefusesWhatAReviewerWouldMisread) {
  for (const char* text : {
           "allow read # no default\n",
           "default kill\n",                                                 // no reason
           "default kill # a\nallow read #\n",                               // an empty reason
           "default kill # a\ndefault kill # b\n",                           // twice
           "default kill # a\nallow read # b\nallow read # c\n",             // duplicate
           "default kill # a\nallow read # b\nkill read if arg0 = 1 # c\n",  // never reached
           "default kill # a\nallow raed # b\n",                             // unknown name
           "default kill # a\nallow # b\n",                                  // no name
           "default kill # a\nallow ioctl if arg6 = 1 # b\n",                // no such argument
           "default kill # a\nallow ioctl if arg1 = TIOCSTl # b\n",          // unknown constant
           "default kill # a\nallow ioctl if arg1 = 0x100005412 # b\n",      // more than 32 bits
           "default kill # a\nallow ioctl if arg1 masked 1 = 2 # b\n",       // never true
           "default kill # a\nallow ioctl if arg1 in # b\n",                 // no values
           "default errno EWHAT # a\n",                                      // unknown error
           "default kill # a\npermit read # b\n",                            // unknown action
           "default kill # a\ninclude nowhere # b\n",                        // no such file
           "default kill # a\ninclude case # b\n",                           // itself
       }) {
    EXPECT_FALSE(compiles(text)) << text;
  }
}

}  // namespace
}  // namespace airlock::sandbox
