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

// The pod that uses each image.  To be asked while a Store::Removal exists: no pod starts then.
Result<std::map<ImageId, PodId>> imagesOfPods(const PodDirectory& pods) {
  std::map<ImageId, PodId> used;
  for (const Pod& pod : TRY(pods.list())) {
    if (pod.state == PodState::Garbage) continue;
    for (const ipc::PodApp& app : pod.record.apps) used.emplace(app.image, pod.record.pod);
  }
  return used;
}

}  // namespace

Result<void> removeImage(const Store& store, const PodDirectory& pods, const ImageId& image) {
  Store::Removal removal = TRY(store.beginRemoval());
  const auto used = TRY(imagesOfPods(pods));
  if (const auto pod = used.find(image); pod != used.end()) {
    const std::string id = pod->second.text();
    return refuse(ErrorKind::Busy, "E_IN_USE",
                  "image \"" + image.text() + "\" is used by pod \"" + id + "\"",
                  "Stop and remove that pod first: airlock stop " + id + " && airlock rm " + id);
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
