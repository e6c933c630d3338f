// SPDX-License-Identifier: Apache-2.0
// What a pod's apps find as /etc/resolv.conf and /etc/hosts: --dns, --dns-search, --dns-opt,
// --dns-domain and --hosts-entry.  run and run-prepared.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/pod_flags.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {

struct NameFiles {
  enum class Dns {
    Usual,  // the host's where the pod has its network and the image has no file of its own
    Host,   // the host's
    None,   // what the image has
    Given,  // made of what follows
  };
  Dns dns = Dns::Usual;
  std::vector<std::string> servers;
  std::vector<std::string> search;
  std::vector<std::string> options;
  std::string domain;

  bool hostsOfHost = false;
  std::vector<std::pair<std::string, std::string>> hosts;  // (address, name)

  bool given() const { return dns != Dns::Usual || hostsOfHost || !hosts.empty(); }
};

// The flags; `files` outlives the set.
void addNameFlags(FlagSet& flags, NameFiles& files);

// Read on the host, with the caller's rights, where the host's are asked for.
Result<ipc::GivenFile> resolvConfOf(const NameFiles& files, ipc::Network network);
Result<ipc::GivenFile> hostsOf(const NameFiles& files);

// What the resolver of a pod can use: the servers behind systemd-resolved's stub when `text` has
// none but on the host's loopback, which is not the pod's.
bool namesLoopbackAlone(const std::string& text);

}  // namespace airlock::cli
