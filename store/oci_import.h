// SPDX-License-Identifier: Apache-2.0
// From somebody's descriptors to a verified OCI image that is committed (docs/oci.md).  The helper
// imports into root's store, the CLI into a user's own, with this same code.
//
// In this order, so that nothing is converted for an image that may not be kept: its documents are
// copied and hashed, its signatures verified, the documents read by a role that does nothing else,
// and whoever it is for decides.  Then come the layers, each of which is what the manifest has
// under its digest or is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/channel.h"
#include "ipc/helper_messages.h"
#include "ipc/records.h"
#include "ipc/verify_messages.h"
#include "store/import.h"
#include "store/keystore.h"
#include "store/roles.h"
#include "store/store.h"
#include "store/worker.h"

namespace airlock::store {

struct OciInput {
  std::string_view manifest;
  std::string_view config;
  std::string_view signatures;  // encoded OciSignatures
  std::string_view index;       // that the manifest was chosen from, or empty
  ImageName name;
  std::vector<Label> labels;
  std::string origin;
  bool skipSignature = false;
  std::uint32_t importerUid = 0;
  // Does its owner vouch for this image, or its index, by its digest, so that it needs no
  // signature?  Nobody does when it is empty.
  std::function<bool(const ImageId&)> pinned = {};
};

// An import on its way.  Everything lies in unnamed files of the store, and is gone when it is.
class OciImport {
 public:
  // Refusals: E_SIG_*, E_MEDIA_TYPE, E_DIGEST, E_PLATFORM, … each with what to do.  What is
  // referred to must outlive the import.
  static Result<OciImport> begin(Store& store, const RoleStarter& starter, const KeyStore& keys,
                                 const OciInput& input, const MayKeep& mayKeep);

  // The layers that are still to come, by their number in the manifest.
  std::vector<std::uint32_t> wanted() const;
  // One of these, a regular file or a pipe.  It is taken while others still come: what is wrong
  // with it, a later call may be the first to say.  E_DIGEST: it is another one.
  Result<void> take(std::uint32_t index, FdRef layer);
  // Asks the other end of the channel for all of these and takes them as they come: it may be
  // downloading them.  No lock is held in between, and nothing is kept before the last.
  Result<void> receiveLayers(ipc::Channel& channel);
  // After all of them.
  Result<ipc::Imported> finish() &&;

 private:
  OciImport(Store& store, const RoleStarter& starter, ipc::CatalogRecord record)
      : store_(&store), starter_(&starter), record_(std::move(record)) {}

  // A layer by its number; an image may have one twice.
  struct Place {
    ipc::OciBlob blob;
    std::size_t first = 0;  // the number under which it came first
    Fd file;                // as it came, of that one
    Fd tree;
    std::optional<ipc::StoredLayer>
        stored;  // what is known of it; its files are here, or in the store
  };
  Result<void> copyDocuments(const OciInput& input);
  Result<void> authenticate(const KeyStore& keys, const OciInput& input);
  Result<void> describe(const OciInput& input);
  Result<void> checkName() const;
  Result<void> findStored();
  // In a copy of this process: the bytes of a layer that came, and its tree wherever it is used.
  Result<std::vector<ipc::TakenLayer>> copyAndConvert(std::size_t first, FdRef layer);
  Result<void> copyLayer(const Place& place, FdRef layer);
  // Nothing: the layers below are needed, and one of them is not there yet.
  Result<std::optional<ipc::StoredLayer>> convert(std::size_t index);
  Result<ipc::Layered> unpack(std::size_t index, const std::vector<std::uint32_t>& skip,
                              bool withLowers);
  Result<void> collect(std::size_t most);
  Result<Fd> openTreeOf(const Place& place) const;
  Result<Store::Staged> stage() &&;

  Store* store_;
  const RoleStarter* starter_;
  ipc::CatalogRecord record_;
  Fd manifest_;
  Fd config_;
  std::optional<Fd> index_;
  Fd appcManifest_;
  std::optional<Fd> signatures_;
  std::vector<Place> places_;
  std::vector<Worker> working_;  // the last, so that they end before what they share
};

// Re-reads what the store has of an OCI image (`airlock image verify`).
Result<ipc::ImageVerified> verifyStoredOci(const Store& store, const RoleStarter& starter,
                                           const KeyStore& keys, const ipc::CatalogRecord& record);

}  // namespace airlock::store
