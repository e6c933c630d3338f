// SPDX-License-Identifier: Apache-2.0
#include "cli/containers_policy.h"

#include <sodium.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "image/json.h"
#include "image/oci_reference.h"

namespace airlock::cli {

using image::Json;

namespace {

constexpr std::size_t kMostScopes = 1024;

std::unexpected<Error> wrong(std::string why) {
  return refuse(ErrorKind::Invalid, "E_IMPORT", "not a containers policy: " + std::move(why),
                "See containers-policy.json(5); nothing was written");
}

// What one scope asks for.  `untold` is why it cannot be said in our terms.
struct Requirement {
  enum class Kind { Accept, Reject, Simple, Cosign };
  Kind kind = Kind::Reject;
  std::string untold;
  std::vector<std::pair<KeyFingerprint, std::string>> keys;  // and their files
  std::vector<std::pair<KeyFingerprint, std::string>> logs;
};

Result<std::string> textOf(const Json& value, const std::string& where) {
  if (value.is_string()) return value.get<std::string>();
  return wrong(where + " is no text");
}

Result<std::vector<std::string>> textsOf(const Json& value, const std::string& where) {
  if (value.is_string()) return std::vector{value.get<std::string>()};
  std::vector<std::string> texts;
  if (!value.is_array() || value.size() > limits::kTrustedKeys)
    return wrong(where + " is no list of texts");
  for (const Json& one : value) texts.push_back(TRY(textOf(one, where)));
  return texts;
}

std::optional<std::string> decoded(const std::string& base64) {
  std::string bytes(base64.size(), '\0');
  std::size_t length = 0;
  const char* end = nullptr;
  // As containers reads it: line breaks may be in it.
  if (::sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(),
                          base64.data(), base64.size(), "\r\n", &length, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != base64.data() + base64.size()) {
    return std::nullopt;
  }
  bytes.resize(length);
  return bytes;
}

class Translation {
 public:
  Translation(std::string who, const PolicySources& sources)
      : who_(std::move(who)), sources_(sources) {}
  Result<ContainersPolicy> read(std::string_view json) &&;

 private:
  Result<void> readTransport(const std::string& transport, const Json& scopes);
  Result<Requirement> readRequirements(const Json& list, const std::string& where);
  Result<Requirement> readOne(const Json& from, const std::string& where);
  Result<Requirement> readSigned(const Json& from, const std::string& where, bool simple);
  Result<std::string> identityProblem(const Json& identity, const std::string& where, bool simple);
  Result<void> readKeys(const Json& value, const std::string& member, const std::string& where,
                        KeyFingerprint::Kind kind, bool log, Requirement& into);
  void addScope(const std::string& scope, Requirement requirement);
  void write(const std::string& name, const Requirement& requirement);
  void writeKeys(const std::string& name, const Requirement& requirement);
  void leave(std::string what, std::string why) {
    policy_.left.push_back({std::move(what), std::move(why)});
  }

