// SPDX-License-Identifier: Apache-2.0
// Starts and stops of pods as records of Linux audit, in the words that libvirt has for machines:
// ausearch -m VIRT_CONTROL and auvirt find them.  The helper.
#pragma once

#include <string>

#include "audit/entry.h"

namespace airlock::audit {

// The text of the record; "" when the entry is about neither.
std::string virtControlText(const Entry& entry);
// Where the kernel has no audit, or this process may not write to it, nothing happens.
void tellKernel(const Entry& entry);

}  // namespace airlock::audit
