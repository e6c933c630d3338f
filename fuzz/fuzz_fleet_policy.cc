// SPDX-License-Identifier: Apache-2.0
// A fleet's policy, and the judgement under it.  What is read is never so little that a host whose
// image, program, stage1 and boot nobody allowed meets a demand about them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "attest/fleet_policy.h"
#include "attest/judge.h"
#include "base/digest.h"

using namespace airlock::attest;  // NOLINT: one program, one subject

namespace {

// A host that started one pod of one image, of which no policy can know.
History history() {
  History history;
  EngineRecord engine;
  engine.version = "?";
  engine.mode = "?";
  history.engines.push_back(engine);
  history.policies.push_back({1, "?"});
  TrustRecord trust;
  trust.trust = "?";
  history.trusts.push_back(trust);
  ImageRecord image;
  image.image = "?";
  image.name = "example.com/app";
  image.content = "?";
  history.images.push_back(image);
  PodRecord pod;
  pod.apps = {{"app", "?"}};
  pod.stage1Digest = "?";
  history.pods.push_back(pod);
  return history;
}

// Versions are any text, this host's too.
bool mustRefuse(const FleetPolicy& policy) {
  const FleetPolicy::Firmware& firmware = policy.firmware;
  return policy.requireNonce || policy.stage1 || policy.images.constrained ||
         policy.images.content || policy.images.verifiedAgain || !policy.engine.programs.empty() ||
         !policy.engine.layers.empty() || policy.engine.modes || policy.engine.policies ||
         policy.engine.trust || policy.pods.requireAudit || policy.pods.requireSelinux ||
         firmware.required || firmware.kernels || firmware.commandLines ||
         firmware.requireCommandLine;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const History host = history();
  static const airlock::tpm::Chain chain;
  static const Registers registers;
  const auto policy = parseFleetPolicy({reinterpret_cast<const char*>(data), size});
  if (!policy) {
    if (policy.error().code() != "E_FLEET_POLICY") std::abort();
    return 0;
  }
  const auto judged = judge(*policy, {.history = host,
                                      .chain = chain,
                                      .registers = registers,
                                      .restarts = 1,
                                      .signersChecked = false,
                                      .fresh = false,
                                      .firmware = nullptr,
                                      .commandLine = "quiet"});
  if (judged && mustRefuse(*policy)) std::abort();
  return 0;
}
