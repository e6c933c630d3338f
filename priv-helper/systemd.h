// SPDX-License-Identifier: Apache-2.0
// Where a pod belongs, and which limits hold there.  Where systemd runs the host airlock-systemd is
// asked, which alone speaks D-Bus; how cgroups are made is sandbox/pod_cgroup.h.  Helper only.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "priv-helper/server.h"
#include "sandbox/pod_cgroup.h"

namespace airlock::helper {

struct Place {
  std::string parent;           // cgroup that the pod's own is made in
  std::optional<pid_t> leader;  // who is to be moved there
  bool own = false;             // systemd has made it for this pod
  std::string unit;             // of systemd; empty: none, or not known
  std::string machine;          // its name with machined, or why it has none
};
// `leader` waits, and may be in a scope of its own afterwards; without one systemd is not asked.
// Without systemd, or when it does not answer, the pod is where its caller is: nothing here is a
// condition of a start.
Result<Place> findPlace(const Server& server, const ipc::PodSpec& spec,
                        std::optional<pid_t> leader);

// nullopt: the host has no v2 hierarchy.  `path` is set before anything is made there; `layers` get
// which limits hold.  Refused when one does not and policy requires cgroup.
Result<std::optional<sandbox::PodCgroup>> makeCgroup(const Server& server, const Place& place,
                                                     FdRef podDir, const ipc::PodSpec& spec,
                                                     uid_t podRoot, std::string& path,
                                                     std::vector<ipc::Layer>& layers);

}  // namespace airlock::helper
