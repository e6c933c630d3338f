// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/run.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/credentials.h"
#include "stage1/container/host_name.h"
#include "stage1/container/pod_tree.h"
#include "stage1/container/start_apps.h"
#include "stage1/contract/leash.h"
#include "stage1/contract/spec_reader.h"
#include "stage1/contract/supervisor.h"

namespace airlock::stage1 {

namespace {

struct Setup {
  Fd signals;
  StartedApps started;
};

Result<Setup> setUp(Leash& leash) {
  const ipc::PodSpec spec = TRY(takePodSpec());
  // Nothing but the contract's descriptors: what is not known cannot leak into an app.
  TRY(checkRunDescriptors(spec));
  Setup setup;
  // Before the first child, or its end could be missed.
  setup.signals = TRY(openSignals());

  TRY(setHostName(hostNameOf(spec)));
  if (spec.network == ipc::Network::Loopback) TRY(bringLoopbackUp());

  PodTree tree = TRY(PodTree::make(spec.selinuxMount));
  TRY(tree.attach(spec));
  TRY(tree.keepFilters(spec));
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

Result<int> run(Leash& leash) {
  // First: nothing in the pod may look into the process that still has all rights in it.
  TRY(sandbox::setDumpable(false));
  ::umask(0);  // modes are what we say they are; apps get one of their own
  Setup setup = TRY(setUp(leash));
  leash.send({});
  TRY(giveUpSetupRights());
  return Supervisor(std::move(leash), std::move(setup.signals), Fd::own(ipc::kStatusDirFd),
                    std::move(setup.started.apps), std::move(setup.started.streams), true)
      .run();
}

}  // namespace

int runPod() {
  Leash leash(Fd::own(ipc::kLeashFd));
  auto result = run(leash);
  if (result) return *result;
  if (!leash.send({.kind = ipc::LeashEvent::Kind::Failed,
                   .app = {},
                   .status = kFailedCode,
                   .text = result.error().text()})) {
    log(LogLevel::Error, "stage1", result.error().text());
  }
  return kFailedCode;
}

}  // namespace airlock::stage1
