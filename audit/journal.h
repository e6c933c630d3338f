// SPDX-License-Identifier: Apache-2.0
// A line of the audit record for systemd's journal too, in fields that journalctl finds it by.  The
// helper.
#pragma once

#include "audit/record.h"

namespace airlock::audit {

// Where there is no journal, or it does not take it at once, nothing happens: the record is the
// record.
void tellJournal(const Entry& entry, const Written& written);

}  // namespace airlock::audit
