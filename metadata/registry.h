// SPDX-License-Identifier: Apache-2.0
// The pods that the service knows, in memory alone.  The metadata service only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"

namespace airlock::metadata {

// In the order of the manifest.
using Annotations = std::vector<std::pair<std::string, std::string>>;

struct RegisteredApp {
  std::string imageId;        // of the pod manifest
  std::string imageManifest;  // as registered; empty: not yet
  Annotations annotations;    // the image's, and the pod manifest's over them
  Annotations ofPod;          // those of the pod manifest alone
};

struct RegisteredPod {
  std::string uuid;
  std::string token;
  uid_t owner = 0;
  std::uint64_t connection = 0;  // it is known while this one is open; 0: until it is removed
  std::string manifest;
  Annotations annotations;
  std::map<std::string, RegisteredApp> apps;
};

class Registry {
 public:
  // E_MANIFEST: no pod manifest.  E_OWNER: somebody else has registered that pod, or this token.
  // E_LIMIT: too many pods.
  Result<void> add(const std::string& uuid, const std::string& token, std::string manifest,
                   uid_t owner, std::uint64_t connection = 0);
  // E_NOT_FOUND: no such pod, or no such app in it.  E_OWNER: it is somebody else's.
  Result<void> addApp(const std::string& uuid, const std::string& app, std::string manifest,
                      uid_t owner);
  Result<void> remove(const std::string& uuid, uid_t owner);
  // Whoever registered a pod for as long as it is connected has gone, however it ended.
  void connectionClosed(std::uint64_t connection);

  const RegisteredPod* byToken(std::string_view token) const;  // nullptr: unknown

 private:
  Result<RegisteredPod*> owned(const std::string& uuid, uid_t owner);

  std::map<std::string, RegisteredPod> pods_;  // by UUID
  std::map<std::string, std::string, std::less<>> uuidOfToken_;
};

}  // namespace airlock::metadata
