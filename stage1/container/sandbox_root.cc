// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/sandbox_root.h"

#include <fcntl.h>

#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"
#include "stage1/container/app_files.h"
#include "stage1/container/devices.h"
#include "stage1/container/kernel_views.h"

namespace airlock::stage1 {

namespace {

Result<Fd> makeDirectory(FdRef root, const char* name) {
  return sys::ensureDirectory(root, TRY(Component::parse(name)), 0700);
}

// As they are now: what the host changes later reaches no pod.
Result<void> keepNames(FdRef root) {
  const Fd etc = TRY(makeDirectory(root, "etc"));
  for (const char* name : {"hosts", "resolv.conf"}) {
    const auto content = readHostFile(std::string("/etc/") + name);
    if (!content) continue;
    const Component component = TRY(Component::parse(name));
    const Fd file = TRY(sys::openBeneath(etc, component, O_WRONLY | O_CREAT | O_EXCL, 0600));
    TRY(sys::writeAll(file, *content));
  }
  return {};
}

}  // namespace

Result<void> furnishSandbox(FdRef root, const ipc::PodSpec& spec) {
  const Fd proc = TRY(makeDirectory(root, "proc"));
  TRY(mountWholeProc(proc));
  if (spec.network == ipc::Network::Loopback) {
    const Fd sys = TRY(makeDirectory(root, "sys"));
    TRY(mountWholeSys(sys));
  } else {
    TRY(keepNames(root));
  }
  Fd dev = TRY(makeDirectory(root, "dev"));
  const Devices devices = TRY(mountDevices(std::move(dev), spec.selinuxMount));
  TRY(mountSharedMemory(devices.directory, spec.selinuxMount));
  TRY(mountMessageQueues(devices.directory));
  return {};
}

}  // namespace airlock::stage1
