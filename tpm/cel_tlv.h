// SPDX-License-Identifier: Apache-2.0
// The log in TCG's other encoding, CEL-TLV (Canonical Event Log Format 1.0, section 5.1), for tools
// that read no JSON.  The log's readers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tpm/record.h"

namespace airlock::tpm {

// One record: RECNUM (8 bytes), PCR (1 byte), DIGESTS, and our own content, whose type is 0xa1: the
// event's type, and its payload.
std::string encodeTlv(const Record& record);
// Exactly what encodeTlv() writes for records that the log's reader would take.  E_TPM_LOG
Result<std::vector<Record>> parseTlv(std::string_view bytes);

}  // namespace airlock::tpm
