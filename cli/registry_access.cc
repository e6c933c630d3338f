// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_access.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/configuration.h"
#include "cli/fetch_client.h"
#include "cli/registry_auth.h"

namespace airlock::cli {

namespace {

// One that may not be read, or is no directory, is as good as none; a file in it that may not is
// not: its absence would be told of as another error.
Result<std::optional<Fd>> hostDirectory(const std::string& directory, const std::string& host) {
  auto opened = sys::openPath(directory + "/" + host, O_RDONLY | O_DIRECTORY);
  if (!opened) return std::nullopt;
  return std::optional(std::move(*opened));
}

Result<std::string> readPem(FdRef directory, const std::string& name) {
  return inContext(sys::readFile(directory, TRY(Component::parse(name)), limits::kCaBundleBytes),
                   "certs.d, file " + printable(name));
}

Result<RegistryCertificates> readCertificates(FdRef directory) {
  RegistryCertificates found;
  const std::vector<std::string> names = TRY(sys::list(directory));
  if (names.size() > limits::kConfigurationFiles)
    return refuse(ErrorKind::Invalid, "E_CONFIG", "a directory of certs.d has too many files");
  for (const std::string& name : names) {
    if (name.ends_with(".crt")) {
      found.authorities += TRY(readPem(directory, name)) + "\n";
      if (found.authorities.size() > limits::kCaBundleBytes)
        return refuse(ErrorKind::Invalid, "E_CONFIG", "the authorities of certs.d are too many");
    }
    if (!name.ends_with(".cert") || !found.certificate.empty()) continue;
    const std::string key = name.substr(0, name.size() - 5) + ".key";
    if (std::ranges::find(names, key) == names.end()) {
      return refuse(ErrorKind::Missing, "E_CONFIG",
                    "certs.d has " + airlock::quoted(name) + " and no " + airlock::quoted(key) +
                        " beside it");
    }
    found.certificate = TRY(readPem(directory, name));
    found.key = TRY(readPem(directory, key));
  }
  return found;
}

Result<Fd> inMemory(const std::string& text) {
  Fd file = TRY(memoryFile("certificate"));
  TRY(sys::writeAll(file, text));
  return file;
}

Result<std::optional<ipc::Credential>> credentialFor(const Options& options,
                                                     const Configuration& configuration,
                                                     const image::Repository& repository) {
  // Without a check of the certificate anybody on the way would be told.
  if (options.insecure.tls) return std::nullopt;
  const std::string host = repository.authority();
  std::optional<ipc::Credential> credential;
  if (!options.authFile.empty()) {
    credential = TRY(registryCredential(repository, options.authFile));
    if (credential) credential->host = host;
    return credential;
  }
  const auto docker = configuration.docker.find(host);
  const auto domain = configuration.auth.find(host);
  if (docker != configuration.docker.end()) {
    credential = ipc::Credential{
        .host = host, .user = docker->second.user, .secret = docker->second.password};
  } else if (domain != configuration.auth.end() &&
             domain->second.kind != ipc::Credential::Kind::Aws) {
    credential = domain->second;
  } else {
    credential = TRY(registryCredential(repository));
  }
  if (credential) credential->host = host;
  return credential;
}

struct Place {
  image::Repository repository;
  bool insecure = false;
};

Result<void> add(const Options& options, const Configuration& configuration, const Place& place,
                 RegistryAccess& access) {
  const std::string host = place.repository.authority();
  const RegistryCertificates pem = TRY(registryCertificates(certificateDirectories(), host));
  access.endpoints.push_back({.host = host,
                              .repository = place.repository.path,
                              .allowHttp = options.insecure.http || place.insecure,
                              .skipTlsCheck = options.insecure.tls || place.insecure,
                              .hasCaBundle = !pem.authorities.empty(),
                              .hasClientCertificate = !pem.certificate.empty()});
  if (!pem.authorities.empty()) access.certificates.push_back(TRY(inMemory(pem.authorities)));
  if (!pem.certificate.empty()) {
    access.certificates.push_back(TRY(inMemory(pem.certificate)));
    access.certificates.push_back(TRY(inMemory(pem.key)));
  }
  auto credential = TRY(credentialFor(options, configuration, place.repository));
  if (credential) access.credentials.push_back(*std::move(credential));
  return {};
}

image::Repository repositoryAt(const RegistryMirror& mirror, const std::string& path) {
  const auto colon = std::min(mirror.host.find(':'), mirror.host.size());
  return {.host = mirror.host.substr(0, colon),
          .port = mirror.host.substr(std::min(mirror.host.size(), colon + 1)),
          .path = mirror.prefix.empty() ? path : mirror.prefix + "/" + path};
}

}  // namespace

std::vector<std::string> certificateDirectories() {
  std::vector<std::string> directories;
  const char* config = ::secure_getenv("XDG_CONFIG_HOME");
  const char* home = ::secure_getenv("HOME");
  if (config != nullptr && *config != '\0') {
    directories.push_back(std::string(config) + "/containers/certs.d");
  } else if (home != nullptr && *home != '\0') {
    directories.push_back(std::string(home) + "/.config/containers/certs.d");
  }
  directories.insert(directories.end(), {"/etc/containers/certs.d", "/etc/docker/certs.d"});
  return directories;
}

Result<RegistryCertificates> registryCertificates(const std::vector<std::string>& directories,
                                                  const std::string& host) {
  for (const std::string& directory : directories) {
    const auto opened = TRY(hostDirectory(directory, host));
    if (opened) return readCertificates(*opened);
  }
  return RegistryCertificates();
}

Result<RegistryAccess> registryAccess(const Options& options, const image::Repository& repository) {
  const ReadConfiguration read = TRY(readConfiguration(options.configRoots()));
  RegistryAccess access;
  RegistrySettings settings;
  const auto found = read.merged.registries.find(repository.authority());
  if (found != read.merged.registries.end()) settings = found->second;
  for (const RegistryMirror& mirror : settings.mirrors) {
    TRY(add(options, read.merged, {repositoryAt(mirror, repository.path), mirror.insecure},
            access));
  }
  TRY(add(options, read.merged, {repository, settings.insecure}, access));
  access.lookasides = settings.lookasides;
  return access;
}

}  // namespace airlock::cli
