// SPDX-License-Identifier: Apache-2.0
#include "sandbox/exec_label.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstring>

#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"

namespace airlock::sandbox {

namespace {

constexpr ino_t kProcRoot = 1;  // PROC_ROOT_INO (linux/proc_fs.h of the kernel)

// async-signal-safe
bool isProcRoot(int fd) {
  struct statfs system;
  struct stat info;
  if (::fstatfs(fd, &system) != 0 || ::fstat(fd, &info) != 0) return false;
  if (system.f_type == PROC_SUPER_MAGIC && info.st_ino == kProcRoot) return true;
  errno = EXDEV;
  return false;
}

// What the kernel gives back may end in a zero byte or a newline (proc_pid_attr_read).
std::size_t lengthOf(const char* text, std::size_t size) {
  while (size > 0 && (text[size - 1] == '\0' || text[size - 1] == '\n')) --size;
  return size;
}

}  // namespace

bool setExecLabel(int proc, const char* label) noexcept {
  if (!isProcRoot(proc)) return false;
  open_how how{};
  how.flags = O_RDWR | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  // "thread-self" is a link to PID/task/TID, and as such inside.
  const auto file =
      static_cast<int>(::syscall(SYS_openat2, proc, "thread-self/attr/exec", &how, sizeof how));
  if (file < 0) return false;
  const std::size_t length = std::strlen(label);
  const ssize_t written = ::write(file, label, length);
  char back[limits::kLabelBytes];
  const ssize_t got =
      written == static_cast<ssize_t>(length) ? ::pread(file, back, sizeof back, 0) : -1;
  const int number = written < 0 || got < 0 ? errno : EIO;
  ::close(file);
  if (got >= 0 && lengthOf(back, static_cast<std::size_t>(got)) == length &&
      std::memcmp(back, label, length) == 0) {
    return true;
  }
  errno = number;
  return false;
}

Result<ExecLabel> ExecLabel::prepare(const std::string& label) {
  if (label.empty()) return ExecLabel(Fd(), "");
  return ExecLabel(TRY(openProc("/proc")), label.c_str());
}

bool ExecLabel::set() const noexcept { return !proc_.valid() || setExecLabel(proc_.get(), label_); }

Result<Fd> openProc(const char* path) {
  Fd proc = TRY(sys::openPath(path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  if (isProcRoot(proc.get())) return proc;
  return refuse(ErrorKind::Failed, "E_SELINUX", std::string(path) + " is not a procfs");
}

Result<std::string> labelOf(FdRef proc, pid_t pid) {
  const BeneathPath path = TRY(BeneathPath::parse(std::to_string(pid) + "/attr/current"));
  const Fd file = TRY(sys::openBeneath(proc, path, O_RDONLY));
  std::string text = TRY(sys::readAll(file, limits::kLabelBytes));
  text.resize(lengthOf(text.data(), text.size()));
  return text;
}

}  // namespace airlock::sandbox
