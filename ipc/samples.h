// SPDX-License-Identifier: Apache-2.0
// One richly filled message of every kind, encoded.  Tests only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ipc/fetch_messages.h"
#include "ipc/helper_messages.h"
#include "ipc/measure_messages.h"
#include "ipc/pod_spec.h"
#include "ipc/records.h"
#include "ipc/systemd_messages.h"
#include "ipc/verify_messages.h"

namespace airlock::ipc {

struct Sample {
  std::string name;  // "VerifyJob.authenticate"
  std::string bytes;
  // Decodes and encodes again.
  std::function<Result<std::string>(std::string_view)> again;
};

template <class Tag>
Digest<Tag> sampleDigest(char seed) {
  typename Digest<Tag>::Bytes bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(static_cast<std::size_t>(seed) + 7 * i);
  }
  return Digest<Tag>(bytes);
}
inline PodId samplePodId(int number) {
  const std::string last = std::to_string(10 + number);
  return PodId::parse("6733c088-a507-4694-aabf-0000000000" + last).value();
}
PodSpec samplePodSpec();
RunRequest sampleRunRequest();
std::vector<Sample> samples();

}  // namespace airlock::ipc
