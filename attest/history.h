// SPDX-License-Identifier: Apache-2.0
// What a measurement log says, once it is known to be whole: the engine, what it stood under, and
// what it started, in order.  airlock-attest.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tpm/replay.h"

namespace airlock::attest {

struct EngineRecord {
  std::uint64_t number = 0;
  std::string version;
  std::map<std::string, std::string> programs;  // name, digest
  std::string bootId;
  std::string mode;
  std::string anchor;
  std::string anchorReason;
  std::string tpm;
  std::uint64_t resets = 0;
  std::uint64_t restarts = 0;
  struct Layer {
    std::string name;
    bool enforced = false;
    std::string detail;
  };
  std::vector<Layer> layers;
};
struct PolicyRecord {
  std::uint64_t number = 0;
  std::string policy;
};
struct TrustRecord {
  std::uint64_t number = 0;
  std::string trust;
  std::vector<std::pair<std::string, std::string>> keys;  // scope, fingerprint
  std::string files;  // digest over the key files; empty: the engine did not record it
};
struct ImageRecord {
  std::uint64_t number = 0;
  std::string image;
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels;
  std::string tree;
  std::string content;
  std::vector<std::string> signers;
  std::string rule;
  std::string origin;
  bool insecure = false;
  std::vector<std::string> dependencies;
  std::vector<std::string> layers;
};
struct PodRecord {
  std::uint64_t number = 0;
  std::string pod;
  std::vector<std::pair<std::string, std::string>> apps;  // app, image
  std::string stage1;
  std::string stage1Digest;
  std::string network;
  std::vector<std::string> volumes;
  std::uint64_t callerUid = 0;
  std::string selinux;
  std::string audit;  // "sha256-…" of the audit record's line; empty: none was kept
};
struct EnterRecord {
  std::uint64_t number = 0;
  std::string pod;
  std::string app;
  std::uint64_t callerUid = 0;
  std::string audit;
};
struct AbortRecord {
  std::uint64_t number = 0;
  std::string pod;
  std::string reason;
};

struct History {
  std::vector<EngineRecord> engines;
  std::vector<PolicyRecord> policies;
  std::vector<TrustRecord> trusts;
  std::vector<ImageRecord> images;
  std::vector<PodRecord> pods;
  std::vector<EnterRecord> enters;
  std::vector<AbortRecord> aborts;

  // The latest record of that image before record `number`; nullptr: none.
  const ImageRecord* imageBefore(const std::string& image, std::uint64_t number) const;
};

// Everything below the top of each payload has exactly its shape, too (E_ATTEST_LOG); what an event
// refers to was recorded before it (E_ATTEST_ORDER); the register was zero before, in all banks of
// the log, and no others (E_ATTEST_BANK, E_ATTEST_REPLAY); the register was extended all the time
// (E_ATTEST_ANCHOR), and nothing says that it is not to be believed (E_ATTEST_CAP).
Result<History> readHistory(const tpm::Replay& replay);

}  // namespace airlock::attest
