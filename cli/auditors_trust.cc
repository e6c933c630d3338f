// SPDX-License-Identifier: Apache-2.0
#include "cli/auditors_trust.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
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
#include "cli/given_images.h"
#include "image/json.h"
#include "image/json_reader.h"
#include "store/byte_stream.h"
#include "store/roles.h"
#include "tpm/canonical.h"

namespace airlock::cli {

namespace {

struct Signed {
  ImageId image;
  ImageName name;
  std::string version;
  bool asSigned = true;  // it was imported with a signature
  std::optional<OciDigest> index;
  std::string signatures;
};

Result<Signed> parseSigned(std::string_view line) {
  const image::Json json = TRY(image::parseJson(line, 2 * limits::kSealedBytes));
  const auto object = TRY(image::ObjectReader::of(json, ""));
  Signed one{.image = TRY(ImageId::parse(TRY(object.text("image")))),
             .name = TRY(ImageName::parse(TRY(object.text("name")))),
             .version = TRY(object.text("version")),
             .asSigned = TRY(object.boolean("signed")),
             .index = std::nullopt,
             .signatures = TRY(tpm::fromBase64(TRY(object.text("signatures"))))};
  const std::string index = TRY(object.text("index"));
  if (!index.empty()) one.index = TRY(OciDigest::parse(index));
  return one;
}

Result<std::vector<Signed>> listSigned(FdRef evidence) {
  const Fd file = TRY(blankFile("signatures"));
  const FdRef fds[] = {file, evidence};
  TRY(askAttest(ipc::ListSignatures{}, fds));
  std::vector<Signed> list;
  const std::string text = TRY(contentOf(file));
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    list.push_back(TRY(parseSigned(rest.substr(0, end))));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return list;
}

// As at import and at each start: the manifest's digest, or that of the index which names it, is
// what must have been signed, for this name.
Result<ipc::Authenticated> vouch(const store::RoleStarter& starter, const store::KeyStore& keys,
                                 const Signed& one) {
  const Sealed signatures = TRY(Sealed::make("airlock-signatures", one.signatures));
  const Sealed bundle = TRY(
      Sealed::make("airlock-keys", TRY(ipc::encodeKeyBundle(TRY(keys.keysAndLogsFor(one.name))))));
  const FdRef fds[] = {signatures.fd(), bundle.fd()};
  ipc::VouchJob job{
      .digests = {*one.image.oci()}, .name = one.name, .version = one.version, .notBefore = 0};
  if (one.index) job.digests.push_back(*one.index);
  store::Role role = TRY(store::Role::start(starter, "authenticate", job, fds));
  return role.finish<ipc::Authenticated>(store::kRoleMilliseconds);
}

// "verified", image, fingerprint: a line without one, and one for each good signature.  What is no
// signature at all is good for nobody.
Result<std::string> verifiedLines(const ImageId& image, const Result<ipc::Authenticated>& found) {
  const std::string head = "verified\t" + image.text() + "\t";
  std::string lines = head + "\n";
  if (!found && !found.error().code().starts_with("E_SIG_")) return std::unexpected(found.error());
  if (!found || !found->accepted) return lines;
  for (const ipc::SignatureVerdict& signature : found->signatures) {
    if (signature.code == "good") lines += head + signature.fingerprint + "\n";
  }
  return lines;
}

// What comes of one image file that the auditor has given.
Result<std::string> givenLines(const store::RoleStarter& starter, const store::KeyStore& keys,
                               const std::vector<Signed>& list, const std::string& path) {
  const GivenImage given = TRY(GivenImage::open(starter, path));
  const auto one = std::ranges::find(list, given.image(), &Signed::image);
  if (one == list.end()) {
    return "stray\t" + given.image().text() + "\t" + printable(path) + "\n";
  }
  // Imported without one: that is for the check of signers to judge.
  if (one->signatures.empty() && !one->asSigned) return std::string();
  const std::string signature =
      one->signatures.empty() ? TRY(given.signatureBeside()) : one->signatures;
  return verifiedLines(one->image,
                       given.authenticate(starter, signature, TRY(keys.keysFor(one->name))));
}

// Which of several files it is: people are shown the message alone.
std::unexpected<Error> ofFile(const std::string& path, const Error& error) {
  return refuse(error.kind(), error.code(), "--image=" + printable(path) + ": " + error.message(),
                error.hint());
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

Result<std::string> gatherTrust(const store::KeyStore& keys, FdRef evidence,
                                const std::vector<std::string>& imageFiles) {
  std::string trust;
  for (const auto& [scope, fingerprint] : TRY(keys.all())) {
    if (!fingerprint.starts_with('-')) trust += "key\t" + scope + "\t" + fingerprint + "\n";
  }
  const std::vector<Signed> list = TRY(listSigned(evidence));
  const auto isOci = [](const Signed& one) { return one.image.oci() != nullptr; };
  if (imageFiles.empty() && std::ranges::none_of(list, isOci)) return trust;
  const store::RoleStarter starter = TRY(store::RoleStarter::create());
  for (const Signed& one : list) {
    if (isOci(one)) trust += TRY(verifiedLines(one.image, vouch(starter, keys, one)));
  }
  for (const std::string& path : imageFiles) {
    auto lines = givenLines(starter, keys, list, path);
    if (!lines) return ofFile(path, lines.error());
    trust += *lines;
  }
  return trust;
}

}  // namespace airlock::cli
