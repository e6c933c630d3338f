// SPDX-License-Identifier: Apache-2.0
#include "stage1/container/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <termios.h>

#include "base/syscall.h"

namespace airlock::stage1 {

Result<Fd> openTerminal(FdRef terminals) {
  struct statfs info;
  if (::fstatfs(terminals.get(), &info) != 0) return failErrno("statfs of /dev/pts");
  if (info.f_type != DEVPTS_SUPER_MAGIC) {
    return refuse(ErrorKind::Invalid, "E_DEVICE", "/dev/pts of the app is not a devpts");
  }
  const Component multiplexer = TRY(Component::parse("ptmx"));
  Fd master = TRY(sys::openBeneath(terminals, multiplexer, O_RDWR | O_NOCTTY));
  const int unlocked = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return failErrno("unlock the terminal");
  return master;
}

Result<Fd> openPeer(FdRef master) {
  Fd slave = Fd::own(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave.valid()) return failErrno("open the terminal");
  return slave;
}

}  // namespace airlock::stage1
