// SPDX-License-Identifier: Apache-2.0
// airlock-pack: descriptors 3 the root of an app that has exited, 4 the image file, 5 its sealed
// manifest, 6 a pipe that says "ok" at the end, or what went wrong, 7 the pod's claim, which keeps
// it from being deleted as long as we live.  Started by airlock-helper as the root of the pod's own
// users, in namespaces of its own.
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include <array>
#include <string>

#include "base/fd.h"
#include "base/limits.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "sandbox/confine.h"
#include "sandbox/credentials.h"
#include "sandbox/policies/pack.bpf.h"
#include "sandbox/seccomp.h"
#include "verifier/pack.h"

namespace airlock::verifier {
namespace {

constexpr int kRootFd = 3;
constexpr int kArchiveFd = 4;
constexpr int kManifestFd = 5;
constexpr int kResultFd = 6;
constexpr int kClaimFd = 7;

// Every file of the tree stays readable to it, and nothing else can be named any more.
Result<void> confine() {
  TRY(sandbox::setDumpable(false));
  constexpr std::array<int, 5> keep = {kRootFd, kArchiveFd, kManifestFd, kResultFd, kClaimFd};
  TRY(sandbox::closeAllBut(keep));
  if (::fchdir(kRootFd) != 0 || ::chroot(".") != 0 || ::chdir("/") != 0)
    return failErrno("enter the app's root");
  TRY(sandbox::keepOnlyCapabilities(sandbox::capability(CAP_DAC_READ_SEARCH)));
  TRY(sandbox::setNoNewPrivileges());
  return sandbox::installFilter(sandbox::policies::kPack);
}

Result<void> run() {
  TRY(confine());
  const Sealed manifest = TRY(Sealed::check(Fd::own(kManifestFd), limits::kManifestBytes));
  // What came names the mount and reads nothing (fsmount(2)).
  const Fd root = TRY(sys::openPath("/", O_RDONLY | O_DIRECTORY));
  const Fd archive = Fd::own(kArchiveFd);
  return packImage(root, TRY(manifest.read()), archive);
}

int main() {
  const auto packed = run();
  const std::string said = packed ? "ok" : packed.error().text();
  static_cast<void>(sys::writeAll(FdRef(kResultFd), said.substr(0, limits::kTextBytes)));
  return packed ? 0 : 1;
}

}  // namespace
}  // namespace airlock::verifier

int main(int argc, char**) {
  airlock::sandbox::refuseEmptyArguments(argc);
  return airlock::verifier::main();
}
