// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/run.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/syscall.h"
#include "sandbox/credentials.h"
#include "stage1/container/host_name.h"
#include "stage1/container/pod_tree.h"
#include "stage1/container/sandbox_root.h"
#include "stage1/container/start_apps.h"
#include "stage1/contract/leash.h"
#include "stage1/contract/spec_reader.h"
#include "stage1/contract/status_file.h"
#include "stage1/contract/supervisor.h"

namespace airlock::stage1 {

namespace {

struct Setup {
  Duty duty = Duty::Pod;
  Fd signals;
  StartedApps started;
};

// An added app's mounts are in a namespace of its own, which ends with its last process: whatever
// happens to it, the pod's stays as the sandbox has made it.  There the sandbox's root directory is
// what the host's is to a pod.
Result<void> leaveSandboxAlone() {
  // Until the sandbox is complete "/" is the host's, or not sealed yet.
  const Fd top = TRY(sys::openPath("/", O_PATH | O_DIRECTORY));
  struct statvfs fileSystem {};
  if (::fstatvfs(top.get(), &fileSystem) != 0) return failErrno("look at the pod's root");
  if (TRY(sys::status(top)).st_uid != 0 || (fileSystem.f_flag & ST_RDONLY) == 0)
    return refuse(ErrorKind::Busy, "E_NOT_RUNNING", "the pod is still starting", "Try again");
  if (::unshare(CLONE_NEWNS) != 0) return failErrno("unshare the mount namespace");
  return {};
}

Result<Setup> setUp(Leash& leash, bool added) {
  const ipc::PodSpec spec = TRY(takePodSpec());
  // Nothing but the contract's descriptors: what is not known cannot leak into an app.
  TRY(checkRunDescriptors(spec));
  Setup setup;
  if (added && spec.sandbox)
    return refuse(ErrorKind::Invalid, "E_REQUEST", "a sandbox is no app of one");
  if (added) setup.duty = Duty::AddedApp;
  if (spec.sandbox) setup.duty = Duty::Sandbox;
  // Before the first child, or its end could be missed.
  setup.signals = TRY(openSignals());

  if (added) {
    TRY(leaveSandboxAlone());
  } else {
    TRY(setHostName(hostNameOf(spec)));
    if (spec.network == ipc::Network::Loopback) TRY(bringLoopbackUp());
  }

  PodTree tree = TRY(PodTree::make(spec.selinuxMount));
  if (added) TRY(tree.shareWithSandbox());
  TRY(tree.attach(spec));
  TRY(tree.keepFilters(spec));
  if (spec.sandbox) TRY(furnishSandbox(tree.root(), spec));
  // After the last look at the host's /dev, /proc and /sys; before the first thing that an image
  // has a say in runs.
  TRY(tree.leaveHost());

  Streams streams{ipc::kStdinFd, ipc::kStdoutFd, ipc::kStderrFd, false};
  if (spec.terminal) {
    // Before the app starts: what it writes first must find a reader.
    if (!leash.send({.kind = ipc::LeashEvent::Kind::Terminal,
                     .app = spec.apps.front().name.text(),
                     .status = 0,
                     .text = {}},
                    tree.terminalMaster())) {
      return fail(ErrorKind::Failed, "nobody takes the pod's terminal");
    }
    const int terminal = tree.terminal().get();
    streams = {terminal, terminal, terminal, true};
  }
  setup.started = TRY(startApps(spec, streams, tree.takeNotifySockets(), setup.signals, leash));
  // PID 1 keeps no end of the apps' streams, whose reader must see the end when the apps have
  // ended, and none of their sockets.
  for (int fd = ipc::kStdinFd; fd <= ipc::kStderrFd; ++fd) ::close(fd);
  const ipc::Stage1Descriptors descriptors{spec};
  for (int fd = descriptors.socket(0); fd < descriptors.cgroup(0); ++fd) ::close(fd);
  return setup;
}

Result<int> run(Leash& leash, bool added) {
  // First: nothing in the pod may look into the process that still has all rights in it.
  TRY(sandbox::setDumpable(false));
  ::umask(0);  // modes are what we say they are; apps get one of their own
  Setup setup = TRY(setUp(leash, added));
  TRY(markReady(FdRef(ipc::kStatusDirFd)));
  leash.send({});
  TRY(giveUpSetupRights());
  return Supervisor(std::move(leash), std::move(setup.signals), Fd::own(ipc::kStatusDirFd),
                    std::move(setup.started.apps), std::move(setup.started.streams), setup.duty)
      .run();
}

int runOr254(bool added) {
  Leash leash(Fd::own(ipc::kLeashFd));
  auto result = run(leash, added);
  if (result) return *result;
  if (!leash.send({.kind = ipc::LeashEvent::Kind::Failed,
                   .app = {},
                   .status = kFailedCode,
                   .text = result.error().text()})) {
    log(LogLevel::Error, "stage1", result.error().text());
  }
  return kFailedCode;
}

}  // namespace

int runPod() { return runOr254(false); }
int runAddedApp() { return runOr254(true); }

}  // namespace airlock::stage1
