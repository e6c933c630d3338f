// SPDX-License-Identifier: Apache-2.0
#include "cli/helper_client.h"
#include "cli/pod_arguments.h"
#include "cli/service_variables.h"
#include "cli/start_pod.h"
#include "cli/stream_relay.h"

namespace airlock::cli {

Result<int> run(const Options& options, const std::vector<std::string>& arguments) {
  StreamRelay::leaveCategories();
  // First: the descriptors that it names must not be ours.
  const ServiceVariables service = TRY(takeServiceVariables());
  const PodArguments wanted = TRY(parsePodArguments(arguments));
  TRY(findHelper(options));  // before anything is downloaded
  Surroundings surroundings{.insecure = options.insecure,
                            .sockets = service.sockets,
                            .watchdogMicroseconds = service.watchdogMicroseconds};
  const PlannedPod planned = TRY(planFrom(options, wanted, surroundings, "run"));
  PodRequest request = TRY(requestPod(planned.manifest, planned.images, wanted, surroundings));
  request.request.name = wanted.podName;
  return startAndHold(options, request, wanted, service, "run");
}

}  // namespace airlock::cli
