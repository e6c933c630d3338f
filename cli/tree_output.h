// SPDX-License-Identifier: Apache-2.0
// A directory that becomes a copy of an image's tree.  CLI only.  The stream comes from a role that
// has read foreign bytes: no link of it is followed, nothing outside of the directory is touched.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/path.h"
#include "base/result.h"
#include "ipc/tree_stream.h"

namespace airlock::cli {

// Made beside its place under a name of its own, and moved there when it is whole; until then its
// destructor takes it away.
class TreeOutput {
 public:
  // E_EXISTS: there is something at `path`, and it may not be replaced.  The directory is for its
  // owner alone while it is written; and stays so for root, whose set-user-ID programs of an image
  // would be anybody's else.
  static Result<TreeOutput> create(const std::string& path, bool overwrite);
  TreeOutput(TreeOutput&& other) noexcept
      : parent_(std::move(other.parent_)),
        top_(std::move(other.top_)),
        name_(std::move(other.name_)),
        temporary_(std::move(other.temporary_)),
        overwrite_(other.overwrite_),
        done_(std::exchange(other.done_, true)),
        directories_(std::move(other.directories_)) {}
  TreeOutput& operator=(TreeOutput&&) = delete;
  ~TreeOutput();

  // On the same file system, for files without a name.
  FdRef parent() const { return parent_; }
  Result<void> putFile(const Component& name, std::string_view content);
  // The tree from the stream, into the directory `below` of the new one, "" for itself.  Owners are
  // kept for root alone; set-user-ID bits too.
  Result<void> putTree(FdRef stream, const std::string& below);
  Result<void> finish() &&;

 private:
  TreeOutput(Fd parent, Fd top, Component name, Component temporary, bool overwrite)
      : parent_(std::move(parent)),
        top_(std::move(top)),
        name_(std::move(name)),
        temporary_(std::move(temporary)),
        overwrite_(overwrite) {}
  Result<void> put(FdRef root, ipc::TreeStreamReader& stream, const ipc::TreeEntry& entry);
  Result<void> putContent(FdRef directory, const Component& name, ipc::TreeStreamReader& stream,
                          const ipc::TreeEntry& entry);
  Result<void> finishDirectories(FdRef root);

  Fd parent_;
  Fd top_;
  Component name_;
  Component temporary_;
  bool overwrite_;
  bool done_ = false;
  std::vector<ipc::TreeEntry> directories_;  // get their modes and times when they are full
};

}  // namespace airlock::cli
