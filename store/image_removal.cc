// SPDX-License-Identifier: Apache-2.0
#include "store/image_removal.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::store {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Whether the pod runs, or may yet.  What is left of one that has ended, be it its status, its
// manifest or its logs, needs no image; an export says that its is gone.
bool needsItsImages(PodState state) {
  switch (state) {
    case PodState::Embryo:
    case PodState::Preparing:
    case PodState::Prepared:
    case PodState::Running:
      return true;
    case PodState::AbortedPrepare:
    case PodState::Exited:
    case PodState::ExitedGarbage:
    case PodState::ExitedDeleting:
    case PodState::Garbage:
    case PodState::Deleting:
      return false;
  }
  return true;
}

struct User {
  PodId pod;
  PodState state;
};

// A pod that uses each image.  To be asked while a Store::Removal exists: no pod starts then.
Result<std::map<ImageId, User>> imagesOfPods(const PodDirectory& pods) {
  std::map<ImageId, User> used;
  for (const Pod& pod : TRY(pods.list())) {
    if (!needsItsImages(pod.state)) continue;
    for (const ipc::PodApp& app : pod.record.apps)
      used.emplace(app.image, User{pod.record.pod, pod.state});
  }
  return used;
}

}  // namespace

Result<void> removeImage(const Store& store, const PodDirectory& pods, const ImageId& image) {
  Store::Removal removal = TRY(store.beginRemoval());
  const auto used = TRY(imagesOfPods(pods));
  if (const auto user = used.find(image); user != used.end()) {
    const std::string id = user->second.pod.text();
    return refuse(
        ErrorKind::Busy, "E_IN_USE", "image \"" + image.text() + "\" is used by pod \"" + id + "\"",
        user->second.state == PodState::Running ? "Stop that pod first: airlock stop " + id
                                                : "Remove that pod first: airlock rm " + id);
  }
  return removal.take(image);
}

Result<ipc::ImagesCollected> collectImages(const Store& store, const PodDirectory& pods,
                                           std::uint64_t graceSeconds, const MayRemove& mayRemove) {
  Store::Removal removal = TRY(store.beginRemoval());
  const auto used = TRY(imagesOfPods(pods));
  const std::int64_t now = sys::wallClock();
  // In seconds, so that the longest grace period fits.
  const auto isFresh = [&](const ipc::CatalogRecord& image) {
    const std::int64_t idle = std::max<std::int64_t>(0, now - store.lastUsed(image)) / kSecond;
    return static_cast<std::uint64_t>(idle) < graceSeconds;
  };
  const std::vector<ipc::CatalogRecord> images = TRY(store.images());
  std::set<ImageId> kept;
  for (const ipc::CatalogRecord& image : images) {
    if (!used.contains(image.image) && !isFresh(image) && mayRemove(image)) continue;
    kept.insert(image.image);
    for (const ipc::Dependency& part : image.dependencies) kept.insert(part.image);
  }
  ipc::ImagesCollected collected;
  for (const ipc::CatalogRecord& image : images) {
    if (kept.contains(image.image)) continue;
    collected.more = collected.removed.size() == limits::kCollectedImages;
    if (collected.more) break;
    TRY(removal.take(image.image));
    collected.removed.push_back({image.image, displayName(image.name, image.labels)});
    fault("image-gc-removed");
  }
  return collected;
}

}  // namespace airlock::store
