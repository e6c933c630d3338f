// SPDX-License-Identifier: Apache-2.0
// The jobs of airlock-attest, from descriptors to descriptors.  Its main(), and tests.
#pragma once

#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/appraise_messages.h"

namespace airlock::attest {

// `fds` are those that ipc/appraise_messages.h has for the job.
Result<ipc::Appraised> perform(const ipc::AppraiseJob& job, const std::vector<Fd>& fds);

}  // namespace airlock::attest
