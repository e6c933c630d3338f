// SPDX-License-Identifier: Apache-2.0
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

Result<void> stopOne(const Options& options, const std::string& text, bool force) {
  const store::Pod pod = TRY(inMessage(findPod(options, text), "cannot get pod"));
  const std::string id = pod.record.pod.text();
  if (hasEnded(pod.state)) {
    return refuse(ErrorKind::Busy, "E_STOPPED", "pod \"" + id + "\" is already stopped");
  }
  if (pod.state != store::PodState::Running) {
    return refuse(ErrorKind::Busy, "E_STOPPED", "pod \"" + id + "\" is not running");
  }
  TRY(askFor<ipc::Done>(options, ipc::StopRequest{pod.record.pod, force}));
  out("\"" + id + "\"\n");
  return {};
}

}  // namespace

Result<int> stop(const Options& options, const std::vector<std::string>& arguments) {
  bool force = false;
  std::string uuidFile;
  FlagSet flags;
  flags.boolean("force", force);
  flags.value("uuid-file", [&](const std::string& value) -> Result<void> {
    uuidFile = value;
    return {};
  });
  const auto pods = TRY(podOperands(TRY(flags.parseAll(arguments)), uuidFile));
  std::size_t failed = 0;
  for (const std::string& pod : pods) {
    const auto stopped = stopOne(options, pod, force);
    if (stopped) continue;
    complain("stop", stopped.error().text());
    ++failed;
  }
  if (failed == 0) return 0;
  return refuse(ErrorKind::Failed, "E_STOP",
                "failed to stop " + std::to_string(failed) + " pod(s)");
}

}  // namespace airlock::cli
