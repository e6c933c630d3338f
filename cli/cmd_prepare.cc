// SPDX-License-Identifier: Apache-2.0
// prepare and run-prepared: a pod is put on disk now and started later, with what the host, policy
// and keys are then.
#include "base/log.h"
#include "base/syscall.h"
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/pod_access.h"
#include "cli/pod_view.h"
#include "cli/start_arguments.h"
#include "cli/start_pod.h"
#include "cli/stream_relay.h"
#include "cli/text_output.h"

namespace airlock::cli {

Result<int> prepare(const Options& options, const std::vector<std::string>& arguments) {
  const PodArguments wanted = TRY(parsePodArguments(arguments, PodVerb::Prepare));
  TRY(findHelper(options));
  Surroundings surroundings{.insecure = options.insecure};
  const PlannedPod planned = TRY(planFrom(options, wanted, surroundings, "prepare"));
  // The same request as for a start, so that what could not be started is not prepared.
  PodRequest request = TRY(requestPod(planned.manifest, planned.images, wanted, surroundings));
  request.request.name = wanted.podName;
  const PodId pod = TRY(preparePod(options, request));
  TRY(saveUuid(wanted.uuidFile, pod));
  out(pod.text() + "\n");
  return 0;
}

Result<int> runPrepared(const Options& options, const std::vector<std::string>& arguments) {
  StreamRelay::leaveCategories();
  const ServiceVariables service = TRY(takeServiceVariables());
  const StartArguments wanted = TRY(parseStartArguments(arguments));
  const auto operands = TRY(podOperands(wanted.operands, wanted.uuidFile));
  if (operands.size() != 1)
    return refuse(ErrorKind::Invalid, "E_FLAG", "run-prepared takes one pod");
  const store::Pod pod = TRY(inMessage(findPod(options, operands.front()), "cannot get pod"));
  if (pod.state != store::PodState::Prepared) {
    return refuse(ErrorKind::Busy, "E_STATE",
                  "pod \"" + pod.record.pod.text() + "\" is not prepared",
                  std::string("It is ") + store::toString(pod.state));
  }
  const std::string text = TRY(inMessage(readPodManifest(pod), "pod manifest"));
  const image::PodManifest manifest = TRY(image::parsePodManifest(text));
  TRY(checkWhoseVolumes(pod, manifest, "pod \"" + pod.record.pod.text() + "\""));
  const std::vector<ChosenImage> images = TRY(imagesOf(options, manifest));
  const Surroundings surroundings{.insecure = options.insecure,
                                  .sockets = service.sockets,
                                  .watchdogMicroseconds = service.watchdogMicroseconds};
  PodRequest request =
      TRY(requestPrepared(options, pod.record.pod, text, images, wanted.pod, surroundings));
  return startAndHold(options, request, wanted.pod, service, "run-prepared");
}

}  // namespace airlock::cli
