// SPDX-License-Identifier: Apache-2.0
// What the owner of a fleet asks of its hosts: airlock-fleet-policy(5).  airlock-attest; fuzzed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attest/revoked.h"
#include "base/result.h"

namespace airlock::attest {

using Texts = std::set<std::string, std::less<>>;

// One image, by what it is called by for ever.
struct GoldenImage {
  std::string image;    // "sha512-…" or "sha256-…"
  std::string tree;     // empty: any
  std::string content;  // empty: any
};
// Images whose name is `prefix`, or goes on with "/" after it, and which this key vouched for.
struct SignedBy {
  std::string prefix;
  std::string key;
};

// What is not there is not asked for.  Every list is of what is allowed.
struct FleetPolicy {
  bool requireHardware = false;
  std::optional<std::uint32_t> pcr;  // our register
  std::optional<Texts> banks;        // that must be quoted and logged
  std::optional<std::uint64_t> maxRestarts;
  bool requireNonce = false;  // evidence of an unknown time is not enough
  RevokedKeys revokedKeys;    // attestation keys

  struct Engine {
    std::optional<Texts> versions;
    std::map<std::string, Texts, std::less<>> programs;
    Texts layers;  // that must be enforced
    std::optional<Texts> modes;
    std::optional<Texts> policies;
    std::optional<Texts> trust;
  } engine;

  std::optional<Texts> stage1;  // digests

  struct Images {
    bool constrained = false;  // golden or signedBy is there
    std::vector<GoldenImage> golden;
    std::vector<SignedBy> signedBy;
    std::optional<Texts> content;  // "verity", "rehash", "store-trust"
    bool allowUnverified = false;
    bool verifiedAgain = false;  // the engine's word of who signed is not enough
  } images;

  struct Pods {
    std::optional<Texts> networks;
    std::optional<std::set<std::uint64_t>> callers;
    bool requireAudit = false;
    bool requireSelinux = false;
  } pods;

  struct Firmware {
    bool required = false;
    // Bank, register, allowed values in hex.
    std::map<std::string, std::map<std::uint32_t, Texts>, std::less<>> registers;
    std::optional<Texts> kernels;       // of the last EFI program that was started
    Texts loaders;                      // of all before it
    std::optional<Texts> commandLines;  // and then it must be the measured one
    bool requireCommandLine = false;    // it must be the measured one
  } firmware;
};

// Members that we do not know, and lists of the wrong things, are refused.  E_FLEET_POLICY, with
// the place.
Result<FleetPolicy> parseFleetPolicy(std::string_view text);

// As prefixes of trusted keys: whole parts of the name.  An empty prefix covers all.
bool covers(std::string_view prefix, std::string_view name);

}  // namespace airlock::attest
