// SPDX-License-Identifier: Apache-2.0
// Reads a whole measurement log strictly and computes what it says the register holds.  The
// measuring process, for recovery; the CLI, for `airlock tpm log`.  Needs no TPM.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/helper_messages.h"
#include "tpm/hash.h"
#include "tpm/record.h"

namespace airlock::tpm {

// What a log amounts to so far.
struct Chain {
  std::uint64_t records = 0;
  std::uint32_t pcr = 0;
  Banks values;             // of the register, from zero, after the last record
  std::string bootId;       // of the first engine record
  std::string firstAnchor;  // "hardware", "software", "none": whether the register was extended
                            // from the first record on
  std::string anchor;  // as the latest engine record has it: "none" since recording went on without
                       // the register
  // Fingerprints of the latest events of these types; empty: none yet.
  std::string engine;
  std::string policy;
  std::string trust;

  // Adds one record.  E_TPM_LOG unless it is the next one: number, register and banks as before,
  // and engine, policy and trust ahead of anything that they govern.
  Result<void> add(const Record& record);
  bool anchoredFromStart() const { return firstAnchor != "none" && !firstAnchor.empty(); }
};

struct Replay {
  Chain chain;
  std::vector<Record> records;
};
// E_TPM_LOG on anything that we would not have written (M03): a torn, dropped, swapped, doubled or
// changed record, an unknown type, another spelling of the same JSON.  That records are missing at
// the end only the register can say: compare with matches().
Result<Replay> replayText(std::string_view text);
Result<Replay> replayLog(FdRef log);

// The values as they travel in messages: algorithm names and hex.
std::vector<ipc::PcrBank> bankTexts(const Banks& banks);
// Every bank of the TPM, and no other, has the value that the log leads to.
bool matches(const Replay& replay, const std::vector<ipc::PcrBank>& banks);

// Calls `each` with every element of the sequence, RS and LF included; a rest without LF is one
// too.
template <class Each>
Result<void> forEachElement(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
    TRY(each(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return {};
}

}  // namespace airlock::tpm
