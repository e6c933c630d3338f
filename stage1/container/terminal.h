// SPDX-License-Identifier: Apache-2.0
// A pseudo terminal of a pod's own instance: no file of the host's is ever an app's terminal
// (CVE-2017-5226).  The container flavour.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace airlock::stage1 {

// The master side of a new terminal.  `terminals` must be a devpts, whatever it is called (P03).
Result<Fd> openTerminal(FdRef terminals);
// Its slave side, asked of the master itself and not by name.  ioctl_tty(2), TIOCGPTPEER
Result<Fd> openPeer(FdRef master);

}  // namespace airlock::stage1
