// SPDX-License-Identifier: Apache-2.0
// Tells the metadata service about a pod.  CLI only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "cli/command.h"

namespace airlock::cli {

inline constexpr std::uint16_t kMetadataPort = 18112;

// Where the service of this data directory hears of pods.
std::string metadataSocket(const Options& options);

// What a pod is known by; nobody can guess it.
std::string newMetadataToken();
// AC_METADATA_URL for the apps of a pod whose network is the host's: where the service says that it
// listens.  E_METADATA: no service runs.
Result<std::string> metadataUrl(const Options& options, const std::string& token);

// (name of the app, its image manifest as JSON)
using AppManifest = std::pair<std::string, std::string>;

// What a pod is registered with, before anything of it runs.
struct MetadataEntry {
  std::string token;
  std::vector<AppManifest> apps;
};

// The service knows the pod while this exists: its connection is the registration, and ends with
// the process, however that ends.
class MetadataRegistration {
 public:
  // E_METADATA: no service runs, or it refuses; nothing of the pod is registered then.
  static Result<MetadataRegistration> make(const Options& options, const PodId& pod,
                                           const MetadataEntry& entry,
                                           const std::string& podManifest);
  MetadataRegistration(MetadataRegistration&& other) noexcept
      : connection_(std::move(other.connection_)), pod_(std::exchange(other.pod_, std::nullopt)) {}
  MetadataRegistration& operator=(MetadataRegistration&&) = delete;
  ~MetadataRegistration();

 private:
  MetadataRegistration(Fd connection, const PodId& pod)
      : connection_(std::move(connection)), pod_(pod) {}
  Fd connection_;
  std::optional<PodId> pod_;
};

}  // namespace airlock::cli
