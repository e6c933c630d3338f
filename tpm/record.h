// SPDX-License-Identifier: Apache-2.0
// One record of the measurement log: the event that is measured, and its line of TCG CEL-JSON.  The
// measuring process and the log's reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tpm/hash.h"

namespace airlock::tpm {

// What is measured: the bytes "airlock.v1" 00 type 00 payload, the payload being canonical JSON
// (docs/measurement.md). The type stands inside the hashed bytes, so that no record can pass for
// one of another type.
struct Event {
  std::string type;  // engine, policy, trust, image, pod, enter, abort, cap
  std::string payload;
};
std::string preimage(const Event& event);
// Two events of one type with the same fingerprint say the same: SHA-256 of the payload, without
// the fields of an engine event that differ each time it is recorded (what the register held, the
// TPM's counters).
std::string fingerprint(const Event& event);

struct Record {
  std::uint64_t number = 0;
  std::uint32_t pcr = 0;
  Banks digests;
  Event event;
};

// RS, canonical JSON, LF: one element of a JSON text sequence (RFC 7464).
std::string encodeRecord(const Record& record);
// Exactly what encodeRecord() writes, with digests that are those of the event, a known type and
// that type's fields.
Result<Record> parseRecord(std::string_view element);

// The value of a text field of the payload, or an empty text.
std::string textField(const Event& event, const char* name);
// One line for people: "pod 5f1e… example.com/app".  Escaped for a terminal.
std::string summarize(const Event& event);

}  // namespace airlock::tpm
