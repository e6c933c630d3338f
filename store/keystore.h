// SPDX-License-Identifier: Apache-2.0
// The keys an administrator trusts, by name prefix, in rkt's layout:
// trustedkeys/{root.d,prefix.d/<name>}/<fingerprint>; and those of transparency logs, in
// trustedkeys/rekor.d[/<name>]/<fingerprint>.  Helper and CLI.  A key file is bytes here; only the
// verifier looks inside.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/verify_messages.h"

namespace airlock::store {

class KeyStore {
 public:
  // Configuration roots from the least to the most specific, e.g. /usr/lib/airlock and
  // /etc/airlock.  Missing ones and those without trustedkeys count as empty; one that others than
  // its owner (and root) can write is refused (S22).
  static Result<KeyStore> open(const std::vector<std::string>& configRoots);

  // The keys for a name: root keys, then prefix by prefix, whole components only (S21); a later
  // empty file of the same fingerprint takes a key away.  At most limits::kTrustedKeys.
  Result<std::vector<ipc::TrustedKey>> keysFor(const ImageName& name) const;
  Result<std::vector<KeyFingerprint>> fingerprintsFor(
      const ImageName& name) const;  // without reading them
  // These, and behind them the logs' keys for that name: what a VouchJob is given.
  Result<std::vector<ipc::TrustedKey>> keysAndLogsFor(const ImageName& name) const;

  enum class Of { Signer, Log };
  // Every (scope, fingerprint) that is loaded, sorted: scope "" is the root.  "-" before a
  // fingerprint: masked there.
  Result<std::vector<std::pair<std::string, std::string>>> all(Of of = Of::Signer) const;
  // Every key file, of signers and of logs, by its path below trustedkeys: the digest of its bytes,
  // in the last root that has it.
  Result<std::map<std::string, ContentDigest>> files() const;
  // Every key of any scope, each once, for an image whose name is not known yet.
  Result<std::vector<ipc::TrustedKey>> everyKey() const;

 private:
  struct Entry {
    std::string scope;  // "" or a prefix
    std::string fingerprint;
    std::size_t layer;
    Of of;
    bool masks;        // empty file
    std::string path;  // below the layer's trustedkeys directory
  };
  // In the order of rkt: per scope, from the root to the most specific; in one scope layer by
  // layer.
  Result<std::vector<const Entry*>> effective(const std::optional<std::string>& name,
                                              Of of = Of::Signer) const;
  Result<void> scan(std::size_t layer, FdRef dir, const std::string& scope, const std::string& path,
                    int depth);
  Result<std::vector<ipc::TrustedKey>> load(const std::vector<const Entry*>& entries) const;

  std::vector<std::optional<Fd>> layers_;  // trustedkeys directories
  std::vector<Entry> entries_;
};

}  // namespace airlock::store
