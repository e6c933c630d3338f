// SPDX-License-Identifier: Apache-2.0
// The one sequence that every process of a pod's payload goes through: an app at its start, and
// whatever `enter` adds later (CVE-2019-10144, -10145, -10147 were three ways to forget a step).
// Every stage1 flavour, nobody else.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace airlock::stage1 {

// Where a start ended: what the child tells its parent.
enum class StartStep : std::uint16_t {
  CgroupNamespace,
  Root,
  Session,
  Streams,
  Terminal,
  Descriptors,
  Limits,
  BoundingSet,
  Groups,
  Gid,
  Uid,
  VerifyIds,
  ParentDeath,
  WorkingDirectory,
  WorkingDirectoryOutside,  // R07: it is not below the app's root
  Label,
  Capabilities,
  VerifyCapabilities,
  NoNewPrivileges,
  Filter,
  ExtraFilter,
  Exec,
};
struct StartFailure {
  int number = 0;  // errno
  StartStep step = StartStep::Root;
  std::uint16_t candidate = 0;  // Exec: which of the programs was tried last
};

struct Confinement {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // exactly these, none of the caller's (R10)
  std::uint64_t capabilities =
      0;                        // bounding set; uid 0 has these and no others, anyone else has none
  bool noNewPrivileges = true;  // false only together with uid 0 and without an extra filter
  std::vector<sock_filter> extraFilter;  // empty: none
  std::string workingDirectory;          // absolute
  std::string label;                     // of the program, for SELinux; "": it is off
};

// Confines this process for good; its root directory must be the app's, with our /proc.  False with
// `failure` set: the process must end.  The caller needs CAP_SETUID, SETGID, SETPCAP and (without
// no_new_privs) SYS_ADMIN in the pod's user namespace. async-signal-safe
bool applyConfinement(const Confinement& confinement, StartFailure& failure) noexcept;

}  // namespace airlock::stage1
