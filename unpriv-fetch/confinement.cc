// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/confinement.h"

#include <curl/curl.h>
#include <netdb.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

#include "sandbox/policies/fetch.bpf.h"

namespace airlock::fetch {
namespace {

// Read again at each look-up (resolv.conf changes under a running process), or when a library loads
// a part of itself.
constexpr std::array<const char*, 12> kReadable{"/etc/resolv.conf",
                                                "/etc/hosts",
                                                "/etc/nsswitch.conf",
                                                "/etc/host.conf",
                                                "/etc/gai.conf",
                                                "/etc/services",
                                                "/etc/ssl",
                                                "/usr/lib",
                                                "/lib",
                                                "/usr/share/ca-certificates",
                                                "/run/systemd/resolve",
                                                "/run/resolvconf"};

constexpr rlim_t kOpenFiles = 64;
constexpr rlim_t kManyFiles = 256;

Result<void> startLibraries() {
  if (::curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return fail(ErrorKind::Failed, "libcurl does not start");
  // A name that /etc/hosts answers: nsswitch.conf and resolv.conf are read, and nothing is sent.
  addrinfo* found = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &found) == 0) ::freeaddrinfo(found);
  return {};
}

}  // namespace

Result<void> refuseRoot() {
  if (::getuid() != 0 && ::geteuid() != 0) return {};
  return refuse(ErrorKind::Denied, "E_ROOT", "airlock-fetch does not go to the network as root",
                "start it as the user airlock-fetch, as airlock does");
}

Result<sandbox::Enforced> confine(Needs needs) {
  TRY(startLibraries());
  sandbox::Confinement confinement;
  confinement.filter = sandbox::policies::kFetch;
  for (const char* path : kReadable) {
    confinement.paths.push_back({.path = path, .access = sandbox::kRead, .optional = true});
  }
  confinement.keep = std::move(needs.keep);
  confinement.network = true;
  confinement.limits = {{RLIMIT_FSIZE, needs.largestFile},
                        {RLIMIT_NOFILE, needs.manyFiles ? kManyFiles : kOpenFiles}};
  return sandbox::enter(confinement);
}

}  // namespace airlock::fetch
