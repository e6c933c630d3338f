// SPDX-License-Identifier: Apache-2.0
#include "cli/auditors_trust.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/names.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "cli/attest_client.h"
#include "image/json.h"
#include "image/json_reader.h"
#include "store/roles.h"
#include "tpm/canonical.h"

namespace airlock::cli {

namespace {

constexpr int kRoleMilliseconds = 120'000;

struct Signed {
  OciDigest manifest;
  ImageName name;
  std::string version;
  std::string signatures;
};

Result<Signed> parseSigned(std::string_view line) {
  const image::Json json = TRY(image::parseJson(line, 2 * limits::kSealedBytes));
  const auto object = TRY(image::ObjectReader::of(json, ""));
  const ImageId image = TRY(ImageId::parse(TRY(object.text("image"))));
  if (image.oci() == nullptr) return refuse(ErrorKind::Invalid, "E_EVIDENCE", "is no OCI image");
  return Signed{.manifest = *image.oci(),
                .name = TRY(ImageName::parse(TRY(object.text("name")))),
                .version = TRY(object.text("version")),
                .signatures = TRY(tpm::fromBase64(TRY(object.text("signatures"))))};
}

// As at import and at each start: the manifest's digest is what must have been signed, for this
// name.
Result<ipc::Authenticated> vouch(const store::RoleStarter& starter, const store::KeyStore& keys,
                                 const Signed& one) {
  const Sealed signatures = TRY(Sealed::make("airlock-signatures", one.signatures));
  const Sealed bundle = TRY(
      Sealed::make("airlock-keys", TRY(ipc::encodeKeyBundle(TRY(keys.keysAndLogsFor(one.name))))));
  const FdRef fds[] = {signatures.fd(), bundle.fd()};
  const ipc::VouchJob job{
      .digests = {one.manifest}, .name = one.name, .version = one.version, .notBefore = 0};
  store::Role role = TRY(store::Role::start(starter, "authenticate", job, fds));
  return role.finish<ipc::Authenticated>(kRoleMilliseconds);
}

// "verified", image, fingerprint: a line for each good signature, or one without a fingerprint.
Result<std::string> verifiedLines(const store::RoleStarter& starter, const store::KeyStore& keys,
                                  std::string_view line) {
  const Signed one = TRY(parseSigned(line));
  const std::string head = "verified\t" + ImageId(one.manifest).text() + "\t";
  const auto found = TRY(vouch(starter, keys, one));
  std::string lines = head + "\n";
  if (!found.accepted) return lines;
  for (const ipc::SignatureVerdict& signature : found.signatures) {
    if (signature.code == "good") lines += head + signature.fingerprint + "\n";
  }
  return lines;
}

Result<std::string> signaturesIn(FdRef evidence) {
  const Fd list = TRY(blankFile("signatures"));
  const FdRef fds[] = {list, evidence};
  TRY(askAttest(ipc::ListSignatures{}, fds));
  return contentOf(list);
}

}  // namespace

Result<store::KeyStore> openAuditorsKeys(const std::string& path) {
  std::error_code error;
  const std::filesystem::path given = std::filesystem::absolute(path, error).lexically_normal();
  const std::filesystem::path directory =
      given.has_filename() ? given : given.parent_path();  // "trustedkeys/"
  if (std::filesystem::is_directory(directory / "trustedkeys", error)) {
    return store::KeyStore::open({directory.string()});
  }
  if (std::filesystem::is_directory(directory, error) && directory.filename() == "trustedkeys") {
    return store::KeyStore::open({directory.parent_path().string()});
  }
  return refuse(ErrorKind::Missing, "E_ATTEST_TRUST",
                "there are no trusted keys in " + airlock::quoted(path),
                "--trust takes a directory called trustedkeys, with root.d and prefix.d, or the "
                "one above it");
}

Result<std::string> gatherTrust(const store::KeyStore& keys, FdRef evidence) {
  std::string trust;
  for (const auto& [scope, fingerprint] : TRY(keys.all())) {
    if (!fingerprint.starts_with('-')) trust += "key\t" + scope + "\t" + fingerprint + "\n";
  }
  const std::string list = TRY(signaturesIn(evidence));
  std::optional<store::RoleStarter> starter;
  for (std::string_view rest = list; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (!starter) starter = TRY(store::RoleStarter::create());
    trust += TRY(verifiedLines(*starter, keys, rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return trust;
}

}  // namespace airlock::cli
