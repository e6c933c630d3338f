// SPDX-License-Identifier: Apache-2.0
#include "store/pod_place.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/syscall.h"
#include "sandbox/selinux.h"
#include "store/layout.h"

namespace airlock::store {

// L04: each of these is made under the pod's own label.  One without its categories could be read
// and written by every other pod.
namespace {

Result<void> giveTo(FdRef fd, uid_t uid, gid_t gid, mode_t mode) {
  if (::fchown(fd.get(), uid, gid) != 0 || ::fchmod(fd.get(), mode) != 0)
    return failErrno("give to the pod");
  return {};
}

}  // namespace

Result<Fd> makeUpper(const PodPlace& place, const AppName& app) {
  const auto labelled = TRY(sandbox::FileLabel::set(place.label.files));
  const Fd uppers = TRY(sys::ensureDirectory(place.dir, name("upper"), 0700));
  Fd upper = TRY(sys::ensureDirectory(uppers, name(app.text()), 0700));
  const Fd written = TRY(sys::ensureDirectory(upper, name("fs"), 0755));
  TRY(giveTo(written, place.range.first, place.range.first, 0755));
  // Of an added app that was started before: overlayfs takes no work directory of a volatile mount
  // again, which it cannot know to have been lost to a crash of the machine.
  auto cleared = sys::removeTree(upper, name("work"));
  if (!cleared && cleared.error().kind() != ErrorKind::Missing)
    return std::unexpected(std::move(cleared.error()));
  TRY(sys::makeDirectory(upper, name("work"), 0700));
  return upper;
}

Result<Fd> makeStatusDirectory(const PodPlace& place) {
  const auto labelled = TRY(sandbox::FileLabel::set(place.label.files));
  Fd status = TRY(sys::ensureDirectory(place.dir, name("status"), 0755));
  TRY(giveTo(status, place.range.first, place.range.first, 0755));
  return status;
}

Result<Fd> makeVolume(const PodPlace& place, const ipc::VolumeSpec& volume) {
  const auto labelled = TRY(sandbox::FileLabel::set(place.label.files));
  const Fd volumes = TRY(sys::ensureDirectory(place.dir, name("volumes"), 0700));
  Fd dir = TRY(sys::ensureDirectory(volumes, name(volume.name.text()), 0700));
  TRY(giveTo(dir, place.range.first + volume.uid, place.range.first + volume.gid,
             volume.mode & 07777));
  return dir;
}

}  // namespace airlock::store
