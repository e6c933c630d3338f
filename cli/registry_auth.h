// SPDX-License-Identifier: Apache-2.0
// Credentials for registries as other tools keep them: containers-auth.json(5), docker's
// config.json, and the programs that both name.  CLI only, as the user.  What is found goes to the
// fetcher and nowhere else.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/oci_reference.h"
#include "ipc/fetch_messages.h"

namespace airlock::cli {

// One such file, or a .dockercfg, which has nothing but the entries of "auths".  Keys are
// "host[:port][/path]", canonical.
struct RegistryAuthFile {
  std::map<std::string, ipc::Credential> auths;  // Basic or Identity; host is not set
  std::map<std::string, std::string> helpers;    // by host: NAME of docker-credential-NAME
  std::string store;                             // for every other host
};
// E_CONFIG: no JSON, or a member that is wrong.  Members that nobody knows are ignored.
Result<RegistryAuthFile> parseRegistryAuthFile(std::string_view text, const std::string& path);

// The keys under which a repository's credential can stand, the longest first: "a.b/c/d", "a.b/c",
// "a.b".  Docker's own registry has three names.
std::vector<std::string> authKeys(const image::Repository& repository);

// What a helper prints; nullopt when it says that it has none.
Result<std::optional<ipc::Credential>> parseHelperAnswer(std::string_view text, bool succeeded,
                                                         const std::string& program);

// The first that has one: $REGISTRY_AUTH_FILE (alone, when it is set),
// $XDG_RUNTIME_DIR/containers/auth.json, $XDG_CONFIG_HOME/containers/auth.json,
// $DOCKER_CONFIG/config.json (~/.docker/config.json), ~/.dockercfg.  In a file a helper for the
// host comes before what the file itself says, as docker does.
Result<std::optional<ipc::Credential>> registryCredential(const image::Repository& repository);
// Of this file alone, which must be there.
Result<std::optional<ipc::Credential>> registryCredential(const image::Repository& repository,
                                                          const std::string& authFile);

}  // namespace airlock::cli
