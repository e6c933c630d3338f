// SPDX-License-Identifier: Apache-2.0
// /dev of an app: a file system of our own with the few devices that every program may have (K17),
// made where no image can have put anything.  The container flavour.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::stage1 {

struct Devices {
  Fd directory;  // /dev
  Fd terminals;  // /dev/pts, an instance of its own
};
// `target` is the app's mount point, `label` SELinux's for all in it.  /dev/shm and /dev/mqueue are
// empty directories so far.
Result<Devices> mountDevices(Fd target, const std::string& label);

// On shm; the pod's, shared by its apps.
Result<Fd> mountSharedMemory(FdRef devices, const std::string& label);
Result<Fd> mountMessageQueues(FdRef devices);  // on mqueue; of the pod's ipc namespace
Result<void> mountConsole(FdRef terminal, FdRef devices);

// A detached mount of one of the host's harmless device nodes: a character device with the number
// that it must have, whatever else the host has by that name (P02).  Only while the host's /dev can
// be seen.
Result<Fd> cloneHostDevice(const std::string& name);

}  // namespace airlock::stage1
