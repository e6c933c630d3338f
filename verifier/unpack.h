// SPDX-License-Identifier: Apache-2.0
// The role unpack: an ACI archive becomes an EROFS image and a manifest.  For airlock-verify only.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "verifier/path_whitelist.h"

namespace airlock::verifier {

struct Unpacked {
  std::string manifest;     // its bytes as they are in the archive, at most kManifestBytes
  std::uint64_t entries;    // names in the tree, without the root
  std::uint64_t treeBytes;  // size of the EROFS image
};

// Reads an uncompressed ACI archive (appc spec, "App Container Image": `manifest` and `rootfs/`,
// any order) from `tar`, sequentially and to its very end, and writes the tree below rootfs/ into
// `image`, an empty regular file, by pwrite. Same archive, same bytes.  On an error the content of
// `image` is undefined.
//
// Refused (ErrorKind::Invalid) are, each with a code: E_LAYOUT other names at the top, no manifest
// or rootfs; E_MANIFEST; E_PATH, E_DEPTH names that are absolute, have "..", are too long, or go
// through something that is no directory; E_SYMLINK names that go through a symlink; E_LINK a hard
// link that does not name an earlier regular file; E_DUPLICATE; E_DEVICE, E_TYPE, E_SPARSE; E_XATTR
// other than user.*, and user.overlay.*; E_ID beyond 65534; E_MODE; E_TIME; E_LIMIT; E_PAX,
// E_CHECKSUM, E_TRUNCATED, E_TRAILING, E_TAR malformed archives.
//
// Uses read(2) on `tar`, pwrite(2) on `image` and memory; opens nothing, starts nothing, asks no
// locale or clock.
Result<Unpacked> unpackAci(FdRef tar, FdRef image);

// One of the images that a tree is rendered of.
struct RenderedImage {
  FdRef tar;
  PathWhitelist whitelist;
};
// Writes one tree of several images (appc spec, "Dependency Matching"): their archives are read one
// after the other, with the refusals of unpackAci, and what an image has wins over what the ones
// behind it have at or below that path.  A hard link whose file did not get into the tree becomes
// that file; `scratch` is an empty regular file for such content.  Returns the number of names.
Result<std::uint64_t> renderAcis(std::span<const RenderedImage> images, FdRef image, FdRef scratch);

}  // namespace airlock::verifier
