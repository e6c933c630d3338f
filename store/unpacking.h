// SPDX-License-Identifier: Apache-2.0
// From stored image files to a tree: the roles inflate and unpack, and the hash of every byte
// between them, which is the image id.  Whoever imports, or reads an image back.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "ipc/verify_messages.h"
#include "store/roles.h"

namespace airlock::store {

// Image files are descriptors for reading alone: a role gets them.

// Has an image file inflated and hands each piece of its tar to `use`.  Returns the image id: ours,
// not a role's word.
using UseBytes = std::function<Result<void>(std::span<const std::uint8_t>)>;
Result<ImageId> inflateImage(const RoleStarter& starter, FdRef blob, const UseBytes& use);

// One image alone, with everything that is in it: its tree into `tree`, its manifest into
// `manifest`, both empty files.
Result<std::pair<ImageId, ipc::Unpacked>> unpackInto(const RoleStarter& starter, FdRef blob,
                                                     FdRef tree, FdRef manifest);

// One layer of an OCI image into the empty file `tree`; see LayerJob for what the answer may ask
// for. Nobody but the two roles sees the tar: the layer's digest is that of the file.
Result<ipc::Layered> unpackLayerInto(const RoleStarter& starter, FdRef file, FdRef tree,
                                     const ipc::LayerJob& job, std::span<const Fd> lowers);

// An image that a tree is rendered of.
struct RenderPart {
  ImageId image;  // what its tar must hash to
  Fd blob;
  std::string manifest;
  std::uint32_t depth = 0;  // 0: the image itself, which is the first
  std::string shown;        // its name, for a refusal
};
// The tree of the first of these images with the others as its dependencies, into `tree`; `scratch`
// is another empty file.  E_DIGEST: one of the stored files is not what was imported.
Result<void> renderInto(const RoleStarter& starter, std::span<const RenderPart> parts, FdRef tree,
                        FdRef scratch);

}  // namespace airlock::store
