// SPDX-License-Identifier: Apache-2.0
// What auth.d, paths.d and stage1.d of the configuration roots say, as rkt's do.  CLI only: the
// helper reads none of it.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "image/json.h"
#include "ipc/fetch_messages.h"

namespace airlock::cli {

struct DockerCredential {
  std::string user;
  std::string password;
};

// Where else the images of a registry are, and how it is talked to.
struct RegistryMirror {
  std::string host;    // "mirror.example:5000"
  std::string prefix;  // before the repository's path: "hub" or empty
  bool insecure = false;
};
struct RegistrySettings {
  std::vector<RegistryMirror> mirrors;  // asked first, in this order
  bool insecure = false;                // plain http, or a certificate that nobody vouches for
  std::vector<std::string> lookasides;  // http(s) or file URLs of simple signatures
};

struct Configuration {
  std::map<std::string, RegistrySettings> registries;  // by registry
  std::map<std::string, ipc::Credential> auth;  // by host, as Credential has it; region as written
  std::map<std::string, DockerCredential> docker;  // by registry
  std::string data;                                // absolute, or empty
  std::string stage1Images;
  std::string stage1Name;
  std::string stage1Version;
  std::string stage1Location;
};

// One of the directories that a root can have, and the kinds of file that may be in it.
struct ConfigurationDirectory {
  const char* name;
  std::vector<std::string_view> kinds;
};
const std::vector<ConfigurationDirectory>& configurationDirectories();

// Adds what one file says to what the other files of its root say.  `path` is for messages.
// E_CONFIG: no JSON, no kind or version that is known here, a field that is missing or wrong, or
// something that another file of the root says already.  Members that nobody knows are ignored.
Result<void> parseConfigurationFile(std::string_view text, const std::string& path,
                                    const ConfigurationDirectory& directory,
                                    Configuration& configuration);

// "example.com", "example.com:8443", lower case and without the port of https; E_CONFIG for what is
// no host.
Result<std::string> parseDomain(std::string_view text);
// The registry that is meant: Docker's own has several names, and the empty one is it too.
Result<std::string> parseRegistry(std::string_view text);
// The region of a bucket's host; us-east-1 when the name does not tell.
std::string awsRegionOf(std::string_view host);

struct ReadConfiguration {
  Configuration merged;              // later roots win, per host, registry and field
  std::vector<std::string> remarks;  // whole lines for the user, without newline
};
// Regular files that end in .json, directly in those directories; everything else is passed over,
// and so is, with a remark, a file that the caller may not read.  E_CONFIG also for a file or
// directory that everyone can write.
Result<ReadConfiguration> readConfiguration(const std::vector<std::string>& roots);

// As rkt prints it: {"stage0":[…]}; passwords, tokens and keys only with `secrets`.
image::Json configurationJson(const Configuration& configuration, bool secrets);

// Where paths.d names a data directory and no flag has: there.
Result<void> applyConfiguredPaths(Options& options);

// For the fetcher; the remarks are told once.  None, and a line about it, with
// --insecure-options=tls.
Result<std::vector<ipc::Credential>> configuredCredentials(const Options& options);

}  // namespace airlock::cli
