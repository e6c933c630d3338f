// SPDX-License-Identifier: Apache-2.0
// From an app of a PodSpec to a running process: everything is looked up and laid out first, then
// one child goes through confinement.h and execs.  Every stage1 flavour, for apps and for entered
// processes alike.
#pragma once

#include <sys/types.h>

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

}  // namespace airlock::stage1
