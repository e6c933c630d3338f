// SPDX-License-Identifier: Apache-2.0
// The role unpack, for OCI images: one layer's tar becomes one EROFS image that overlayfs can stack
// (OCI image spec, "Image Layer Filesystem Changeset").  For airlock-verify only.
#pragma once

#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/verify_messages.h"

namespace airlock::verifier {

struct LayerPlace {
  bool bottom = false;            // nothing is below it
  std::span<const FdRef> lowers;  // EROFS images below it, the nearest first; empty: not at hand
  std::span<const std::uint32_t>
      skip;  // entries, by their number in the archive, that are not read
};

// Reads an uncompressed layer from `tar`, sequentially and to its very end, and writes its tree
// into `image`, an empty regular file.  Same layer, place and same bytes.  Whiteouts and opaque
// directories become overlayfs's.
//
// Real layers hold what no image of ours may have; what can be left out without changing what a pod
// sees is left out, and counted: device nodes, FIFOs (a pod's /dev is the engine's), ACLs and
// extended attributes other than user.* (no_new_privs makes nothing of file capabilities).  A name
// may be made again, and a path may go through a symlink of the same layer, as every other engine
// has it.
//
// The answer may be that it must be done again: `superseded` numbers entries that later ones
// replace, `needsLowers` says that links or directories of layers below are needed.  `image` is
// then to be emptied.
//
// Refused (ErrorKind::Invalid): what unpackAci refuses of names, owners, times and archives;
// E_LINK, E_WHITEOUT, and E_DUPLICATE where an entry that others are links to is replaced.
Result<ipc::Layered> unpackLayer(FdRef tar, FdRef image, const LayerPlace& place);

}  // namespace airlock::verifier
