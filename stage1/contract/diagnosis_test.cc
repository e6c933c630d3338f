// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/diagnosis.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/syscall.h"

namespace airlock::stage1 {
namespace {

// A directory that goes away with the test.
class Diagnosis : public ::testing::Test {
 protected:
  Diagnosis() {
    char path[] = "/tmp/airlock-diagnosis-XXXXXX";
    path_ = ::mkdtemp(path);
    root_ = sys::openPath(path_, O_RDONLY | O_DIRECTORY).value();
  }
  ~Diagnosis() override {
    Fd parent = sys::openPath("/tmp", O_RDONLY | O_DIRECTORY).value();
    static_cast<void>(sys::removeTree(parent, Component::parse(path_.substr(5)).value()));
  }
  void write(const char* name, const std::string& content) {
    Fd file = Fd::own(::openat(root_.get(), name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
    ASSERT_TRUE(sys::writeAll(file, content));
  }
  std::string explain(const LaunchPlan& plan, int number) {
    return explainFailure(root_, plan, {.number = number, .step = StartStep::Exec, .candidate = 0})
        .text();
  }

  std::string path_;
  Fd root_;
};

TEST_F(Diagnosis, InterpretersOfScripts) {
  write("a", "#!/bin/sh -e\necho");
  write("b", "#! \t/usr/bin/env python\n");
  write("c", "#!\n");
  write("d", "text");
  EXPECT_EQ(interpreterOf(root_, "/a"), "/bin/sh");
  EXPECT_EQ(interpreterOf(root_, "/b"), "/usr/bin/env");
  EXPECT_EQ(interpreterOf(root_, "/c"), std::nullopt);
  EXPECT_EQ(interpreterOf(root_, "/d"), std::nullopt);
  EXPECT_EQ(interpreterOf(root_, "/missing"), std::nullopt);
}

TEST_F(Diagnosis, InterpretersOfElfFiles) {
  Elf64_Ehdr header{};
  std::copy_n(ELFMAG, SELFMAG, header.e_ident);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr part{};
  part.p_type = PT_INTERP;
  part.p_offset = sizeof header + sizeof part;
  part.p_filesz = 7;
  const auto bytes = [&] {
    return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
           std::string(reinterpret_cast<const char*>(&part), sizeof part) +
           std::string("/lib/x\0", 7);
  };
  write("good", bytes());
  part.p_filesz = 1U << 20;
  write("long", bytes());
  part.p_offset = ~0ULL;
  part.p_filesz = 7;
  write("far", bytes());
  header.e_phnum = 60000;
  write("many", bytes());
  EXPECT_EQ(interpreterOf(root_, "/good"), "/lib/x");
  EXPECT_EQ(interpreterOf(root_, "/long"), std::nullopt);
  EXPECT_EQ(interpreterOf(root_, "/far"), std::nullopt);
  EXPECT_EQ(interpreterOf(root_, "/many"), std::nullopt);
}

TEST_F(Diagnosis, WhatIsMissingIsNamed) {
  LaunchPlan plan;
  plan.program = "x";
  plan.searchPath = "/a:/b";
  plan.candidates = {"/a/x", "/b/x"};
  EXPECT_EQ(explain(plan, ENOENT), "unable to find \"x\" in \"/a:/b\"");
  plan.searchPath.clear();
  plan.candidates = {"/a/x"};
  EXPECT_EQ(explain(plan, ENOENT), "unable to open \"/a/x\": No such file or directory");
  write("x", "#!/no/such\n");
  plan.candidates = {"/x"};
  EXPECT_EQ(explain(plan, ENOENT),
            "unable to run \"/x\": its interpreter \"/no/such\" is not in the image");
  write("y", "?");
  plan.candidates = {"/y"};
  EXPECT_EQ(explain(plan, ENOENT), "unable to determine interpreter for \"/y\"");
  EXPECT_EQ(explain(plan, EACCES), "unable to run \"/y\": Permission denied");
  EXPECT_EQ(explain(plan, ENOEXEC), "unable to run \"/y\": not a program for this machine");
}

TEST_F(Diagnosis, EveryStepHasWords) {
  for (int step = 0; step <= static_cast<int>(StartStep::Exec); ++step) {
    const StartFailure failure{
        .number = EPERM, .step = static_cast<StartStep>(step), .candidate = 9};
    EXPECT_FALSE(explainFailure(root_, LaunchPlan{}, failure).text().empty());
  }
}

}  // namespace
}  // namespace airlock::stage1
