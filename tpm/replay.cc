// SPDX-License-Identifier: Apache-2.0
#include "tpm/replay.h"

#include "base/digest.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "tpm/canonical.h"

namespace airlock::tpm {

namespace {

bool isGoverned(const std::string& type) {
  return type == "image" || type == "pod" || type == "enter";
}

}  // namespace

Result<void> Chain::add(const Record& record) {
  const std::string name = "record " + std::to_string(record.number);
  if (record.number != records) {
    return damaged(name + " stands where record " + std::to_string(records) + " must be");
  }
  if (records == 0) {
    if (record.event.type != "engine")
      return damaged("the log does not begin with an engine record");
    pcr = record.pcr;
    values = zeroed(record.digests);
    bootId = textField(record.event, "boot_id");
    firstAnchor = textField(record.event, "anchor");
  }
  if (record.pcr != pcr) return damaged(name + " is for another register than the first one");
  if (!sameShape(record.digests, values)) {
    return damaged(name + " has other banks than the first one");
  }
  if (isGoverned(record.event.type) && (policy.empty() || trust.empty())) {
    return damaged(name + " comes before the policy and the trusted keys that it stands under");
  }
  if (record.event.type == "engine") {
    if (textField(record.event, "boot_id") != bootId) return damaged(name + " is of another boot");
    anchor = textField(record.event, "anchor");
    engine = fingerprint(record.event);
  } else if (record.event.type == "policy") {
    policy = fingerprint(record.event);
  } else if (record.event.type == "trust") {
    trust = fingerprint(record.event);
  }
  values = extended(values, record.digests);
  ++records;
  return {};
}

Result<Replay> replayText(std::string_view text) {
  Replay replay;
  auto read = forEachElement(text, [&](std::string_view element) -> Result<void> {
    Record record =
        TRY(inContext(parseRecord(element), "record " + std::to_string(replay.chain.records)));
    TRY(replay.chain.add(record));
    replay.records.push_back(std::move(record));
    return {};
  });
  if (!read) return std::unexpected(std::move(read.error()));
  return replay;
}

Result<Replay> replayLog(FdRef log) {
  return replayText(TRY(sys::readAll(log, limits::kEventLogBytes)));
}

std::vector<ipc::PcrBank> bankTexts(const Banks& banks) {
  std::vector<ipc::PcrBank> texts;
  for (const BankValue& bank : banks) {
    texts.push_back({std::string(findHash(bank.algorithm)->name), toHex(bank.value)});
  }
  return texts;
}

bool matches(const Replay& replay, const std::vector<ipc::PcrBank>& banks) {
  return !banks.empty() && bankTexts(replay.chain.values) == banks;
}

}  // namespace airlock::tpm