  std::string who_;
  const PolicySources& sources_;
  std::map<std::string, Requirement> scopes_;  // by image name
  std::optional<Requirement> default_;
  ContainersPolicy policy_;
};

Result<void> Translation::readKeys(const Json& value, const std::string& member,
                                   const std::string& where, KeyFingerprint::Kind kind, bool log,
                                   Requirement& into) {
  const bool inside = member.find("Data") != std::string::npos;
  for (const std::string& text : TRY(textsOf(value, where + "." + member))) {
    const auto bytes = inside ? decoded(text) : std::nullopt;
    if (inside && !bytes) return wrong(where + "." + member + " is no base64");
    const auto content = inside ? Result<std::string>(*bytes) : sources_.readKey(text);
    const auto fingerprint =
        content ? sources_.fingerprintOf(*content) : std::unexpected(content.error());
    if (!fingerprint) {
      into.untold = member + (inside ? "" : " " + text) + ": " + fingerprint.error().text();
    } else if (fingerprint->kind() != kind) {
      into.untold = member + (inside ? "" : " " + text) + " is a key of another kind";
    } else {
      (log ? into.logs : into.keys).emplace_back(*fingerprint, *content);
    }
  }
  return {};
}

// Why an identity is not what our verifier checks, or narrower; empty: it is.
Result<std::string> Translation::identityProblem(const Json& identity, const std::string& where,
                                                 bool simple) {
  if (!identity.is_object() || !identity.contains("type"))
    return wrong(where + ".signedIdentity has no type");
  const std::string type = TRY(textOf(identity["type"], where + ".signedIdentity.type"));
  static const std::map<std::string, std::set<std::string>> kMembers = {
      {"matchExact", {}},
      {"matchRepoDigestOrExact", {}},
      {"matchRepository", {}},
      {"exactReference", {"dockerReference"}},
      {"exactRepository", {"dockerRepository"}},
      {"remapIdentity", {"prefix", "signedPrefix"}}};
  const auto known = kMembers.find(type);
  if (known == kMembers.end())
    return wrong(where + ".signedIdentity is of type " + airlock::quoted(type));
  for (const auto& [key, value] : identity.items()) {
    if (key != "type" && !known->second.contains(key))
      return wrong(where + ".signedIdentity has the unknown member " + airlock::quoted(key));
  }
  // A simple signature has to name repository and tag; ours of cosign may lack the tag.
  if (type == "matchRepository") return "";
  if (simple && type == "matchRepoDigestOrExact") return "";
  if (!simple && (type == "matchRepoDigestOrExact" || type == "matchExact")) {
    return "signatures by cosign do not name a tag, which " + type +
           " demands; matchRepository is what can be checked";
  }
  return "its signedIdentity is " + type;
}

Result<Requirement> Translation::readSigned(const Json& from, const std::string& where,
                                            bool simple) {
  Requirement result{.kind = simple ? Requirement::Kind::Simple : Requirement::Kind::Cosign};
  const auto kind = simple ? KeyFingerprint::Kind::OpenPgp : KeyFingerprint::Kind::PublicKey;
  Json identity = {{"type", "matchRepoDigestOrExact"}};
  for (const auto& [member, value] : from.items()) {
    const bool key = member == "keyPath" || member == "keyPaths" || member == "keyData" ||
                     (!simple && member == "keyDatas");
    const bool log = member.starts_with("rekorPublicKey") && !simple;
    if (key || log) {
      TRY(readKeys(value, member, where, kind, log, result));
    } else if (member == "signedIdentity") {
      identity = value;
    } else if (simple && member == "keyType") {
      if (value != "GPGKeys") result.untold = "its keyType is not GPGKeys";
    } else if (!simple && (member == "fulcio" || member == "pki")) {
      result.untold = "it trusts certificates (" + member + "), and not a key";
    } else if (member != "type") {
      return wrong(where + " has the unknown member " + airlock::quoted(member));
    }
  }
  const std::string problem = TRY(identityProblem(identity, where, simple));
  if (!problem.empty()) result.untold = problem;
  if (result.keys.empty() && result.untold.empty()) result.untold = "it names no key";
  return result;
}

Result<Requirement> Translation::readOne(const Json& from, const std::string& where) {
  if (!from.is_object() || !from.contains("type")) return wrong(where + " has no type");
  const std::string type = TRY(textOf(from["type"], where + ".type"));
  if (type == "signedBy") return readSigned(from, where, true);
  if (type == "sigstoreSigned") return readSigned(from, where, false);
  if (from.size() != 1) return wrong(where + " has an unknown member");
  if (type == "insecureAcceptAnything") return Requirement{.kind = Requirement::Kind::Accept};
  if (type == "reject") return Requirement{.kind = Requirement::Kind::Reject};
  return wrong(where + " is of the unknown type " + airlock::quoted(type));
}

// All of them have to hold: what accepts everything adds nothing, and one that rejects decides.
Result<Requirement> Translation::readRequirements(const Json& list, const std::string& where) {
  if (!list.is_array() || list.empty()) return wrong(where + " is no list of requirements");
  Requirement whole{.kind = Requirement::Kind::Accept};
  std::size_t demanding = 0;
  for (const Json& one : list) {
    Requirement next = TRY(readOne(one, where));
    if (next.kind == Requirement::Kind::Accept) continue;
    if (whole.kind == Requirement::Kind::Reject) continue;
    ++demanding;
    whole = std::move(next);
  }
  if (demanding > 1 && whole.kind != Requirement::Kind::Reject)
    whole.untold = "it asks for several signatures, each by keys of its own";
  return whole;
}

// A scope of the transport docker: a host, a namespace, a repository, or one image of that.
void Translation::addScope(const std::string& scope, Requirement requirement) {
  const std::string shown = "docker " + scope;
  if (scope.starts_with("*.")) {
    if (requirement.kind == Requirement::Kind::Accept) {
      leave(shown, "a wildcard cannot be said, and nothing is accepted for it");
    } else {
      leave(shown, "a wildcard cannot be said: name its hosts");
    }
    return;
  }
  const auto slash = std::min(scope.rfind('/'), scope.size());
  const bool oneImage = scope.find('@') != std::string::npos ||
                        (slash < scope.size() && scope.find(':', slash) != std::string::npos);
  const std::string repository =
      !oneImage ? scope : scope.substr(0, std::min(scope.find('@'), scope.find(':', slash)));
  const auto name = image::imageNameOfPrefix(repository);
  if (!name) {
    leave(shown, "it is not the name of a repository or host");
    return;
  }
  if (oneImage)
    requirement.untold = "a rule cannot be for one tag or digest: its repository is denied whole";
  if (!requirement.untold.empty()) leave(shown, requirement.untold + "; denied");
  Requirement& there = scopes_[name->text()];
  // Of two that fall together the one that cannot be said stays.
  if (there.untold.empty()) there = std::move(requirement);
}

Result<void> Translation::readTransport(const std::string& transport, const Json& scopes) {
  if (!scopes.is_object() || scopes.size() > kMostScopes)
    return wrong("transports." + transport + " is no object of scopes");
  for (const auto& [scope, list] : scopes.items()) {
    const std::string where = "transports." + transport + "." + scope;
    Requirement requirement = TRY(readRequirements(list, where));
    if (transport != "docker") {
      leave(transport + (scope.empty() ? "" : " " + scope), "only docker is taken over");
    } else if (scope.empty()) {
      default_ = std::move(requirement);
    } else {
      addScope(scope, std::move(requirement));
    }
  }
  return {};
}

void Translation::writeKeys(const std::string& name, const Requirement& requirement) {
  std::set<std::string> own;
  for (const auto& [fingerprint, content] : requirement.keys) {
    if (own.insert(fingerprint.text()).second)
      policy_.keys.push_back({"trustedkeys/prefix.d/" + name, fingerprint, content});
  }
  for (const auto& [fingerprint, content] : requirement.logs)
    policy_.keys.push_back({"trustedkeys/rekor.d/" + name, fingerprint, content});
  // The most specific scope hides the others: their keys and logs do not count here.
  for (const auto& [wider, other] : scopes_) {
    if (wider == name || !coversPath(wider, name)) continue;
    for (const auto& [fingerprint, content] : other.keys) {
      if (own.insert(fingerprint.text()).second)
        policy_.keys.push_back({"trustedkeys/prefix.d/" + name, fingerprint, ""});
    }
    for (const auto& [fingerprint, content] : other.logs) {
      const bool here = std::ranges::find(requirement.logs, fingerprint, [](const auto& log) {
                          return log.first;
                        }) != requirement.logs.end();
      if (!here) policy_.keys.push_back({"trustedkeys/rekor.d/" + name, fingerprint, ""});
    }
  }
}

void Translation::write(const std::string& name, const Requirement& requirement) {
  const std::string image = " fetch,run image=" + name;
  using Kind = Requirement::Kind;
  if (requirement.untold.empty() && requirement.kind != Kind::Reject) {
    policy_.lines += "allow " + who_ + image;
    if (requirement.kind == Kind::Accept) policy_.lines += " signer=any insecure=image";
    if (requirement.kind == Kind::Simple) policy_.lines += " kinds=simple";
    if (requirement.kind == Kind::Cosign) policy_.lines += " kinds=cosign";
    policy_.lines += "\n";
    writeKeys(name, requirement);
  }
  // Whoever is not meant here is not let in by a later file either.
  policy_.lines += "deny anyone" + image + "\n";
}

Result<ContainersPolicy> Translation::read(std::string_view json) && {
  auto parsed = image::parseJson(json, limits::kPolicyFileBytes);
  if (!parsed) return wrong(parsed.error().message());
  if (!parsed->is_object() || !parsed->contains("default")) return wrong("it has no default");
  default_ = TRY(readRequirements((*parsed)["default"], "default"));
  for (const auto& [member, value] : parsed->items()) {
    if (member == "default") continue;
    if (member != "transports" || !value.is_object())
      return wrong("unknown member " + airlock::quoted(member));
    for (const auto& [transport, scopes] : value.items()) TRY(readTransport(transport, scopes));
  }
  policy_.lines =
      "# Taken over from a containers policy by airlock config import-policy-json.\n"
      "# The first line that matches decides; the longest names stand first.\n";
  std::vector<std::string> names;
  for (const auto& [name, requirement] : scopes_) names.push_back(name);
  std::ranges::stable_sort(names, std::ranges::greater(), &std::string::size);
  for (const std::string& name : names) write(name, scopes_.at(name));
  using Kind = Requirement::Kind;
  if (default_->kind == Kind::Accept) {
    leave("default",
          "everything is accepted; nothing is written for it, since a line for all "
          "images would be one for App Container images, too");
  } else {
    if (default_->kind != Kind::Reject)
      leave("default", "keys for every image cannot be taken over; denied");
    policy_.lines += "deny anyone fetch,run\n";
  }
  return std::move(policy_);
}

}  // namespace

Result<ContainersPolicy> translateContainersPolicy(std::string_view json, const std::string& who,
                                                   const PolicySources& sources) {
  return Translation(who, sources).read(json);
}

}  // namespace airlock::cli
