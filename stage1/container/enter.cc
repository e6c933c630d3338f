// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/log.h"
#include "base/syscall.h"
#include "sandbox/credentials.h"
#include "stage1/container/pod_tree.h"
#include "stage1/container/run.h"
#include "stage1/container/terminal.h"
#include "stage1/contract/diagnosis.h"
#include "stage1/contract/launch.h"
#include "stage1/contract/leash.h"
#include "stage1/contract/spec_reader.h"
#include "stage1/contract/supervisor.h"

namespace airlock::stage1 {

namespace {

Result<const ipc::AppSpec*> findApp(const ipc::PodSpec& spec, const AppName& name) {
  const auto app = std::ranges::find(spec.apps, name, &ipc::AppSpec::name);
  if (app == spec.apps.end()) {
    return refuse(ErrorKind::Missing, "E_APP", "the pod has no app " + name.text());
  }
  return &*app;
}

Result<Streams> openStreams(Leash& leash, FdRef root, const ipc::EnterSpec& enter, Fd& terminal) {
  Streams streams{ipc::kStdinFd, ipc::kStdoutFd, ipc::kStderrFd, false};
  if (!enter.terminal) return streams;
  const BeneathPath path = TRY(BeneathPath::parse("dev/pts"));
  Fd terminals = TRY(sys::openBeneath(root, path, O_PATH | O_DIRECTORY));
  Fd master = TRY(openTerminal(terminals));
  terminal = TRY(openPeer(master));
  if (!leash.send({.kind = ipc::LeashEvent::Kind::Terminal,
                   .app = enter.app.text(),
                   .status = 0,
                   .text = {}},
                  master)) {
    return fail(ErrorKind::Failed, "nobody takes the terminal");
  }
  return Streams{terminal.get(), terminal.get(), terminal.get(), true};
}

Result<int> enter(Leash& leash) {
  // First: the pod is running, and looks (CVE-2016-9962).
  TRY(sandbox::setDumpable(false));
  TRY(checkEnterDescriptors());
  const ipc::PodSpec spec = TRY(takePodSpec());
  const ipc::EnterSpec wanted = TRY(takeEnterSpec());
  const ipc::AppSpec& app = *TRY(findApp(spec, wanted.app));
  Fd signals = TRY(openSignals());

  // Until the pod has built its own root, "/" here is the host's, which nobody in the pod owns.
  const Fd top = TRY(sys::openPath("/", O_PATH | O_DIRECTORY));
  if (TRY(sys::status(top)).st_uid != 0)
    return refuse(ErrorKind::Busy, "E_NOT_RUNNING", "the pod is still starting");
  const std::string path = appRootPath(app.name);
  Fd root = TRY(sys::openPath(path, O_PATH | O_DIRECTORY));
  LaunchRequest request{app,  wanted.exec,         wanted.environment, wanted.terminal,
                        path, TRY(appFilter(app)), spec.selinuxProcess};
  const LaunchPlan plan = TRY(planLaunch(root, std::move(request)));
  Fd terminal;
  const Streams streams = TRY(openStreams(leash, root, wanted, terminal));
  const StartedApp started = TRY(startApp(plan, streams, std::nullopt));
  if (started.failure) {
    return fail(explainFailure(root, plan, *started.failure).in("app " + app.name.text()));
  }
  terminal.reset();
  for (int fd = ipc::kStdinFd; fd <= ipc::kStderrFd; ++fd) ::close(fd);
  leash.send({});
  std::vector<SupervisedApp> apps;
  apps.push_back({.name = app.name, .pid = started.pid, .status = std::nullopt});
  TRY(giveUpSetupRights());
  return Supervisor(std::move(leash), std::move(signals), Fd(), std::move(apps), AppStreams(),
                    Duty::Entered)
      .run();
}

}  // namespace

int enterPod() {
  Leash leash(Fd::own(ipc::kLeashFd));
  auto result = enter(leash);
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
