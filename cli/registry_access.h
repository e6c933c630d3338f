// SPDX-License-Identifier: Apache-2.0
// How one repository is reached: mirrors, credentials, certificates.  CLI only, as the user.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "cli/command.h"
#include "image/oci_reference.h"
#include "ipc/fetch_messages.h"

namespace airlock::cli {

struct RegistryAccess {
  std::vector<ipc::OciEndpoint> endpoints;  // mirrors first, the registry itself last
  // Of each endpoint what its flags say: CA bundle, client certificate, its key.
  std::vector<Fd> certificates;
  std::vector<ipc::Credential> credentials;  // at most one for each endpoint
  std::vector<std::string> lookasides;       // URLs that registries.d names
};

// From the configuration (auth.d before what other tools keep, registries.d), auth.json and the
// like (registry_auth.h), and certs.d (below).  With --insecure-options=tls there are no
// credentials.
Result<RegistryAccess> registryAccess(const Options& options, const image::Repository& repository);

// What lies in the first of these directories that has one for the host: its *.crt, and one *.cert
// with the *.key of the same name.  containers-certs.d(5)
struct RegistryCertificates {
  std::string authorities;  // PEM; empty: only those of the system are trusted
  std::string certificate;
  std::string key;
};
Result<RegistryCertificates> registryCertificates(const std::vector<std::string>& directories,
                                                  const std::string& host);
// ~/.config/containers/certs.d, /etc/containers/certs.d, /etc/docker/certs.d
std::vector<std::string> certificateDirectories();

}  // namespace airlock::cli
