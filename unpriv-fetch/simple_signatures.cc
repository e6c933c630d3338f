// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/simple_signatures.h"

#include <utility>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::fetch {
namespace {

constexpr auto kKind = ipc::OciAttachment::Kind::SimpleSigning;

}  // namespace

Result<std::vector<FoundAttachment>> simpleSignatures(Client& client, const std::string& base,
                                                      const std::string& name,
                                                      const OciDigest& digest) {
  std::vector<FoundAttachment> found;
  const std::string place =
      base + (base.ends_with('/') ? "" : "/") + name + "@sha256=" + digest.hex();
  for (std::size_t number = 1; number <= limits::kOciLookasideFiles; ++number) {
    const Url url =
        TRY(Url::parse(place + "/signature-" + std::to_string(number), client.options().allowHttp));
    Document answer = TRY(getDocument(client, {.url = url}, limits::kOciAttachmentBytes));
    if (answer.response.status >= 400 && answer.response.status < 500) break;
    if (answer.response.status != 200) return badStatus(answer.response);
    found.push_back({.kind = kKind, .content = std::move(answer.text), .annotations = {}});
  }
  return found;
}

Result<std::vector<FoundAttachment>> simpleSignatures(OfferedFiles& files, std::uint8_t place,
                                                      const OciDigest& digest) {
  std::vector<FoundAttachment> found;
  for (std::uint8_t number = 1; number <= limits::kOciLookasideFiles; ++number) {
    const auto file = files.open({ipc::SimpleSignatureFile{place, digest, number}});
    if (!file && file.error().kind() == ErrorKind::Missing) break;
    if (!file) return fail(Error(file.error()).in("simple signature"));
    found.push_back({.kind = kKind,
                     .content = TRY(sys::readAll(*file, limits::kOciAttachmentBytes)),
                     .annotations = {}});
  }
  return found;
}

}  // namespace airlock::fetch
