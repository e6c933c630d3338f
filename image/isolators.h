// SPDX-License-Identifier: Apache-2.0
// Isolators: what an app of an image asks to be limited to, raw and decoded (appc spec,
// "Isolators").  Pure; unprivileged code may use it, the privileged side gets only the decoded
// values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/capabilities.h"
#include "image/quantity.h"

namespace airlock::image {

// As a manifest has it.
struct Isolator {
  std::string name;
  std::string value;   // compact JSON, as parseJson and writeJson give it
  bool known = false;  // false: kept and printed, but an app that has it does not run (test J07)

  bool operator==(const Isolator&) const = default;
};
bool isKnownIsolator(std::string_view name);

struct SeccompFilter {
  enum class Mode {
    Retain,  // only these calls
    Remove,  // the default list without these calls
  };
  Mode mode = Mode::Retain;
  // System calls and groups ("@docker/default-whitelist"; only groups of kSeccompGroups).  Whether
  // this kernel has a call of that name is not known here: who compiles the filter refuses unknown
  // ones (J08).
  std::vector<std::string> names;
  std::string errnoName;  // "EPERM": what a refused call returns; empty: the process is killed

  bool operator==(const SeccompFilter&) const = default;
};
bool isSeccompGroup(std::string_view name);

struct SelinuxContext {
  std::string user;
  std::string role;
  std::string type;
  std::string level;

  bool operator==(const SelinuxContext&) const = default;
};

// What an app runs under.  Absent: no limit of its own.
struct AppIsolators {
  std::optional<std::uint64_t> memoryBytes;
  std::optional<std::uint64_t> memoryRequestBytes;
  std::optional<std::uint64_t> cpuMillicores;
  std::optional<std::uint64_t> cpuRequestMillicores;
  std::optional<std::uint32_t> cpuShares;              // 2..262144
  std::optional<std::uint32_t> pidsLimit;              // processes and threads; Airlock's own
  std::optional<std::int32_t> oomScoreAdj;             // -1000..1000
  CapabilityMask capabilities = kDefaultCapabilities;  // the bounding set
  bool noNewPrivileges = false;
  std::optional<SeccompFilter> seccomp;
  std::optional<SelinuxContext> selinux;
  std::map<std::string, std::string> sysctl;
  std::vector<std::string>
      notEnforced;  // accepted but without effect here: say so in status and audit record

  bool operator==(const AppIsolators&) const = default;
};

// The effect of all of an app's isolators, for running it.  Fails closed: an unknown isolator is
// "invalid isolator". What may stand repeatedly adds up to the tightest: the least of limits, the
// intersection of retain sets, any no-new-privileges.  A retain set replaces the default
// capabilities, then every remove set is taken away.
Result<AppIsolators> decodeIsolators(std::span<const Isolator> isolators);
// The same checks, but unknown isolators pass: for reading a manifest (appc keeps what it does not
// know).
Result<void> checkIsolators(std::span<const Isolator> isolators);

// Isolators from command line flags.  Values are checked when they are decoded, like those of an
// image.
Isolator memoryIsolator(const Quantity& limit);
Isolator cpuIsolator(const Quantity& limit);  // in cores: "500m"
Isolator cpuSharesIsolator(std::int64_t shares);
Isolator pidsLimitIsolator(std::int64_t most);
Isolator oomScoreAdjIsolator(std::int64_t score);
Isolator noNewPrivilegesIsolator(bool on);
Isolator capabilitiesRetainIsolator(const std::vector<std::string>& names);
Isolator capabilitiesRemoveIsolator(const std::vector<std::string>& names);
Isolator seccompIsolator(const SeccompFilter& filter);
Isolator selinuxIsolator(const SelinuxContext& context);

// Puts `isolator` in the place of all others that say the same kind of thing: those of its name
// and, for capability and seccomp sets, of the opposite set (a flag overrides the image).
void overrideIsolator(std::vector<Isolator>& isolators, Isolator isolator);

}  // namespace airlock::image
