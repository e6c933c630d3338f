// SPDX-License-Identifier: Apache-2.0
// Whether a history that is known to be true is one that the owner of the fleet wants.
// airlock-attest.
#pragma once

#include <optional>
#include <string_view>

#include "attest/firmware_log.h"
#include "attest/fleet_policy.h"
#include "attest/history.h"
#include "attest/registers.h"
#include "base/result.h"

namespace airlock::attest {

struct Facts {
  const History& history;
  const tpm::Chain& chain;
  const Registers& registers;
  std::uint64_t restarts;  // since the log began
  bool signersChecked;     // by `audit verify`, with the auditor's keys
  bool fresh;              // the quote answers a nonce of the verifier's
  const FirmwareLog* firmware = nullptr;
  std::optional<std::string_view> commandLine;
};
// A part of an image's tree, as its record has it: "name sha512-…".
bool isGoldenPart(const FleetPolicy::Images& wanted, std::string_view dependency);
// With that tree and held to its digest so, where the policy says which.  An image's id says
// nothing of what it was rendered with: where its tree is not given, each part must be golden as
// well.
bool isGolden(const FleetPolicy::Images& wanted, const ImageRecord& image);
// The first demand that is not met: E_ATTEST_POLICY_…, with the record.
Result<void> judge(const FleetPolicy& policy, const Facts& facts);

}  // namespace airlock::attest
