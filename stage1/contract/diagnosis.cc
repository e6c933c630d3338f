// SPDX-License-Identifier: Apache-2.0
#include "stage1/contract/diagnosis.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::stage1 {

namespace {

constexpr std::size_t kScriptLineBytes = 256;  // BINPRM_BUF_SIZE
constexpr unsigned kProgramHeaders = 64;

const char* nameOf(StartStep step) {
  switch (step) {
    case StartStep::CgroupNamespace:
      return "make a cgroup namespace";
    case StartStep::Root:
      return "enter its root";
    case StartStep::Session:
      return "start a session";
    case StartStep::Streams:
      return "take its standard streams";
    case StartStep::Terminal:
      return "take its terminal";
    case StartStep::Descriptors:
      return "close what is not its own";
    case StartStep::Limits:
      return "set its limits";
    case StartStep::BoundingSet:
      return "shrink its capability bounding set";
    case StartStep::Groups:
      return "set its groups";
    case StartStep::Gid:
      return "set its gid";
    case StartStep::Uid:
      return "set its uid";
    case StartStep::VerifyIds:
      return "verify its ids";
    case StartStep::ParentDeath:
      return "tie its life to its watcher";
    case StartStep::WorkingDirectory:
    case StartStep::WorkingDirectoryOutside:
      return "enter its working directory";
    case StartStep::Label:
      return "set its SELinux label";
    case StartStep::Capabilities:
      return "give up capabilities";
    case StartStep::VerifyCapabilities:
      return "verify its capabilities";
    case StartStep::NoNewPrivileges:
      return "set no_new_privs";
    case StartStep::Filter:
      return "install the system call filter";
    case StartStep::ExtraFilter:
      return "install its further system call filter";
    case StartStep::Exec:
      return "run its program";
  }
  return "start";
}

bool readAt(FdRef file, void* buffer, std::size_t size, std::uint64_t offset) {
  if (offset > limits::kTreeBytes) return false;
  return ::pread(file.get(), buffer, size, static_cast<off_t>(offset)) ==
         static_cast<ssize_t>(size);
}

std::optional<std::string> scriptInterpreter(FdRef file) {
  char line[kScriptLineBytes] = {};
  const ssize_t got = ::pread(file.get(), line, sizeof line - 1, 2);
  if (got <= 0) return std::nullopt;
  std::string_view rest(line, static_cast<std::size_t>(got));
  rest = rest.substr(0, rest.find('\n'));
  const auto begin = rest.find_first_not_of(" \t");
  if (begin == rest.npos) return std::nullopt;
  rest.remove_prefix(begin);
  return std::string(rest.substr(0, rest.find_first_of(std::string_view(" \t\0", 3))));
}

std::optional<std::string> elfInterpreter(FdRef file) {
  Elf64_Ehdr header;
  if (!readAt(file, &header, sizeof header, 0)) return std::nullopt;
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
      header.e_phnum > kProgramHeaders) {
    return std::nullopt;
  }
  for (unsigned index = 0; index < header.e_phnum; ++index) {
    Elf64_Phdr part;
    if (!readAt(file, &part, sizeof part, header.e_phoff + index * sizeof part))
      return std::nullopt;
    if (part.p_type != PT_INTERP) continue;
    if (part.p_filesz < 2 || part.p_filesz > limits::kPathBytes) return std::nullopt;
    std::string path(part.p_filesz, '\0');
    if (!readAt(file, path.data(), path.size(), part.p_offset) || path.back() != '\0') {
      return std::nullopt;
    }
    path.resize(std::strlen(path.c_str()));
    return path;
  }
  return std::string();
}

Error missingProgram(FdRef root, const LaunchPlan& plan, const std::string& tried) {
  if (!plan.searchPath.empty() && !sys::openInRoot(root, tried, O_PATH)) {
    return Error(ErrorKind::Missing, "unable to find \"" + printable(plan.program) + "\" in \"" +
                                         printable(plan.searchPath) + "\"");
  }
  if (auto file = sys::openInRoot(root, tried, O_PATH); !file) {
    return Error::fromErrno(file.error().number(), "unable to open \"" + printable(tried) + "\"");
  }
  // The program is there, so what the kernel misses is what would run it.
  const auto interpreter = interpreterOf(root, tried);
  if (!interpreter || interpreter->empty()) {
    return Error(ErrorKind::Missing,
                 "unable to determine interpreter for \"" + printable(tried) + "\"");
  }
  return Error(ErrorKind::Missing, "unable to run \"" + printable(tried) +
                                       "\": its interpreter \"" + printable(*interpreter) +
                                       "\" is not in the image");
}

Error explainExec(FdRef root, const LaunchPlan& plan, const StartFailure& failure) {
  if (plan.candidates.empty()) {
    return Error(ErrorKind::Missing, "unable to find \"" + printable(plan.program) + "\" in \"" +
                                         printable(plan.searchPath) + "\"");
  }
  const std::size_t index = failure.candidate < plan.candidates.size() ? failure.candidate : 0;
  const std::string& tried = plan.candidates[index];
  if (failure.number == ENOENT) {
    // A bare name may be in a later directory of the path, with its interpreter missing.
    for (const std::string& candidate : plan.candidates) {
      if (sys::openInRoot(root, candidate, O_PATH)) return missingProgram(root, plan, candidate);
    }
    return missingProgram(root, plan, tried);
  }
  if (failure.number == ENOEXEC) {
    return Error(ErrorKind::Invalid,
                 "unable to run \"" + printable(tried) + "\": not a program for this machine");
  }
  return Error::fromErrno(failure.number, "unable to run \"" + printable(tried) + "\"");
}

}  // namespace

std::optional<std::string> interpreterOf(FdRef root, const std::string& path) {
  auto file = sys::openInRoot(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return std::nullopt;
  const auto info = sys::status(*file);
  unsigned char magic[SELFMAG];
  if (!info || !S_ISREG(info->st_mode) || !readAt(*file, magic, sizeof magic, 0))
    return std::nullopt;
  if (std::memcmp(magic, ELFMAG, SELFMAG) == 0) return elfInterpreter(*file);
  if (std::memcmp(magic, "#!", 2) == 0) return scriptInterpreter(*file);
  return std::nullopt;
}

Error explainFailure(FdRef root, const LaunchPlan& plan, const StartFailure& failure) {
  if (failure.step == StartStep::Exec) return explainExec(root, plan, failure);
  const std::string& directory = plan.confinement.workingDirectory;
  if (failure.step == StartStep::WorkingDirectoryOutside) {
    return Error(ErrorKind::Denied,
                 "the working directory " + quoted(directory) + " is outside of the app's root")
        .withCode("E_CWD");
  }
  if (failure.step == StartStep::WorkingDirectory) {
    return Error::fromErrno(failure.number, "the working directory " + quoted(directory))
        .withCode("E_CWD");
  }
  Error error = Error::fromErrno(failure.number, nameOf(failure.step));
  return failure.step == StartStep::Label ? std::move(error).withCode("E_SELINUX") : error;
}

}  // namespace airlock::stage1
