// SPDX-License-Identifier: Apache-2.0
#include "tests/support/shell.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/syscall.h"

namespace airlock::test {

Scratch::Scratch() {
  char pattern[] = "/tmp/airlock-test-XXXXXX";
  const char* made = ::mkdtemp(pattern);
  if (made == nullptr) throw std::runtime_error("no scratch directory below /tmp");
  path_ = made;
  ::chmod(made, 0755);
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

namespace {

Fd memory(const char* name, const std::string& content = "") {
  Fd fd = Fd::own(::memfd_create(name, MFD_CLOEXEC));
  if (!content.empty()) sys::writeAll(fd, content).value();
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::string contentOf(FdRef fd) {
  ::lseek(fd.get(), 0, SEEK_SET);
  return sys::readAll(fd, 64U << 20).value();
}

}  // namespace

Outcome shell(const std::string& script, const ShellOptions& options) {
  const Fd program = sys::openPath("/bin/sh", O_RDONLY).value();
  const Fd in = memory("in", options.input);
  const Fd out = memory("out");
  const Fd err = memory("err");
  std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nonexistent",
                                          "LC_ALL=C.UTF-8"};
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  auto child = spawn({.executable = program,
                      .arguments = {"sh", "-ec", "umask 022\n" + script},
                      .environment = environment,
                      .descriptors = {{in, 0}, {out, 1}, {err, 2}},
                      .identity = options.identity,
                      .limits = {},
                      .noNewPrivileges = false,
                      .dieWithParent = true});
  if (!child) return {127, "", child.error().text()};
  const ExitStatus status = child->wait().value();
  return {status.shellCode(), contentOf(out), contentOf(err)};
}

std::string must(const std::string& script, const ShellOptions& options) {
  Outcome outcome = shell(script, options);
  if (outcome.code != 0) {
    ADD_FAILURE() << script << "\nended with " << outcome.code << "\n"
                  << outcome.out << outcome.err;
  }
  return outcome.out;
}

std::string readFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void writeFile(const std::string& path, const std::string& content, mode_t mode) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  ::chmod(path.c_str(), mode);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

void shortPause() { ::usleep(20'000); }

}  // namespace airlock::test
