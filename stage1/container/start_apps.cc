// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/start_apps.h"

#include <fcntl.h>

#include <string>
#include <utility>

#include "base/path.h"
#include "base/syscall.h"
#include "stage1/container/pod_tree.h"
#include "stage1/container/terminal.h"
#include "stage1/contract/app_memory.h"
#include "stage1/contract/diagnosis.h"
#include "stage1/contract/spec_reader.h"

namespace airlock::stage1 {

namespace {

using ipc::StreamMode;

struct AppPlans {
  LaunchPlan app;
  std::optional<LaunchPlan> preStart;
  std::optional<LaunchPlan> postStop;
};

// A handler is the app with another program: nothing else of its confinement differs.  It gets no
// sockets of the app's, and nobody takes it for the app when it notifies.
Result<AppPlans> planApp(const ipc::PodSpec& spec, const ipc::AppSpec& app) {
  const Environment nothing;
  Fd root = TRY(sys::openPath(appRootPath(app.name), O_PATH | O_DIRECTORY));
  const auto plan = [&](const std::vector<std::string>& exec, bool terminal,
                        ServiceVariables service) -> Result<LaunchPlan> {
    return planLaunch(root, {app, exec, nothing, terminal, appRootPath(app.name),
                             TRY(appFilter(app)), spec.selinuxProcess, std::move(service)});
  };
  const bool terminal = spec.terminal || app.input == StreamMode::Tty;
  AppPlans plans{TRY(plan(app.exec, terminal, serviceVariables(spec, app))), {}, {}};
  if (!app.preStart.empty()) plans.preStart = TRY(plan(app.preStart, terminal, {}));
  if (!app.postStop.empty()) plans.postStop = TRY(plan(app.postStop, terminal, {}));
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

// A program of an app has been started, or this says why not.
Result<pid_t> runs(const LaunchPlan& plan, const StartedApp& started) {
  if (!started.failure) return started.pid;
  Fd root = TRY(sys::openPath(plan.rootPath, O_PATH | O_DIRECTORY));
  return fail(explainFailure(root, plan, *started.failure));
}

class Starter {
 public:
  Starter(const ipc::PodSpec& spec, const Streams& pod, FdRef signals, Leash& leash)
      : spec_(spec), numbers_{spec}, pod_(pod), signals_(signals), leash_(leash) {
    if (keepsStreams(spec)) {
      result_.streams = AppStreams(Fd::own(numbers_.logs()), Fd::own(numbers_.attachSocket()));
    }
  }

  Result<void> start(std::size_t index, const AppPlans& plans, Fd notify) {
    const ipc::AppSpec& app = spec_.apps[index];
    Fd cgroup;  // closed again with the end of the round: nothing of it is left in PID 1
    if (spec_.hasCgroups) cgroup = Fd::own(numbers_.cgroup(index));
    const auto group = spec_.hasCgroups ? std::optional(cgroup.ref()) : std::nullopt;
    SupervisedApp supervised{.name = app.name, .pid = -1, .status = std::nullopt};
    supervised.memory = TRY(AppMemory::watch(cgroup, app.memoryBytes));
    supervised.notify = std::move(notify);
    if (app.stopSignal != 0) supervised.stopSignal = app.stopSignal;

    // Closed again, too: whoever reads must see the end when the app has ended.
    const AppStreams::Ends ends = TRY(openEnds(app, plans.app.confinement.uid));
    const Streams own = streamsOf(index, ends);
    Streams handlers = own;
    handlers.sockets.clear();
    handlers.terminal = false;  // it is the app's controlling terminal
    if (plans.preStart) TRY(preStart(app, *plans.preStart, handlers, group));
    if (plans.postStop) {
      supervised.postStop = {TRY(startWaiting(*plans.postStop, handlers, group)),
                             PostStop::State::Waiting};
    }
    supervised.pid = TRY(runs(plans.app, TRY(startApp(plans.app, own, group))));
    result_.streams.started(app.name, supervised.pid);
    if (app.oomScoreAdjust) TRY(adjustOomScore(app.name, supervised.pid, *app.oomScoreAdjust));
    result_.apps.push_back(std::move(supervised));
    return {};
  }

  StartedApps finish() { return std::move(result_); }

 private:
  Result<AppStreams::Ends> openEnds(const ipc::AppSpec& app, uid_t owner) {
    Fd root = TRY(sys::openPath(appRootPath(app.name), O_PATH | O_DIRECTORY));
    TerminalPair terminal;
    const bool wanted = app.input == StreamMode::Tty || app.output == StreamMode::Tty ||
                        app.errors == StreamMode::Tty;
    if (wanted) {
      const BeneathPath path = TRY(BeneathPath::parse("dev/pts"));
      const Fd terminals = TRY(sys::openBeneath(root, path, O_PATH | O_DIRECTORY));
      terminal.master = TRY(openTerminal(terminals));
      terminal.slave = TRY(openPeer(terminal.master));
    }
    AppStreams::Ends ends = TRY(result_.streams.open(app, owner, std::move(terminal)));
    const BeneathPath null = TRY(BeneathPath::parse("dev/null"));
    for (const auto& [mode, end] :
         {std::pair(app.input, &ends.input), std::pair(app.output, &ends.output),
          std::pair(app.errors, &ends.errors)}) {
      if (mode == StreamMode::Null) *end = TRY(sys::openBeneath(root, null, O_RDWR | O_NOCTTY));
    }
    return ends;
  }

  // The pod's streams, or the app's own where it has some, or those that are kept; and its sockets.
  Streams streamsOf(std::size_t index, const AppStreams::Ends& ends) const {
    const ipc::AppSpec& app = spec_.apps[index];
    Streams streams = pod_;
    int own = numbers_.stream(index);
    if (app.ownInput) streams.input = own++;
    if (app.ownOutput) streams.output = own++;
    if (app.ownErrors) streams.error = own++;
    if (ends.input.valid()) streams.input = ends.input.get();
    if (ends.output.valid()) streams.output = ends.output.get();
    if (ends.errors.valid()) streams.error = ends.errors.get();
    if (app.input == StreamMode::Tty) streams.terminal = true;
    for (std::size_t i = 0; i < app.sockets.size(); ++i)
      streams.sockets.push_back(numbers_.socket(index) + static_cast<int>(i));
    return streams;
  }

  Result<void> preStart(const ipc::AppSpec& app, const LaunchPlan& plan, const Streams& streams,
                        std::optional<FdRef> group) {
    const StartedApp started = TRY(startApp(plan, streams, group));
    const pid_t pid = TRY(inContext(runs(plan, started), "its pre-start handler"));
    return waitForPreStart(app.name, pid, signals_, leash_, result_.streams);
  }

  const ipc::PodSpec& spec_;
  const ipc::Stage1Descriptors numbers_;
  const Streams& pod_;
  FdRef signals_;
  Leash& leash_;
  StartedApps result_;
};

}  // namespace

Result<StartedApps> startApps(const ipc::PodSpec& spec, const Streams& pod,
                              std::vector<Fd> notifySockets, FdRef signals, Leash& leash) {
  std::vector<AppPlans> plans;
  for (const ipc::AppSpec& app : spec.apps)
    plans.push_back(TRY(inContext(planApp(spec, app), "app " + app.name.text())));
  Starter starter(spec, pod, signals, leash);
  for (std::size_t index = 0; index < plans.size(); ++index) {
    TRY(inContext(starter.start(index, plans[index], std::move(notifySockets[index])),
                  "app " + spec.apps[index].name.text()));
  }
  return starter.finish();
}

}  // namespace airlock::stage1
