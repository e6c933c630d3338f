// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "base/log.h"
#include "base/syscall.h"
#include "sandbox/credentials.h"
#include "stage1/container/host_name.h"
#include "stage1/container/pod_tree.h"
#include "stage1/contract/app_memory.h"
#include "stage1/contract/diagnosis.h"
#include "stage1/contract/launch.h"
#include "stage1/contract/leash.h"
#include "stage1/contract/spec_reader.h"
#include "stage1/contract/supervisor.h"

namespace airlock::stage1 {

namespace {

struct Setup {
  Fd signals;
  std::vector<SupervisedApp> apps;
};

Result<std::vector<LaunchPlan>> planApps(const ipc::PodSpec& spec) {
  const Environment nothing;
  std::vector<LaunchPlan> plans;
  for (const ipc::AppSpec& app : spec.apps) {
    Fd root = TRY(sys::openPath(appRootPath(app.name), O_PATH | O_DIRECTORY));
    LaunchRequest request{app,
                          app.exec,
                          nothing,
                          spec.terminal,
                          appRootPath(app.name),
                          TRY(appFilter(app)),
                          spec.selinuxProcess,
                          serviceVariables(spec, app)};
    plans.push_back(TRY(inContext(planLaunch(root, std::move(request)), "app " + app.name.text())));
  }
  return plans;
}

Result<void> adjustOomScore(const AppName& app, pid_t pid, std::int32_t score) {
  // The mount on /apps/NAME/proc is ours, made before the app could do anything.
  const std::string path = appRootPath(app) + "/proc/" + std::to_string(pid) + "/oom_score_adj";
  auto file = sys::openPath(path, O_WRONLY | O_NOFOLLOW);
  if (!file) {
    // It has ended already.
    if (file.error().number() == ENOENT) return {};
    return std::unexpected(std::move(file.error()));
  }
  auto written = sys::writeAll(*file, std::to_string(score));
  if (!written && written.error().number() == ESRCH) return {};
  return inContext(std::move(written), "oom_score_adj");
}

// The pod's streams, or the app's own where it has some, and its sockets.
Streams streamsOf(const ipc::PodSpec& spec, std::size_t index, Streams streams) {
  const ipc::AppSpec& app = spec.apps[index];
  const ipc::Stage1Descriptors descriptors{spec};
  int own = descriptors.stream(index);
  if (app.ownInput) streams.input = own++;
  if (app.ownOutput) streams.output = own++;
  if (app.ownErrors) streams.error = own++;
  for (std::size_t i = 0; i < app.sockets.size(); ++i)
    streams.sockets.push_back(descriptors.socket(index) + static_cast<int>(i));
  return streams;
}

Result<std::vector<SupervisedApp>> startApps(const ipc::PodSpec& spec,
                                             const std::vector<LaunchPlan>& plans,
                                             const Streams& streams,
                                             std::vector<Fd> notifySockets) {
  std::vector<SupervisedApp> apps;
  const ipc::Stage1Descriptors numbers{spec};
  for (std::size_t index = 0; index < plans.size(); ++index) {
    const ipc::AppSpec& app = spec.apps[index];
    Fd cgroup;  // closed again with the end of the round: nothing of it is left in PID 1
    if (spec.hasCgroups) cgroup = Fd::own(numbers.cgroup(index));
    AppMemory memory = TRY(AppMemory::watch(cgroup, app.memoryBytes));
    const StartedApp started =
        TRY(startApp(plans[index], streamsOf(spec, index, streams),
                     spec.hasCgroups ? std::optional(cgroup.ref()) : std::nullopt));
    if (started.failure) {
      Fd root = TRY(sys::openPath(plans[index].rootPath, O_PATH | O_DIRECTORY));
      return fail(
          explainFailure(root, plans[index], *started.failure).in("app " + app.name.text()));
    }
    if (app.oomScoreAdjust) {
      TRY(inContext(adjustOomScore(app.name, started.pid, *app.oomScoreAdjust),
                    "app " + app.name.text()));
    }
    apps.push_back({.name = app.name,
                    .pid = started.pid,
                    .status = std::nullopt,
                    .memory = std::move(memory),
                    .notify = std::move(notifySockets[index])});
  }
  return apps;
}

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

  const std::vector<LaunchPlan> plans = TRY(planApps(spec));
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
  setup.apps = TRY(startApps(spec, plans, streams, tree.takeNotifySockets()));
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
                    std::move(setup.apps), true)
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
