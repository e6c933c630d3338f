// SPDX-License-Identifier: Apache-2.0
// An opened image store.  The helper opens root's, the CLI a user's own for writing and root's for
// reading.
#pragma once

#include <sys/file.h>

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/records.h"
#include "store/layout.h"
#include "store/pod_dir.h"

namespace airlock::store {

class Store {
 public:
  // Opens DIR for its owner, making what is missing and migrating an older format; then repairs
  // what a crash left. E_STORE: somebody else could write it (C01), or a newer engine made it.
  static Result<Store> openForWriting(const std::string& directory);
  // Opens DIR to read the catalog and the pods; nullopt when there is no store.  Changes nothing,
  // so older formats are read as they are.  E_STORE: a newer engine made it.
  static Result<std::optional<Store>> openForReading(const std::string& directory);

  FdRef top() const { return top_; }
  FdRef store() const { return store_; }
  // One of the folders of layout.h: "catalog", "tree", …
  Result<Fd> folder(std::string_view name) const;

  // --- catalog
  Result<std::vector<ipc::CatalogRecord>> images()
      const;  // by import time; a record that does not decode is left out
  Result<std::optional<ipc::CatalogRecord>> find(const ImageId& image) const;
  Result<ipc::CatalogRecord> require(const ImageId& image) const;  // Missing: there is none
  // The record for a name and labels: the newest import whose labels include all that are asked
  // for; without a version among them one that was fetched without a version, if there is any.
  Result<std::optional<ipc::CatalogRecord>> find(const ImageName& name,
                                                 const std::vector<Label>& labels) const;
  // "sha512-aa…", at least two digits: E_AMBIGUOUS, or Missing when there is none.
  Result<ipc::CatalogRecord> findByPrefix(std::string_view text) const;
  Result<std::string> manifest(const ipc::CatalogRecord& record) const;
  // Read-only; for the owner only.  The trees of an image are its layers', the topmost first.
  Result<std::vector<Fd>> openTrees(const ipc::CatalogRecord& record) const;
  Result<Fd> openTree(const TreeDigest& tree) const;
  Result<Fd> openBlob(const ipc::CatalogRecord& record) const;  // of an ACI: the image file
  // What was imported: the image file; or manifest, config, index if there is one, and layers, the
  // bottom one first.
  Result<std::vector<Fd>> openFiles(const ipc::CatalogRecord& record) const;
  Result<Fd> openOciBlob(const OciDigest& blob) const;
  // What is stored of these layers, the bottom one first, and can be used at their places.
  Result<std::vector<std::optional<ipc::StoredLayer>>> findLayers(
      std::span<const OciDigest> layers) const;

  // When an image was last imported or started; nanoseconds since 1970.
  std::int64_t lastUsed(const ipc::CatalogRecord& record) const;
  // It is used now, and so are the images that it was rendered with.  What cannot be noted is not.
  void noteUse(const ipc::CatalogRecord& record) const;

  // While this is open no image goes away: whoever starts a pod holds it until the pod's record
  // names the images that it uses.
  Result<Fd> pin() const { return lock(LOCK_SH); }

  // Takes images away, each with everything that only it uses; one by one atomic like an import.
  // While it exists, nothing is committed and nothing pinned.
  class Removal {
   public:
    // Missing: there is no such image any more.
    Result<void> take(const ImageId& image);

   private:
    friend class Store;
    Removal(const Store& store, Fd lock) : store_(store), lock_(std::move(lock)) {}
    const Store& store_;
    Fd lock_;
    std::map<std::pair<std::string, std::string>, std::size_t> references_;  // (folder, file)
  };
  Result<Removal> beginRemoval() const;
  Result<void> remove(const ipc::CatalogRecord& record) const;

  // Bytes that stand ready to become an image: all unnamed files of this store.
  struct Staged {
    ipc::CatalogRecord record;
    struct File {
      const char* folder;
      Component name;
      Fd file;
    };
    std::vector<File> files;
    std::optional<Fd> signature;
  };
  // Everything gets its name, or nothing does.  False when the same image was there already (its
  // record is then refreshed: signers and origin of today; the image stays whose it was, unless
  // root imports it).  E_BUSY: a layer that was there when the import began has been taken away.
  Result<bool> commit(Staged staged);

  // What interrupted commits and removals left behind goes; called by openForWriting, harmless at
  // any time.
  Result<void> repair();

 private:
  Store(Fd top, Fd store) : top_(std::move(top)), store_(std::move(store)) {}
  Result<Fd> lock(int operation) const;
  Result<std::vector<ipc::CatalogRecord>> named(const ImageName& name) const;
  Result<void> indexName(const ipc::CatalogRecord& record) const;
  void dropName(const ipc::CatalogRecord& record) const;
  Result<void> writeIntent(const ipc::CatalogRecord& record, const Component& intent) const;
  Result<void> dropUnreferenced(const ipc::CatalogRecord& record) const;
  Result<void> requireFiles(const ipc::CatalogRecord& record) const;

  Fd top_;
  Fd store_;
};

}  // namespace airlock::store
