// SPDX-License-Identifier: Apache-2.0
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

Result<void> removeOne(const Options& options, const std::string& text) {
  const store::Pod pod = TRY(inMessage(findPod(options, text, true), "cannot get pod"));
  const std::string id = pod.record.pod.text();
  TRY(store::checkIdle(pod));
  TRY(askFor<ipc::Done>(options, ipc::RemovePodRequest{pod.record.pod}));
  out("\"" + id + "\"\n");
  return {};
}

}  // namespace

Result<int> removePods(const Options& options, const std::vector<std::string>& arguments) {
  std::string uuidFile;
  FlagSet flags;
  flags.value("uuid-file", [&](const std::string& value) -> Result<void> {
    uuidFile = value;
    return {};
  });
  const auto pods = TRY(podOperands(TRY(flags.parseAll(arguments)), uuidFile));
  bool failed = false;
  for (const std::string& pod : pods) {
    const auto removed = removeOne(options, pod);
    if (removed) continue;
    complain("rm", removed.error().text());
    failed = true;
  }
  if (!failed) return 0;
  return refuse(ErrorKind::Failed, "E_REMOVE", "failed to remove one or more pods");
}

}  // namespace airlock::cli
