// SPDX-License-Identifier: Apache-2.0
// AttestRequest and Attested between their plain and their wire form.  Only the .cc files of ipc/
// may use it.
#pragma once

#include "ipc/attest_messages.h"
#include "ipc/codec.h"
#include "ipc/schema/attest.capnp.h"

namespace airlock::ipc::codec {

Result<AttestRequest> readAttest(wire::AttestRequest::Reader from);
void writeAttest(wire::AttestRequest::Builder to, const AttestRequest& request);
Result<Attested> readAttested(wire::Attested::Reader from);
void writeAttested(wire::Attested::Builder to, const Attested& attested);

}  // namespace airlock::ipc::codec
