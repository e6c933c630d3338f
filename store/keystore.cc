// SPDX-License-Identifier: Apache-2.0
#include "store/keystore.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

constexpr int kDeepest = 32;  // components of a prefix
constexpr const char* kLogs = "rekor.d";

Result<void> checkPermissions(const struct stat& info, const std::string& path) {
  const bool ours = info.st_uid == 0 || info.st_uid == ::geteuid();
  if (ours && (info.st_mode & 022) == 0) return {};
  return refuse(ErrorKind::Denied, "E_KEYSTORE", path + " can be written by others than its owner",
                "Make it root's with mode 0755 (0644 for a file): whoever can write there decides "
                "what is trusted");
}

}  // namespace

Result<KeyStore> KeyStore::open(const std::vector<std::string>& configRoots) {
  KeyStore keys;
  for (std::size_t layer = 0; layer < configRoots.size(); ++layer) {
    keys.layers_.emplace_back();
    const std::string path = configRoots[layer] + "/trustedkeys";
    auto dir = sys::openPath(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir && dir.error().kind() == ErrorKind::Missing) continue;
    if (!dir) return std::unexpected(std::move(dir.error()));
    TRY(checkPermissions(TRY(sys::status(*dir)), path));
    keys.layers_.back() = *std::move(dir);
    const FdRef top = keys.layers_.back()->ref();
    for (const char* kind : {"root.d", "prefix.d", kLogs}) {
      auto folder = sys::openBeneath(top, store::name(kind), O_RDONLY | O_DIRECTORY);
      if (!folder && folder.error().kind() == ErrorKind::Missing) continue;
      if (!folder) return std::unexpected(std::move(folder.error()));
      TRY(inContext(keys.scan(layer, *folder, "", kind, 0), path));
    }
  }
  return keys;
}

Result<void> KeyStore::scan(std::size_t layer, FdRef dir, const std::string& scope,
                            const std::string& path, int depth) {
  if (depth > kDeepest)
    return refuse(ErrorKind::Invalid, "E_KEYSTORE", path + " is nested too deeply");
  TRY(checkPermissions(TRY(sys::status(dir)), path));
  for (const std::string& entry : TRY(sys::list(dir))) {
    const Component child = TRY(Component::parse(entry));
    const std::string below = path + "/" + entry;
    Fd file = TRY(sys::openBeneath(dir, child, O_RDONLY | O_NONBLOCK));
    const struct stat info = TRY(sys::status(file));
    if (S_ISDIR(info.st_mode)) {
      TRY(scan(layer, file, scope.empty() ? entry : scope + "/" + entry, below, depth + 1));
      continue;
    }
    TRY(checkPermissions(info, below));
    const auto fingerprint = KeyFingerprint::parse(entry);
    const Of of = path.starts_with(kLogs) ? Of::Log : Of::Signer;
    // Logs have plain public keys only.
    const bool named =
        fingerprint && (of == Of::Signer || fingerprint->kind() == KeyFingerprint::Kind::PublicKey);
    if (!S_ISREG(info.st_mode) || !named || (scope.empty() && path == "prefix.d")) {
      return refuse(
          ErrorKind::Invalid, "E_KEYSTORE",
          below + " is not a key file named after its fingerprint",
          "Move it away: a trusted key directory that is not understood whole is not used");
    }
    entries_.push_back({scope, fingerprint->text(), layer, of, info.st_size == 0, below});
  }
  return {};
}

Result<std::vector<const KeyStore::Entry*>> KeyStore::effective(
    const std::optional<std::string>& name, Of of) const {
  std::vector<const Entry*> matching;
  for (const Entry& entry : entries_) {
    if (entry.of == of && (!name || coversPath(entry.scope, *name))) matching.push_back(&entry);
  }
  std::ranges::sort(matching, {}, [](const Entry* entry) {
    return std::tuple(entry->scope.size(), entry->layer, entry->fingerprint);
  });
  std::vector<const Entry*> result;
  for (const Entry* entry : matching) {
    if (name)
      std::erase_if(result,
                    [&](const Entry* had) { return had->fingerprint == entry->fingerprint; });
    if (!entry->masks) result.push_back(entry);
  }
  return result;
}

Result<std::vector<ipc::TrustedKey>> KeyStore::load(
    const std::vector<const Entry*>& entries) const {
  std::vector<ipc::TrustedKey> keys;
  for (const Entry* entry : entries) {
    if (keys.size() == limits::kTrustedKeys) {
      return refuse(ErrorKind::Invalid, "E_KEYSTORE", "more trusted keys than can be asked at once",
                    "Trust keys for longer prefixes");
    }
    Fd file = TRY(
        sys::openBeneath(*layers_[entry->layer], TRY(BeneathPath::parse(entry->path)), O_RDONLY));
    keys.push_back({TRY(KeyFingerprint::parse(entry->fingerprint)),
                    TRY(inContext(sys::readAll(file, limits::kKeyFileBytes), entry->path)),
                    entry->of == Of::Log});
  }
  return keys;
}

Result<std::vector<ipc::TrustedKey>> KeyStore::keysFor(const ImageName& name) const {
  return load(TRY(effective(name.text())));
}

Result<std::vector<ipc::TrustedKey>> KeyStore::keysAndLogsFor(const ImageName& name) const {
  auto entries = TRY(effective(name.text()));
  const auto logs = TRY(effective(name.text(), Of::Log));
  entries.insert(entries.end(), logs.begin(), logs.end());
  return load(entries);
}

Result<std::vector<KeyFingerprint>> KeyStore::fingerprintsFor(const ImageName& name) const {
  std::vector<KeyFingerprint> fingerprints;
  for (const Entry* entry : TRY(effective(name.text()))) {
    fingerprints.push_back(TRY(KeyFingerprint::parse(entry->fingerprint)));
  }
  return fingerprints;
}

Result<std::vector<ipc::TrustedKey>> KeyStore::everyKey() const {
  std::vector<const Entry*> once;
  std::set<std::string> seen;
  for (const Entry* entry : TRY(effective(std::nullopt))) {
    if (seen.insert(entry->fingerprint).second) once.push_back(entry);
  }
  return load(once);
}

Result<std::map<std::string, ContentDigest>> KeyStore::files() const {
  std::map<std::string, ContentDigest> files;
  for (const Entry& entry : entries_) {
    const Fd file =
        TRY(sys::openBeneath(*layers_[entry.layer], TRY(BeneathPath::parse(entry.path)), O_RDONLY));
    files.insert_or_assign(
        entry.path,
        digestOf(TRY(inContext(sys::readAll(file, limits::kKeyFileBytes), entry.path))));
  }
  return files;
}

Result<std::vector<std::pair<std::string, std::string>>> KeyStore::all(Of of) const {
  std::vector<std::pair<std::string, std::string>> result;
  for (const Entry& entry : entries_) {
    if (entry.of == of)
      result.emplace_back(entry.scope, (entry.masks ? "-" : "") + entry.fingerprint);
  }
  std::ranges::sort(result);
  return result;
}

}  // namespace airlock::store
