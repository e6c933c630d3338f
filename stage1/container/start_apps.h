// SPDX-License-Identifier: Apache-2.0
// The apps of a pod, one after the other: streams, pre-start handler, the app itself.  The run side
// of the container flavour.
#pragma once

#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"
#include "stage1/contract/launch.h"
#include "stage1/contract/leash.h"
#include "stage1/contract/supervisor.h"

namespace airlock::stage1 {

struct StartedApps {
  std::vector<SupervisedApp> apps;
  AppStreams streams;
};

// In the pod's tree, after it has let go of the host.  `pod`: the streams of apps that have none of
// their own; `notifySockets`: one for each app, valid or not; `signals` and `leash` are listened to
// while a pre-start handler runs.
Result<StartedApps> startApps(const ipc::PodSpec& spec, const Streams& pod,
                              std::vector<Fd> notifySockets, FdRef signals, Leash& leash);

}  // namespace airlock::stage1
