// SPDX-License-Identifier: Apache-2.0
#include "store/import.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "store/verity.h"

namespace airlock::store {

namespace {

constexpr int kQuietMilliseconds = 60'000;  // a peer that sends nothing for this long is gone
constexpr int kRoleMilliseconds = 120'000;

// Trap: a descriptor from outside may be anything, and reading it may block for ever.
Result<void> checkSource(FdRef source) {
  const int flags = ::fcntl(source.get(), F_GETFL);
  const mode_t mode = TRY(sys::status(source)).st_mode;
  // O_PATH proves nothing about the right to read, and O_WRONLY cannot be read.
  if (flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_WRONLY ||
      !(S_ISREG(mode) || S_ISFIFO(mode))) {
    return refuse(ErrorKind::Invalid, "E_FD",
                  "the image is neither a regular file nor a pipe open for reading");
  }
  return {};
}

Result<void> waitReadable(FdRef fd) {
  pollfd event{fd.get(), POLLIN, 0};
  int ready;
  do {
    ready = ::poll(&event, 1, deadline(kQuietMilliseconds));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return failErrno("poll");
  if (ready == 0)
    return refuse(ErrorKind::Failed, "E_TIMEOUT", "the other side sent nothing for a minute");
  return {};
}

// Reads `from` to its end, in order, and hands every piece to `use`.
template <class Use>
Result<std::uint64_t> pump(FdRef from, std::uint64_t most, Use use) {
  std::vector<std::uint8_t> buffer(1 * limits::MiB);
  std::uint64_t total = 0;
  for (;;) {
    TRY(waitReadable(from));
    const std::size_t got = TRY(sys::read(from, buffer));
    if (got == 0) return total;
    total += got;
    if (total > most) {
      return refuse(ErrorKind::Invalid, "E_LIMIT",
                    "image is larger than " + std::to_string(most) + " bytes");
    }
    TRY(use(std::span<const std::uint8_t>(buffer.data(), got)));
  }
}

// Into a pipe that does not block: a role that has stopped reading holds up nobody.
Result<void> feed(FdRef pipe, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(pipe.get(), bytes.data(), bytes.size());
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return failErrno("write");
    pollfd event{pipe.get(), POLLOUT, 0};
    if (::poll(&event, 1, deadline(kRoleMilliseconds)) == 0) {
      return refuse(ErrorKind::Failed, "E_TIMEOUT", "the unpack process does not go on reading");
    }
  }
  return {};
}

Result<Fd> unnamed(const Store& store, const char* folder) {
  Fd dir = TRY(store.folder(folder));
  const bool forAll =
      std::string_view(folder) == "manifest" || std::string_view(folder) == "signature";
  Fd file = TRY(sys::openTemporary(dir, forAll ? 0644 : 0600));
  if (forAll && ::fchmod(file.get(), 0644) != 0)
    return failErrno("chmod");  // whatever the umask was
  return file;
}

// Lets the disk begin while there is still hashing to do; the commit's sync waits for the end of
// it.
void beginWriting(FdRef file) { ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }

// The same file for reading only, from its start: what a role gets of it.
Result<Fd> readOnly(FdRef file) { return sys::reopen(file, O_RDONLY); }

Result<Sealed> keyBundle(const std::vector<ipc::TrustedKey>& keys) {
  return Sealed::make("airlock-keys", TRY(ipc::encodeKeyBundle(keys)));
}

Result<Role> startAuthenticate(const RoleStarter& starter, FdRef blob, FdRef signature,
                               const std::vector<ipc::TrustedKey>& keys) {
  const Sealed bundle = TRY(keyBundle(keys));
  const Fd data = TRY(readOnly(blob));
  const FdRef fds[] = {data, signature, bundle.fd()};
  return Role::start(starter, "authenticate", ipc::AuthenticateJob{}, fds);
}

// A name that is not known yet is empty.
std::string called(const std::string& name) { return name.empty() ? "the image" : "image " + name; }

std::unexpected<Error> notSigned(const std::string& name) {
  return refuse(ErrorKind::Denied, "E_SIG_MISSING", called(name) + " has no signature",
                "Sign it (gpg --armor --detach-sign), name one with --signature, or accept it "
                "unverified with "
                "--insecure-options=image where policy allows");
}

Result<void> checkNameAndLabels(const ImportInput& input, const ipc::Unpacked& found) {
  if (input.name && *input.name != found.name) {
    return refuse(ErrorKind::Denied, "E_NAME",
                  "error when reading the app name: \"" + input.name->text() +
                      "\" expected but \"" + found.name.text() + "\" found",
                  "The server sent another image than the one asked for: ask its publisher");
  }
  for (const Label& label : input.labels) {
    const auto have = std::ranges::find(found.labels, label.name, &Label::name);
    if (have == found.labels.end()) {
      return refuse(ErrorKind::Denied, "E_LABEL",
                    "requested label \"" + label.name + "\" not provided by the image manifest");
    }
    if (have->value != label.value) {
      return refuse(ErrorKind::Denied, "E_LABEL",
                    "requested value for label \"" + label.name + "\": \"" + label.value +
                        "\" differs from fetched aci label value: " + quoted(have->value));
    }
  }
  return {};
}

// A name does not silently move from one signer to another, or to none: an image that claims a name
// of the store is signed by a key that has signed it before, or the administrator makes room for
// it.
Result<void> checkSameSigner(const Store& store, const ImageName& name,
                             const std::vector<ipc::Signer>& signers) {
  const auto known = TRY(store.find(name, {}));
  if (!known || known->signers.empty()) return {};
  const bool same = std::ranges::any_of(signers, [&](const ipc::Signer& signer) {
    return std::ranges::find(known->signers, signer.fingerprint, &ipc::Signer::fingerprint) !=
           known->signers.end();
  });
  if (same) return {};
  return refuse(ErrorKind::Denied, "E_SIGNER_CHANGED",
                "the images of " + name.text() + " in the store are signed by " +
                    known->signers.front().fingerprint.text() + ", and this one is " +
                    (signers.empty() ? "not verified" : "not"),
                "If its publisher has a new key, remove the old image first: airlock image rm " +
                    displayName(name, known->labels));
}

// Inflate and unpack run while the bytes between them are hashed here: the image id is ours, not a
// role's word.
Result<std::pair<ImageId, ipc::Unpacked>> unpackInto(const RoleStarter& starter, FdRef blob,
                                                     std::uint64_t blobBytes, FdRef tree,
                                                     FdRef manifest) {
  sys::Pipe inflated = TRY(sys::pipe());
  sys::Pipe tar = TRY(sys::pipe());
  for (const int fd : {inflated.writeEnd.get(), tar.writeEnd.get()}) {
    static_cast<void>(
        ::fcntl(fd, F_SETPIPE_SZ, 1 * limits::MiB));  // fewer, larger reads; smaller works too
  }
  if (::fcntl(tar.writeEnd.get(), F_SETFL, O_NONBLOCK) != 0) return failErrno("fcntl");
  const std::uint64_t most = std::min<std::uint64_t>(
      limits::kTreeBytes, blobBytes * limits::kInflateRatio + limits::kInflateSlack);
  const Fd compressed = TRY(readOnly(blob));
  const FdRef inflateFds[] = {compressed, inflated.writeEnd};
  Role inflate = TRY(Role::start(starter, "inflate", ipc::InflateJob{.most = most}, inflateFds));
  inflated.writeEnd.reset();
  const FdRef unpackFds[] = {tar.readEnd, tree, manifest};
  Role unpack = TRY(Role::start(starter, "unpack", ipc::UnpackJob{}, unpackFds));
  tar.readEnd.reset();

  Sha512 hash;
  bool unpackGone = false;
  auto moved =
      pump(inflated.readEnd, most, [&](std::span<const std::uint8_t> bytes) -> Result<void> {
        hash.update(bytes);
        auto written = feed(tar.writeEnd, bytes);
        unpackGone = !written && written.error().number() == EPIPE;
        return written;
      });
  inflated.readEnd.reset();
  tar.writeEnd.reset();
  if (unpackGone) {  // it has said why, or died
    TRY(unpack.finish<ipc::Unpacked>(deadline(kRoleMilliseconds)));
    return refuse(ErrorKind::Failed, "E_ROLE", "the unpack process stopped reading");
  }
  if (!moved) return std::unexpected(std::move(moved.error()));
  TRY(inflate.finish<ipc::Inflated>(deadline(kRoleMilliseconds)));
  ipc::Unpacked facts = TRY(unpack.finish<ipc::Unpacked>(deadline(kRoleMilliseconds)));
  return std::pair(ImageId(hash.finish()), std::move(facts));
}

}  // namespace

Result<std::vector<ipc::Signer>> decideSignatures(const ipc::Authenticated& found,
                                                  const std::vector<KeyFingerprint>& trusted,
                                                  const std::string& name) {
  std::vector<ipc::Signer> signers;
  const ipc::SignatureVerdict* refused = nullptr;
  const auto isTrusted = [&](const ipc::SignatureVerdict& signature) {
    return std::ranges::find(trusted, signature.fingerprint, &KeyFingerprint::text) !=
           trusted.end();
  };
  for (const ipc::SignatureVerdict& signature : found.signatures) {
    if (signature.code == "good" && isTrusted(signature)) {
      const KeyFingerprint key = TRY(KeyFingerprint::parse(signature.fingerprint));
      if (std::ranges::find(signers, key, &ipc::Signer::fingerprint) == signers.end()) {
        signers.push_back({key, signature.userId});
      }
    } else if (refused == nullptr || isTrusted(signature)) {
      refused = &signature;
    }
    // S05: a bad signature by a trusted key is evidence of tampering, whatever the others say.
    if (signature.code == "E_SIG_BAD" && isTrusted(signature)) {
      signers.clear();
      refused = &signature;
      break;
    }
  }
  if (!signers.empty()) return signers;
  if (refused == nullptr) return notSigned(name);

  const std::string key = quoted(refused->fingerprint);
  const std::string& code = refused->code;
  // A prefix has no version.
  const std::string prefix = name.empty() ? "<image name>" : name.substr(0, name.find(':'));
  const std::string trustHint =
      "If you know this key, trust it with: airlock trust --prefix=" + prefix + " <key file>";
  if (code == "E_SIG_BAD") {
    return refuse(ErrorKind::Denied, code,
                  "the signature by " + key + " does not fit " + called(name) +
                      ": the image or the signature was changed after signing",
                  "Do not use it; fetch it again from its publisher");
  }
  if (code == "good") {
    return refuse(
        ErrorKind::Denied, "E_SIG_UNTRUSTED",
        called(name) + " is signed by " + key + ", a key that is not trusted for this name",
        trustHint);
  }
  if (code == "E_SIG_NOKEY") {
    return refuse(
        ErrorKind::Denied, code,
        called(name) + " is not signed by a key you trust for it: the signature names key " + key,
        trustHint);
  }
  const std::string why = code == "E_SIG_KEY_EXPIRED" ? "made by an expired key"
                          : code == "E_SIG_EXPIRED"   ? "expired"
                          : code == "E_SIG_REVOKED"   ? "made by a revoked key"
                          : code == "E_SIG_SUBKEY"    ? "made by a revoked or expired subkey"
                          : code == "E_SIG_HASH" ? "made with a hash that is no longer safe (" +
                                                       quoted(refused->hash) + ")"
                          : code == "E_SIG_USAGE"    ? "made by a key that may not sign"
                          : code == "E_SIG_WEAK_KEY" ? "made by a key that is too weak"
                                                     : "of a kind that is not accepted";
  return refuse(ErrorKind::Denied, code,
                "the signature of " + called(name) + " by " + key + " is " + why,
                "Ask its publisher for a new signature");
}

Result<Store::Staged> stageImport(const Store& store, const RoleStarter& starter,
                                  const KeyStore& keys, const ImportInput& input) {
  TRY(checkSource(input.image));
  const std::string shownName = input.name ? displayName(*input.name, input.labels) : "";
  if (!input.signature && !input.skipSignature) return notSigned(shownName);

  // From here on the caller's descriptors no longer matter: we work on bytes that nobody else can
  // write.
  Fd blob = TRY(unnamed(store, "blob"));
  Blake2b blobHash;
  const std::uint64_t blobBytes = TRY(inContext(pump(input.image, limits::kImageBytes,
                                                     [&](std::span<const std::uint8_t> bytes) {
                                                       blobHash.update(bytes);
                                                       return sys::writeAll(blob, bytes);
                                                     }),
                                                "copy the image into the store"));
  beginWriting(blob);
  fault("import-copied");
  std::optional<Fd> signature;
  if (input.signature && !input.skipSignature) {
    TRY(checkSource(*input.signature));
    signature = TRY(unnamed(store, "signature"));
    auto bytes = sys::readAll(*input.signature, limits::kSignatureBytes);
    TRY(sys::writeAll(*signature, TRY(inContext(std::move(bytes), "signature"))));
  }

  // The role that reads the signature never parses the archive, and the ones that parse the archive
  // never say whether it was signed; so they may run at once.  Without a name to go by, every
  // trusted key is asked, and the name decides afterwards which of them count.
  std::vector<ipc::TrustedKey> asked;
  std::optional<Role> authenticate;
  if (signature) {
    asked = input.name ? TRY(keys.keysFor(*input.name)) : TRY(keys.everyKey());
    authenticate = TRY(startAuthenticate(starter, blob, *signature, asked));
  }
  Fd tree = TRY(unnamed(store, "tree"));
  Fd manifest = TRY(unnamed(store, "manifest"));
  auto unpacked = unpackInto(starter, blob, blobBytes, tree, manifest);
  if (!unpacked && authenticate) {
    // A changed file often no longer unpacks; that its signature is bad is what its user must hear
    // first.
    std::vector<KeyFingerprint> ring;
    for (const ipc::TrustedKey& key : asked) ring.push_back(key.fingerprint);
    const auto found = authenticate->finish<ipc::Authenticated>(deadline(kRoleMilliseconds));
    if (found) TRY(decideSignatures(*found, ring, shownName));
  }
  if (!unpacked) return std::unexpected(std::move(unpacked.error()));
  auto& [imageId, facts] = *unpacked;
  beginWriting(tree);
  fault("import-unpacked");

  TRY(checkNameAndLabels(input, facts));
  std::vector<ipc::Signer> signers;
  if (authenticate) {
    const auto found = TRY(authenticate->finish<ipc::Authenticated>(deadline(kRoleMilliseconds)));
    signers = TRY(decideSignatures(found, TRY(keys.fingerprintsFor(facts.name)),
                                   displayName(facts.name, facts.labels)));
  }
  TRY(checkSameSigner(store, facts.name, signers));
  fault("import-authenticated");

  const Fd treeBytes = TRY(readOnly(tree));
  const FdRef checkFds[] = {treeBytes};
  Role check = TRY(Role::start(starter, "check", ipc::CheckJob{}, checkFds));
  // What is recorded for fs-verity is of the bytes that are verified here, not what the kernel says
  // afterwards; a file system without it is spared the second hash.
  std::optional<VerityDigest> verity;
  TreeDigest treeDigest;
  if (offersVerity(treeBytes)) {
    const TreeDigests both = TRY(digestsOfTree(treeBytes));
    treeDigest = both.tree;
    verity = both.verity;
  } else {
    treeDigest = TreeDigest(TRY(blake2bOfFile(treeBytes)));
  }
  TRY(check.finish<ipc::Checked>(deadline(kRoleMilliseconds)));
  fault("import-checked");

  const std::string manifestBytes = TRY(sys::readAll(manifest, limits::kManifestBytes));
  Store::Staged staged{
      .record = {.image = imageId,
                 .name = facts.name,
                 .labels = facts.labels,
                 .tree = treeDigest,
                 .treeBytes = static_cast<std::uint64_t>(TRY(sys::status(tree)).st_size),
                 .blob = BlobDigest(blobHash.finish()),
                 .blobBytes = blobBytes,
                 .manifest = digestOf(manifestBytes),
                 .manifestBytes = manifestBytes.size(),
                 .hasSignature = signature.has_value(),
                 .signers = std::move(signers),
                 .rule = "",
                 .origin = input.origin,
                 .importerUid = input.importerUid,
                 .importedAt = sys::wallClock(),
                 .latest = input.name && labelValue(input.labels, "version").empty(),
                 .verity = std::nullopt},
      .blob = std::move(blob),
      .tree = Fd(),
      .manifest = std::move(manifest),
      .signature = std::move(signature)};
  // fs-verity wants no writer: the writable descriptor goes first.
  staged.tree = TRY(readOnly(tree));
  tree.reset();
  if (verity && TRY(enableVerity(staged.tree, *verity))) staged.record.verity = verity;
  fault("import-verity");
  return staged;
}

namespace {

// What is wrong with a stored file; nothing: "".  A medium that does not give the bytes back is a
// finding about this image, not the end of the question.
template <class Kind>
Result<std::string> faultOf(const Result<Fd>& file, const Kind& expected, const std::string& what) {
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

}  // namespace

Result<ipc::ImageVerified> verifyStored(const Store& store, const RoleStarter& starter,
                                        const KeyStore& keys, const ipc::CatalogRecord& record) {
  ipc::ImageVerified result;
  const auto tree = store.openTree(record);
  result.detail = TRY(faultOf(tree, record.tree, "the stored tree"));
  result.treeIntact = result.detail.empty();
  if (!result.treeIntact) return result;
  if (!record.hasSignature) {
    result.detail = "imported without a signature";
    return result;
  }
  Fd blobs = TRY(store.folder("blob"));
  Fd signatures = TRY(store.folder("signature"));
  const auto blob = sys::openBeneath(blobs, blobName(record.blob), O_RDONLY);
  result.detail = TRY(faultOf(blob, record.blob, "the stored image file"));
  if (!result.detail.empty()) return result;
  const Fd signature = TRY(sys::openBeneath(signatures, catalogName(record.image), O_RDONLY));
  Role authenticate =
      TRY(startAuthenticate(starter, *blob, signature, TRY(keys.keysFor(record.name))));
  const auto found = TRY(authenticate.finish<ipc::Authenticated>(deadline(kRoleMilliseconds)));
  const auto signers =
      decideSignatures(found, TRY(keys.fingerprintsFor(record.name)), record.name.text());
  result.signatureHolds = signers.has_value();
  result.detail =
      signers ? "signed by " + signers->front().fingerprint.text() : signers.error().text();
  if (record.verity && measureVerity(*tree) != record.verity)
    result.detail += "; its fs-verity has been lost, fetch it again to have it back";
  return result;
}

}  // namespace airlock::store
