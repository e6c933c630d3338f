// SPDX-License-Identifier: Apache-2.0
#include "cli/helper_client.h"
#include "cli/pod_arguments.h"
#include "cli/service_variables.h"
#include "cli/start_pod.h"
#include "cli/stream_relay.h"

namespace airlock::cli {

namespace {

// What asks the metadata service does so from its first instruction, so the service is told before:
// of a pod that is on disk and does not run yet.
Result<int> runRegistered(const Options& options, PodRequest request, const PlannedPod& planned,
                          const PodArguments& wanted, const Surroundings& surroundings,
                          const ServiceVariables& service) {
  const std::string manifest = request.request.podManifest;
  const PodId pod = TRY(preparePod(options, request));
  auto started = [&]() -> Result<int> {
    PodRequest prepared =
        TRY(requestPrepared(options, pod, manifest, planned.images, wanted, surroundings));
    return startAndHold(options, prepared, wanted, service, "run");
  }();
  // A start that failed leaves a prepared pod prepared.
  if (!started) static_cast<void>(askHelper(options, ipc::RemovePodRequest{pod}, {}));
  return started;
}

}  // namespace

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
  if (wanted.mdsRegister)
    return runRegistered(options, std::move(request), planned, wanted, surroundings, service);
  return startAndHold(options, request, wanted, service, "run");
}

}  // namespace airlock::cli
