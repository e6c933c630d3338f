// SPDX-License-Identifier: Apache-2.0
#include "verifier/scratch_for_test.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "base/syscall.h"

namespace airlock::verifier {

Scratch::Scratch() {
  char name[] = "/tmp/airlock-verifier-XXXXXX";
  directory_ = ::mkdtemp(name);
}

Scratch::~Scratch() {
  static_cast<void>(
      !std::system(("GNUPGHOME=" + directory_ + " gpgconf --kill all >/dev/null 2>&1").c_str()));
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string Scratch::read(std::string_view name) const {
  std::ifstream file(path(name), std::ios::binary);
  EXPECT_TRUE(file.good()) << path(name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void Scratch::write(std::string_view name, std::string_view content) const {
  std::ofstream(path(name), std::ios::binary) << content;
}

std::string Scratch::shell(const std::string& command) const {
  const std::string whole = "cd " + directory_ + " && export GNUPGHOME=" + directory_ + " && ( " +
                            command + " ) 2>&1 </dev/null";
  FILE* pipe = ::popen(whole.c_str(), "re");
  std::string output;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe))
    output.append(buffer, got);
  EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << output;
  return output;
}

std::string Scratch::emptyDirectory() {
  const std::string name = path("home" + std::to_string(++count_));
  EXPECT_EQ(::mkdir(name.c_str(), 0700), 0);
  return name;
}

Fd fileOf(std::string_view content) {
  Fd file = Fd::own(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_TRUE(sys::writeAll(file, content));
  return file;
}

std::string contentOf(FdRef file) { return sys::readAll(file, std::size_t{1} << 32).value(); }

Fd pipeOf(const std::string& content) {
  auto pipe = sys::pipe().value();
  const pid_t between = ::fork();
  if (between == 0) {
    if (::fork() != 0) ::_exit(0);  // init reaps the writer
    ::signal(SIGPIPE, SIG_DFL);
    pipe.readEnd.reset();
    static_cast<void>(sys::writeAll(pipe.writeEnd, content));
    ::_exit(0);
  }
  static_cast<void>(::waitpid(between, nullptr, 0));
  return std::move(pipe.readEnd);
}

std::string noise(std::size_t size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

}  // namespace airlock::verifier
