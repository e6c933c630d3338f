// SPDX-License-Identifier: Apache-2.0
#include "tests/support/host_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/digest.h"
#include "base/syscall.h"
#include "tests/support/shell.h"

namespace airlock::test {

namespace fs = std::filesystem;

namespace {

void addFiles(const std::string& top, HostState& state) {
  std::error_code error;
  for (auto at = fs::recursive_directory_iterator(top, error);
       !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const std::string path = at->path().string();
    // The audit record grows with whatever is asked; tests/lifecycle/audit_test.cc looks at it.
    if (path == top + "/audit-end") continue;
    if (path == top + "/run" || path == top + "/cache" || path == top + "/audit") {
      at.disable_recursion_pending();
      continue;
    }
    struct stat info;
    if (::lstat(path.c_str(), &info) != 0) continue;
    std::string facts = std::to_string(info.st_mode) + " " + std::to_string(info.st_uid);
    if (S_ISREG(info.st_mode)) {
      facts += " " + std::to_string(info.st_size);
      if (auto file = sys::openPath(path, O_RDONLY))
        facts += " " + sha512OfFile(*file).value().shortText(16);
    }
    state["file:" + path.substr(top.size())] = facts;
  }
}

void addMounts(const std::string& top, HostState& state) {
  for (const std::string& line : lines(readFile("/proc/self/mountinfo"))) {
    if (line.find(top) != line.npos) state["mount:" + line] = "";
  }
}

// Pods come up in their caller's cgroup: one of this process's own, so that other tests' pods are
// not seen.
class OwnCgroup {
 public:
  OwnCgroup() {
    for (const char* hierarchy : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      if (!exists(hierarchy + std::string("/cgroup.procs"))) continue;
      const std::string own = readFile("/proc/self/cgroup");
      const auto line = own.find("0::/");
      if (line == own.npos) continue;
      parent_ = hierarchy + own.substr(line + 3, own.find('\n', line) - line - 3);
      path_ = parent_ + "/test-of-airlock-" + std::to_string(::getpid());
      if (::mkdir(path_.c_str(), 0755) != 0 || !enter(path_)) path_.clear();
      return;
    }
  }
  ~OwnCgroup() {
    if (path_.empty()) return;
    enter(parent_);
    ::rmdir(path_.c_str());
  }
  OwnCgroup(const OwnCgroup&) = delete;
  OwnCgroup& operator=(const OwnCgroup&) = delete;
  const std::string& path() const { return path_; }

 private:
  static bool enter(const std::string& path) {
    const Fd file = Fd::own(::open((path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    return file.valid() && ::write(file.get(), "0", 1) == 1;
  }
  std::string parent_;
  std::string path_;  // empty: there is no cgroup v2 that we may use
};

const OwnCgroup& ownCgroup() {
  static const OwnCgroup cgroup;
  return cgroup;
}

void addCgroups(HostState& state) {
  if (ownCgroup().path().empty()) return;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(ownCgroup().path(), error)) {
    if (entry.is_directory()) state["cgroup:" + entry.path().filename().string()] = "";
  }
}

void addProcesses(HostState& state) {
  std::map<pid_t, std::pair<pid_t, std::string>> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 0) continue;
    const std::string stat = readFile(entry.path() / "stat");
    const auto end = stat.rfind(')');
    if (end == stat.npos || stat.size() < end + 5 || stat[end + 2] == 'Z') continue;
    const auto begin = stat.find('(');
    all[pid] = {std::atoi(stat.c_str() + end + 4), stat.substr(begin, end - begin + 1)};
  }
  std::set<pid_t> ours = {::getpid()};
  for (bool grown = true; grown;) {
    grown = false;
    for (const auto& [pid, facts] : all)
      grown = (ours.contains(facts.first) && ours.insert(pid).second) || grown;
  }
  ours.erase(::getpid());
  for (const pid_t pid : ours) {
    // gpg's agent belongs to the signer's home, not to the engine.
    if (all[pid].second != "(gpg-agent)")
      state["process:" + std::to_string(pid) + " " + all[pid].second] = "";
  }
}

}  // namespace

HostState hostState(const std::string& dataDirectory) {
  HostState state;
  addFiles(dataDirectory, state);
  addMounts(dataDirectory, state);
  addCgroups(state);
  addProcesses(state);
  return state;
}

std::string difference(const HostState& before, const HostState& after) {
  std::string text;
  for (const auto& [what, facts] : before) {
    const auto now = after.find(what);
    if (now == after.end()) {
      text += "gone: " + what + "\n";
    } else if (now->second != facts) {
      text += "changed: " + what + ": " + facts + " -> " + now->second + "\n";
    }
  }
  for (const auto& [what, facts] : after) {
    if (!before.contains(what)) text += "new: " + what + " " + facts + "\n";
  }
  return text;
}

void ownWhatWeStart() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ownCgroup();
}

void reapOrphans(const std::vector<pid_t>& keep) {
  const std::string self = std::to_string(::getpid());
  std::istringstream children(readFile("/proc/self/task/" + self + "/children"));
  for (pid_t pid; children >> pid;) {
    if (std::ranges::find(keep, pid) == keep.end()) ::waitpid(pid, nullptr, WNOHANG);
  }
}

}  // namespace airlock::test
