// SPDX-License-Identifier: Apache-2.0
// What is kept in a TPM, by the number of its handle.  The measuring process only.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "tpm/hierarchy.h"

namespace airlock::tpm {

// Whether there is something at this handle: asked for, since an error could mean anything.
Result<bool> exists(Connection& connection, TPM2_HANDLE handle);

// All that is at an index of NV memory, by the index's own empty password where it may be read so,
// else by the owner's.  E_ATTEST_CERTIFICATE: more than limits::kCertificateBytes.
Result<std::string> readNv(Connection& connection, std::uint32_t index, const Hierarchy& owner);

}  // namespace airlock::tpm
