// SPDX-License-Identifier: Apache-2.0
// Waits for what was started, passes signals on, stops it TERM then KILL, reports how it ended. PID
// 1 of a pod, and the process that watches an entered one.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "stage1/contract/app_memory.h"
#include "stage1/contract/app_streams.h"
#include "stage1/contract/launch.h"
#include "stage1/contract/leash.h"
#include "stage1/contract/notify.h"

namespace airlock::stage1 {

// Blocks every signal that can be blocked and returns a signalfd for those that matter.  Call
// before the first child.
Result<Fd> openSignals();

// The post-stop handler of an app: waits from the app's start on, runs when the app has ended.
struct PostStop {
  enum class State { None, Waiting, Running, Over };
  WaitingProgram program = {};
  State state = State::None;
  std::int64_t killAt = 0;  // while it runs
};

struct SupervisedApp {
  AppName name;
  pid_t pid;
  std::optional<int> status;  // exit code, or 128 + signal, once it has ended
  AppMemory memory = {};
  Fd notify = {};  // makeNotifySocket() of an app that notifies
  Notification pending = {};
  PostStop postStop = {};
  int stopSignal = SIGTERM;
};

// Waits for a pre-start handler, in a pod that is still being started: serves its streams, passes
// signals on, and ends it when the pod is to stop.  Not ended with 0: E_PRE_START, and the app's
// status is written.
Result<void> waitForPreStart(const AppName& app, pid_t pid, FdRef signals, Leash& leash,
                             AppStreams& streams);

// What this process watches.
enum class Duty {
  Pod,       // as its PID 1: KILL goes to every process of the pod
  Sandbox,   // the same, without an app: until it is told to stop, and all that was added has ended
  AddedApp,  // one app of a sandbox.  It lives as long as the pod does, whoever holds the leash.
  Entered,   // a process that has entered an app
};

class Supervisor {
 public:
  // `statusDir`: where each app's status is written; not valid for an entered process.
  Supervisor(Leash leash, Fd signals, Fd statusDir, std::vector<SupervisedApp> apps,
             AppStreams streams, Duty duty)
      : leash_(std::move(leash)),
        signals_(std::move(signals)),
        statusDir_(std::move(statusDir)),
        apps_(std::move(apps)),
        streams_(std::move(streams)),
        duty_(duty),
        leashOpen_(duty != Duty::AddedApp) {}

  // Returns when every app has ended: the code of the first that ended with another than 0, else 0.
  // The first such end, a Stop, a TERM from outside the pod, or the end of the leash stops the
  // others.  A TERM from the pod's PID 1 stops an added app.
  int run();

 private:
  bool anyRunning() const;
  bool isInit() const { return duty_ == Duty::Pod || duty_ == Duty::Sandbox; }
  bool isFromOutside(pid_t sender) const;
  void waitForNews();
  void readSignals();
  void readLeash();
  void readNotifications();
  void passOn(SupervisedApp& app);
  void handleEnd(SupervisedApp& app);
  void handlerEnded(SupervisedApp& app, int waitStatus);
  void killLateHandlers();
  void warn(const SupervisedApp& app, const std::string& text);
  void reap();
  void ended(SupervisedApp& app, int waitStatus);
  void stop(bool hurry);
  void killApps();
  void killAll();
  void signalApps(int number);

  Leash leash_;
  Fd signals_;
  Fd statusDir_;
  std::vector<SupervisedApp> apps_;
  AppStreams streams_;
  std::vector<pollfd> events_;
  Duty duty_;
  bool leashOpen_;
  bool childless_ = false;
  bool stopping_ = false;
  bool killed_ = false;
  // Each of the two ways to ask: only who asks twice is in a hurry.  systemd stops a unit by a
  // signal to all of it, and the leash's holder, who gets it too, then tells us the same.
  bool signalled_ = false;
  bool told_ = false;
  std::optional<std::int64_t> killAt_;
  std::optional<std::int64_t> passOnAt_;  // when something is to be passed on
  std::int64_t passedOnAt_ = 0;
  int result_ = 0;
};

// Ends setting up: only CAP_KILL stays, no_new_privs, the filter of sandbox/policies/init.policy.
Result<void> giveUpSetupRights();
// Returns to the kernel what setting up has touched and waiting does not need.  Best effort.
void releaseSetupMemory();

}  // namespace airlock::stage1
