// SPDX-License-Identifier: Apache-2.0
// Tells the metadata service about a pod.  CLI only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "cli/command.h"

namespace airlock::cli {

inline constexpr std::uint16_t kMetadataPort = 18112;

// Where the service of this data directory hears of pods.
std::string metadataSocket(const Options& options);

// What a pod is known by; nobody can guess it.
std::string newMetadataToken();
// AC_METADATA_URL for the apps of a pod whose network is the host's.
std::string metadataUrl(const std::string& token);

// (name of the app, its image manifest as JSON)
using AppManifest = std::pair<std::string, std::string>;

// E_METADATA: no service runs, or it refuses; nothing of the pod is registered then.
Result<void> registerPod(const Options& options, const PodId& pod, const std::string& token,
                         const std::string& podManifest, const std::vector<AppManifest>& apps);
// A pod that is not registered is no error.
Result<void> unregisterPod(const Options& options, const PodId& pod);

// What a pod is registered with, before anything of it runs.
struct MetadataEntry {
  std::string token;
  std::vector<AppManifest> apps;
};
// The service knows the pod while this exists.
class MetadataRegistration {
 public:
  static Result<MetadataRegistration> make(const Options& options, const PodId& pod,
                                           const MetadataEntry& entry,
                                           const std::string& podManifest);
  MetadataRegistration(MetadataRegistration&& other) noexcept
      : options_(other.options_), pod_(std::exchange(other.pod_, std::nullopt)) {}
  MetadataRegistration& operator=(MetadataRegistration&&) = delete;
  ~MetadataRegistration() {
    if (pod_) static_cast<void>(unregisterPod(options_, *pod_));
  }

 private:
  MetadataRegistration(const Options& options, const PodId& pod) : options_(options), pod_(pod) {}
  const Options& options_;
  std::optional<PodId> pod_;
};

}  // namespace airlock::cli
