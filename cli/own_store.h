// SPDX-License-Identifier: Apache-2.0
// The image store that this caller uses: root's, through the helper, or its own where there is no
// helper.  CLI only.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "ipc/helper_messages.h"
#include "ipc/records.h"
#include "store/import.h"
#include "store/keystore.h"
#include "store/store.h"

namespace airlock::cli {

class ImageStore {
 public:
  // Which one it is, as said above; an own store is DIR with --dir, else $XDG_DATA_HOME/airlock.
  // Opens nothing.
  static Result<ImageStore> choose(const Options& options);

  bool throughHelper() const { return throughHelper_; }
  const std::string& directory() const { return directory_; }

  // For reading; nullopt when nothing was ever imported.
  Result<std::optional<store::Store>> open() const;
  // The keys that count for imports into this store.
  Result<store::KeyStore> keys() const;

  // A hash prefix or name[:version] of an image in the store.  Missing: no such image.
  Result<ipc::CatalogRecord> resolve(const std::string& argument) const;

  // Verifies and keeps an image; nothing of the store changes when it is refused, or needs others
  // first.
  Result<store::ImportOutcome> import(const ipc::ImportRequest& request, FdRef image,
                                      std::optional<FdRef> signature) const;
  // The files as they came, or the trees that run (EROFS images, the topmost first), for reading.
  enum class Content { File, Tree };
  Result<std::vector<Fd>> openContent(const ipc::CatalogRecord& record, Content content) const;
  Result<ipc::ImageVerified> verify(const ipc::CatalogRecord& record) const;
  Result<void> remove(const ipc::CatalogRecord& record) const;
  // Removes what was not used within the grace period; `removed` hears of each.
  Result<std::vector<ipc::RemovedImage>> collect(
      std::uint64_t graceSeconds,
      const std::function<void(const ipc::RemovedImage&)>& removed) const;

 private:
  ImageStore(const Options& options, bool throughHelper, std::string directory)
      : options_(options), throughHelper_(throughHelper), directory_(std::move(directory)) {}
  std::vector<std::string> configRoots() const;
  // E_HELPER: it is somebody else's, and so only its owner's helper could change it.
  Result<store::Store> openOwn() const;

  Options options_;
  bool throughHelper_;
  std::string directory_;
};

}  // namespace airlock::cli
