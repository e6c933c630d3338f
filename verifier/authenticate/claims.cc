// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/claims.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "image/json.h"
#include "verifier/authenticate/json_members.h"

namespace airlock::verifier {

using image::Json;

Result<Claim> parseClaim(std::string_view json, ClaimFormat format) {
  const Json document = TRY(parseSigned(json, "what is signed"));
  const bool atomic = format == ClaimFormat::Atomic;
  TRY(requireMembers(document, "the claim", {"critical"}, {"optional"}));
  if (atomic && !document.contains("optional"))
    return notUnderstood("the claim has no member \"optional\"");
  if (document.contains("optional") && !document["optional"].is_object() &&
      (atomic || !document["optional"].is_null())) {
    return notUnderstood("\"optional\" is no object");
  }
  const Json& critical = document["critical"];
  TRY(requireMembers(critical, "critical", {"type", "image", "identity"}, {}));
  TRY(requireMembers(critical["image"], "critical.image", {"docker-manifest-digest"}, {}));
  TRY(requireMembers(critical["identity"], "critical.identity", {"docker-reference"}, {}));
  const std::string type = TRY(textMember(critical, "type"));
  if (type != (atomic ? "atomic container signature" : "cosign container image signature"))
    return notUnderstood("its type is " + airlock::quoted(type));
  const std::string digest = TRY(textMember(critical["image"], "docker-manifest-digest"));
  const auto manifest = parseOciDigest(digest);
  if (!manifest)
    return notUnderstood("it names no SHA-256 of a manifest: " + airlock::quoted(digest));
  return Claim{.manifest = *manifest,
               .reference = TRY(textMember(critical["identity"], "docker-reference"))};
}

Result<std::vector<Subject>> parseStatement(std::string_view json) {
  const Json document = TRY(parseSigned(json, "the statement"));
  const std::string type = TRY(textMember(document, "_type"));
  if (type != "https://in-toto.io/Statement/v1" && type != "https://in-toto.io/Statement/v0.1")
    return notUnderstood("the statement is of type " + airlock::quoted(type));
  const std::string predicate = TRY(textMember(document, "predicateType"));
  if (predicate != "https://sigstore.dev/cosign/sign/v1") {
    return notUnderstood(
        "the statement says something else of the image than that it is its "
        "publisher's: " +
        airlock::quoted(predicate));
  }
  std::vector<Subject> subjects;
  const Json& list = TRY(listMember(document, "subject", limits::kOciAttachments));
  for (const Json& one : list) {
    const Json& digests = TRY(objectMember(one, "digest"));
    if (!digests.contains("sha256")) continue;
    const auto digest = parseOciDigest("sha256:" + TRY(textMember(digests, "sha256")));
    if (!digest) return notUnderstood("a subject of the statement has no SHA-256");
    subjects.push_back(
        {.name = one.contains("name") ? TRY(textMember(one, "name")) : "", .digest = *digest});
  }
  if (subjects.empty()) return notUnderstood("the statement is of nothing that has a SHA-256");
  return subjects;
}

}  // namespace airlock::verifier
