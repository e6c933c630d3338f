// SPDX-License-Identifier: Apache-2.0
// The image store that this caller uses: root's, through the helper, or its own where there is no
// helper.  CLI only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "cli/helper_client.h"
#include "image/oci_reference.h"
#include "ipc/helper_messages.h"
#include "ipc/records.h"
#include "store/import.h"
#include "store/keystore.h"
#include "store/oci_import.h"
#include "store/store.h"

namespace airlock::cli {

// An OCI image on its way into the store: through the helper, or by ourselves into an own one.
class OciImporting {
 public:
  struct Documents {
    std::string manifest;
    std::string config;
    std::string signatures;  // encoded OciSignatures
    std::string index;       // or empty
  };
  // Layers that the store lacks, by their number in the manifest.
  const std::vector<std::uint32_t>& wanted() const { return wanted_; }
  // One of these, open for reading at its start.
  Result<void> give(std::uint32_t index, Fd file);
  // After all of them.
  Result<ipc::Imported> finish() &&;

 private:
  friend class ImageStore;
  struct Own {
    store::Store store;
    store::RoleStarter starter;
    store::KeyStore keys;
    std::optional<store::OciImport> import;
  };
  std::optional<HelperConversation> helper_;
  std::unique_ptr<Own> own_;
  std::vector<std::uint32_t> wanted_;
};

// The stored image that a reference means: the newest of the tag, or the one of the digest.
Result<std::optional<ipc::CatalogRecord>> findOciImage(const store::Store& store,
                                                       const image::RegistryImage& image);

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
  // An OCI image into this store, layer by layer.
  Result<OciImporting> beginImport(const ipc::ImportOciRequest& request,
                                   const OciImporting::Documents& documents) const;
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
