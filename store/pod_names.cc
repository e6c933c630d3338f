// SPDX-License-Identifier: Apache-2.0
#include "store/pod_names.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

constexpr std::size_t kOwnerBytes = 64;

struct Registry {
  Fd dir;
  Fd lock;
};

// Everyone may read the directory, and so lock it: its lock is a file that only the owner can open.
Result<Registry> openRegistry(FdRef top) {
  Registry registry;
  registry.dir = TRY(sys::ensureDirectory(top, name("pod-names"), 0755));
  if (::fchmod(registry.dir.get(), 0755) != 0) return failErrno("chmod pod-names");
  registry.lock = TRY(sys::openBeneath(registry.dir, name(".lock"), O_RDWR | O_CREAT, 0600));
  while (::flock(registry.lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failErrno("lock the names of pods");
  }
  return registry;
}

// nullopt: nobody has it, or it was being given when the power failed.
Result<std::optional<PodId>> ownerOf(FdRef registry, const Component& entry) {
  const auto text = sys::readFile(registry, entry, kOwnerBytes);
  if (!text && text.error().kind() == ErrorKind::Missing) return std::optional<PodId>();
  if (!text) return std::unexpected(text.error());
  const auto id = PodId::parse(*text);
  return id ? std::optional(*id) : std::nullopt;
}

}  // namespace

Result<void> takePodName(FdRef top, const PodDirectory& pods, const PodId& pod,
                         const AppName& name) {
  if (PodId::parse(name.text())) {
    return refuse(ErrorKind::Invalid, "E_NAME",
                  "a pod cannot be called " + name.text() + ", which is a UUID");
  }
  const Registry registry = TRY(openRegistry(top));
  const Component entry = TRY(Component::parse(name.text()));
  if (const auto owner = TRY(ownerOf(registry.dir, entry))) {
    const std::vector<PodId> all = TRY(pods.ids());
    if (std::ranges::find(all, *owner) != all.end()) {
      return refuse(ErrorKind::Busy, "E_NAME_TAKEN",
                    "the pod " + owner->text() + " has the name \"" + name.text() + "\"",
                    "Choose another, or remove that pod: airlock rm " + name.text());
    }
  }
  Fd file = TRY(sys::openBeneath(registry.dir, entry, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  if (::fchmod(file.get(), 0644) != 0) return failErrno("chmod a pod's name");
  return sys::writeAll(file, pod.text());
}

Result<void> releasePodName(FdRef top, const PodId& pod, const std::string& name) {
  if (name.empty()) return {};
  const Registry registry = TRY(openRegistry(top));
  const Component entry = TRY(Component::parse(name));
  if (TRY(ownerOf(registry.dir, entry)) != pod) return {};
  return sys::unlink(registry.dir, entry);
}

Result<void> reconcilePodNames(FdRef top, const PodDirectory& pods) {
  const auto there = sys::openBeneath(top, name("pod-names"), O_RDONLY | O_DIRECTORY);
  if (!there && there.error().kind() == ErrorKind::Missing) return {};
  const Registry registry = TRY(openRegistry(top));
  const std::vector<std::string> entries = TRY(sys::list(registry.dir));
  // After the names, and with the lock held: see reconcileUidRanges.
  const std::vector<PodId> all = TRY(pods.ids());
  for (const std::string& text : entries) {
    if (!AppName::parse(text)) continue;
    const Component entry = TRY(Component::parse(text));
    const auto owner = TRY(ownerOf(registry.dir, entry));
    if (!owner || std::ranges::find(all, *owner) == all.end())
      TRY(sys::unlink(registry.dir, entry));
  }
  return {};
}

Result<std::optional<PodId>> podOfName(FdRef top, const AppName& wanted) {
  auto registry = sys::openBeneath(top, name("pod-names"), O_RDONLY | O_DIRECTORY);
  if (!registry && registry.error().kind() == ErrorKind::Missing) return std::optional<PodId>();
  return ownerOf(TRY(std::move(registry)), TRY(Component::parse(wanted.text())));
}

}  // namespace airlock::store
