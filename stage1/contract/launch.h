// SPDX-License-Identifier: Apache-2.0
// From an app of a PodSpec to a running process: everything is looked up and laid out first, then
// one child goes through confinement.h and execs.  Every stage1 flavour, for apps and for entered
// processes alike.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"
#include "stage1/contract/confinement.h"
#include "stage1/contract/notify.h"

namespace airlock::stage1 {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct LaunchPlan {
  std::string rootPath;    // of the app's root, from the root of the process that starts it
  std::string program;     // exec[0] as it was asked for
  std::string searchPath;  // PATH when `program` is a bare name, else empty
  std::vector<std::string> candidates;  // what is tried, in order
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<std::string> ownPid;  // variables that say the pid of the process itself
  Confinement confinement;
};

struct LaunchRequest {
  const ipc::AppSpec& app;
  const std::vector<std::string>& exec;  // the app's own, or what `enter` asks for
  const Environment& extraEnvironment;   // on top of the app's
  bool terminal = false;
  std::string rootPath;
  std::vector<sock_filter> extraFilter;
  std::string label;              // PodSpec::selinuxProcess
  ServiceVariables service = {};  // of an app's start; an entered process has none
};

// `root` is the app's root.  Resolves the user, group and program names with what the image has.
Result<LaunchPlan> planLaunch(FdRef root, LaunchRequest request);

// The environment of an app: its own, then what is missing of PATH, SHELL, USER, LOGNAME, HOME,
// TERM.
Environment completeEnvironment(Environment environment, const std::string& userName,
                                const std::string& home, bool terminal);

// What is tried for exec[0]: an absolute path as it is, one with '/' below the working directory, a
// bare name in each absolute directory of `searchPath`.
std::vector<std::string> programCandidates(const std::string& program,
                                           const std::string& workingDirectory,
                                           const std::string& searchPath);

struct Streams {
  int input;
  int output;
  int error;
  bool terminal = false;          // all three are one terminal, which becomes the controlling one
  std::vector<int> sockets = {};  // what the program finds from 3 on
};

struct StartedApp {
  pid_t pid;
  std::optional<StartFailure> failure;  // nullopt: the program runs
};
// Clones a child with a mount and a cgroup namespace of its own that starts the plan, and waits for
// its exec.  `cgroup`: the app's, which the child is in from its first instruction (R16); nullopt:
// this process's own.  E_SELINUX when the kernel gave it another label than the plan's: then it has
// been killed.
Result<StartedApp> startApp(const LaunchPlan& plan, const Streams& streams,
                            std::optional<FdRef> cgroup);

// What the child tells its parent, in memory that both have.  A pipe would still be open when the
// kernel has already given the process its new memory, and a payload with CAP_SYS_PTRACE could take
// it from there (R06).
struct StartReport {
  bool failed;
  StartFailure failure;
};
struct UnmapReport {
  void operator()(StartReport* report) const noexcept;
};

// A child that is to run later, when its parent has no right any more to start one: it waits, with
// its streams and nothing else, before the first step of its confinement.  Until it is released no
// signal reaches it but KILL, and nothing in the pod can look into it, as into PID 1.
struct WaitingProgram {
  pid_t pid = -1;
  Fd gate;  // closed: it has been released, or will never be
  std::unique_ptr<StartReport, UnmapReport> report;
};
Result<WaitingProgram> startWaiting(const LaunchPlan& plan, const Streams& streams,
                                    std::optional<FdRef> cgroup);
// True: it goes on, through the whole of its confinement.
bool release(WaitingProgram& program);

}  // namespace airlock::stage1
