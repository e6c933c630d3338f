// SPDX-License-Identifier: Apache-2.0
// Files of a store that have no name yet, and what is stored looked at again: what imports of both
// kinds of images share.  For .cc files of this folder.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <string>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"
#include "store/roles.h"
#include "store/store.h"
#include "store/verity.h"

namespace airlock::store {

// An empty file of one of the store's folders, for reading and writing.
Result<Fd> unnamed(const Store& store, const char* folder);

// Lets the disk begin while there is still hashing to do; the commit's sync waits for the end of
// it.
void beginWriting(FdRef file);

// Has the role check read the tree while it is hashed.  What is recorded for fs-verity is of the
// bytes that are verified here, not what the kernel says afterwards; a file system without it is
// spared the second hash.
struct CheckedTree {
  TreeDigest tree;
  std::optional<VerityDigest> verity;
};
Result<CheckedTree> checkTree(const RoleStarter& starter, FdRef tree, const ipc::CheckJob& job);

// What is wrong with a stored file that should have this BLAKE2b digest; nothing: "".  A medium
// that does not give the bytes back is a finding about this image, not the end of the question.
template <class Kind>
Result<std::string> faultOfStored(const Result<Fd>& file, const Kind& expected,
                                  const std::string& what) {
  if (!file && file.error().kind() == ErrorKind::Missing) return what + " is missing";
  if (!file) return std::unexpected(file.error());
  // What is on the disk is asked, not what memory has of it.
  static_cast<void>(::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED));
  const auto digest = blake2bOfFile(*file);
  if (digest) return Kind(*digest) == expected ? "" : what + " is not the one that was imported";
  constexpr int damage[] = {EIO, EBADMSG, EUCLEAN};  // of the disk, of checksums of a file system
  if (std::ranges::find(damage, digest.error().number()) == std::end(damage))
    return std::unexpected(digest.error());
  return what + " cannot be read back (" + digest.error().message() +
         "): the medium is bad, or what is on it was changed";
}

}  // namespace airlock::store
