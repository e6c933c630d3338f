// SPDX-License-Identifier: Apache-2.0
// A process between a job and the TPM's character device, which may keep whoever touches it for
// minutes.  airlock-measure's main() only, before it confines itself.
//
// Linux holds a lock of the open device for as long as a command runs, and takes it in poll(2),
// read(2) and write(2), O_NONBLOCK or not; the last close(2) waits, too (drivers/char/tpm/
// tpm-dev-common.c).  None of these can be interrupted, by a SIGKILL neither, and the driver's own
// limit is 120 s for most commands.  So the relay is who waits, and the job keeps its time.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace airlock::tpm {

// Starts the relay, which ends with this process, or when the TPM lets it.  Gives the socket to use
// instead of `device` (SOCK_SEQPACKET): each message is a command, or the answer to it.  An answer
// of the size of an int is the error number that the device gave instead.
//
// The relay is confined before it reads anything: it has the two descriptors and may use them.
Result<Fd> relayTo(Fd device);

}  // namespace airlock::tpm
