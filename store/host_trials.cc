// SPDX-License-Identifier: Apache-2.0
#include "store/host_trials.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/limits.h"
#include "base/process.h"
#include "base/syscall.h"
#include "store/tree_mount.h"
#include "store/verity.h"

namespace airlock::store {

namespace {

using namespace std::string_view_literals;

// The smallest EROFS image: a superblock at 1024, and at 1152 (node 36) the inode of an empty
// directory with its two entries (verifier/erofs_format.h has the structures).
std::array<char, 4096> emptyImage() {
  constexpr std::string_view superBlock =
      "\xe2\xe1\xf5\xe0\0\0\0\0\0\0\0\0\x0c\0\x24\0"  // magic, blocks of 2^12 bytes, root
      "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"              // one inode
      "\0\0\0\0\1\0\0\0"sv;                           // one block
  constexpr std::string_view root =
      "\4\0\0\0\xed\x41\2\0\x1b\0\0\0\0\0\0\0"    // data in the inode, 0755, 27 bytes
      "\xff\xff\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0"  // root's
      "\x24\0\0\0\0\0\0\0\x18\0\2\0"              // "."
      "\x24\0\0\0\0\0\0\0\x19\0\2\0"              // ".."
      "..."sv;
  std::array<char, 4096> image{};
  std::ranges::copy(superBlock, image.begin() + 1024);
  std::ranges::copy(root, image.begin() + 1152);
  return image;
}

// That image in a file without a name, open for reading alone.
Result<Fd> imageFile(FdRef folder) {
  const Fd file = TRY(sys::openTemporary(folder, 0600));
  const auto image = emptyImage();
  TRY(sys::writeAll(file, std::string_view(image.data(), image.size())));
  return sys::reopen(file, O_RDONLY);
}

}  // namespace

ipc::Layer tryVerity(FdRef folder) {
  const auto tried = [&]() -> Result<bool> {
    const Fd file = TRY(imageFile(folder));
    if (!offersVerity(file)) return false;
    return enableVerity(file, TRY(digestsOfTree(file)).verity);
  }();
  if (!tried) return {"fs-verity", false, tried.error().message()};
  if (*tried)
    return {"fs-verity", true, "the store's file system verifies what is read of an image"};
  return {"fs-verity", false, "the store's file system, or this kernel, does not have it"};
}

std::vector<ipc::Layer> tryMounts(FdRef folder, const std::string& label) {
  std::vector<ipc::Layer> layers;
  const auto add = [&](const char* name, const Result<void>& done, const std::string& how) {
    layers.push_back({name, done.has_value(), done ? how : done.error().message()});
  };
  const auto mounted = [&]() -> Result<MountedTree> {
    return mountTree(TRY(imageFile(folder)), label);
  }();
  const bool loop = mounted && mounted->byLoopDevice;
  add("erofs", mounted ? Result<void>() : std::unexpected(mounted.error()),
      loop ? "images are mounted through loop devices, as this kernel must"
           : "images are mounted from their files");
  const auto shifted = [&]() -> Result<void> {
    if (!mounted) return fail(ErrorKind::Unsupported, "there is no image to try it with");
    return shiftIds(mounted->mount, TRY(makeUserNamespace({0, 0, limits::kFirstPodUid, 1})));
  }();
  add("idmapped mounts", shifted, "each pod sees an image with uids of its own");
  const auto overlay = sys::fsopen("overlay");
  add("overlay", overlay ? Result<void>() : std::unexpected(overlay.error()),
      "pods write above their images, not into them");
  return layers;
}

ipc::Layer requirement(const std::string& name, const std::vector<ipc::Layer>& layers) {
  const auto found =
      std::ranges::find(layers, name == "content" ? "fs-verity" : name, &ipc::Layer::name);
  // Hashing before a start, where that is enough, needs nothing of the host.
  const bool holds = found == layers.end() || found->enforced;
  return {"required: " + name, holds,
          holds ? "by policy: a start without it is refused"
                : "by policy, and it does not hold: nothing starts"};
}

}  // namespace airlock::store
