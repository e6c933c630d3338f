// SPDX-License-Identifier: Apache-2.0
// In the place of a stage1: misbehaves as the file "<this program>.mode" says.  For tests/attack
// alone.
#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "ipc/channel.h"
#include "ipc/pod_spec.h"

int main() {
  using namespace airlock;  // NOLINT: a program's main file
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return 1;
  const std::string self(path, static_cast<std::size_t>(length));
  char mode[64] = {};
  const int file = ::open((self + ".mode").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 || ::read(file, mode, sizeof mode - 1) <= 0) return 1;
  const std::string wanted = mode;
  ipc::Channel leash(Fd::own(ipc::kLeashFd));
  if (wanted == "exit") return 7;
  if (wanted == "flood") {
    ipc::LeashEvent event{.kind = ipc::LeashEvent::Kind::AppExited,
                          .app = "app",
                          .status = 0,
                          .text = std::string(4000, 'x')};
    const std::string bytes = ipc::encode(event);
    while (leash.send(bytes)) {
    }
  }
  if (wanted == "garbage") {
    while (leash.send("\xff\xff\xff\xff")) {
    }
  }
  for (;;) ::pause();
}
