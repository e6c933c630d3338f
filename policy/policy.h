// SPDX-License-Identifier: Apache-2.0
// The administrator's policy: who may do what, and which layers are required.  For the helper.
// Line-based on purpose: root reads it without a parser library (airlock-policy(5)).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "ipc/measure_messages.h"
#include "store/pod_label.h"
#include "store/signature_demand.h"

namespace airlock::policy {

enum class Verb { Fetch, Run, Enter, Stop, Remove, CollectGarbage, RemoveImage, Report, Attest };
const char* toString(Verb verb);

enum class Extent { None, Own, Any };  // volumes, pods of others
enum class Capabilities { Default, All };

// What a rule grants; every key has a meaning when it is absent, and that is the narrow one.
struct Grants {
  std::string image;                  // image=PREFIX; "" = every name (image=*)
  bool hostNetwork = false;           // net=none | net=host
  bool hostSockets = false;           // sockets=none | sockets=activated
  bool unsignedImages = false;        // signer=trusted | signer=any
  bool skipSignature = false;         // insecure=image
  store::SignatureDemand signatures;  // signers=K, kinds=, digest=
  Extent volumes = Extent::None;      // volumes=none|own|any
  Extent pods = Extent::Own;          // pods=own|any
  Capabilities capabilities = Capabilities::Default;
};

struct Rule {
  enum class Who { Root, Anyone, User, Group };
  bool allow = false;
  Who who = Who::Root;
  uid_t id = 0;             // of the user or group
  std::vector<Verb> verbs;  // empty: every verb
  Grants grants;
  std::string where;  // "/etc/airlock/policy.d/20-site.policy:4"
  std::string text;
  std::string quote() const { return where + ": " + text; }
};

struct Policy {
  std::vector<Rule> rules;            // the first that matches decides; none: denied
  std::vector<std::string> required;  // layers: measurement, content, selinux, cgroup, audit
  ipc::MeasureMode measureMode = ipc::MeasureMode::Log;
  unsigned pcr = 15;
  store::LabelPolicy labels;
  std::uint32_t pidsMax = 4096;  // processes and threads of a pod
  std::string softwareTpm;       // socket of a swtpm; empty: the device, where there is one
  std::uint32_t attestationKey = ipc::kDefaultKeyHandle;  // persistent handle in the TPM
  ContentDigest digest;                                   // of `content`
  std::string content;  // all files in their order: name, NUL, bytes, NUL
  std::string summary;  // every line in force, for the measurement log
  bool demands(std::string_view layer) const;
};

// Reads policy.d/*.policy of the configuration roots, the least specific first: files are ordered
// by name, one of the same name in a later root replaces it, an empty one takes it away.  Anything
// that is not understood, or that somebody but root could write, refuses the whole policy: E_POLICY
// with file and line.
Result<Policy> loadPolicy(const std::vector<std::string>& configRoots);

// One file's lines, for loadPolicy and the fuzzer.
Result<void> parsePolicy(std::string_view content, const std::string& path, Policy& into);

}  // namespace airlock::policy
