// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/authorise.h"

#include <algorithm>

#include "base/accounts.h"
#include "base/path.h"
#include "priv-helper/capabilities.h"

namespace airlock::helper {

bool Authoriser::matches(const Rule& rule, Verb verb) const {
  if (!rule.verbs.empty() && std::ranges::find(rule.verbs, verb) == rule.verbs.end()) return false;
  switch (rule.who) {
    case Rule::Who::Root:
      return uid_ == 0;
    case Rule::Who::Anyone:
      return true;
    case Rule::Who::User:
      return uid_ == rule.id;
    case Rule::Who::Group:
      return std::ranges::find(groups_, rule.id) != groups_.end();
  }
  return false;
}

std::unexpected<Error> Authoriser::denied(Verb verb, const std::string& what,
                                          const Rule* rule) const {
  const std::string who = userName(uid_);
  if (rule == nullptr) {
    return refuse(ErrorKind::Denied, "E_DENIED",
                  "policy has no line that lets " + who + " " + toString(verb) +
                      (what.empty() ? "" : " " + what),
                  "Ask the administrator to add " + who + " to the group airlock" +
                      (verb == Verb::Attest ? "-attest" : "") +
                      ", or a line to /etc/airlock/policy.d");
  }
  return refuse(ErrorKind::Denied, "E_DENIED",
                what + " is not granted to " + who + " by " + rule->quote(),
                "The administrator can change that line");
}

Result<const Rule*> Authoriser::ruleFor(Verb verb, const std::optional<std::string>& image) const {
  for (const Rule& rule : policy_.rules) {
    if (!matches(rule, verb) || (image && !coversPath(rule.grants.image, *image))) continue;
    if (rule.allow) return &rule;
    return refuse(ErrorKind::Denied, "E_DENIED",
                  std::string(toString(verb)) + (image ? " of " + *image : "") +
                      " is forbidden to " + userName(uid_) + " by " + rule.quote(),
                  "The administrator can change that line");
  }
  return denied(verb, image.value_or(""), nullptr);
}

Result<void> Authoriser::some(Verb verb) const {
  for (const Rule& rule : policy_.rules) {
    if (!matches(rule, verb)) continue;
    if (rule.allow) return {};
    if (rule.grants.image.empty()) return denied(verb, toString(verb), &rule);
  }
  return denied(verb, "", nullptr);
}

Result<Authorised<ImportQuestion>> Authoriser::import(ImportQuestion question) const {
  const Rule* rule = TRY(ruleFor(Verb::Fetch, question.image));
  if (question.skipSignature && !rule->grants.skipSignature) {
    return denied(Verb::Fetch, "importing without a signature (--insecure-options=image)", rule);
  }
  const policy::Grants& grants = rule->grants;
  if (const auto* found = question.found) {
    const bool pinned = grants.unsignedImages && grants.signatures.pins(*found);
    TRY(store::checkDemand(grants.signatures, keys_, *found, question.skipSignature || pinned));
  }
  return Authorised<ImportQuestion>(std::move(question), rule->quote());
}

Result<Authorised<RunQuestion>> Authoriser::sandbox(RunQuestion question) const {
  const bool host = question.pod.network == ipc::Network::Host;
  TRY(some(Verb::Run));
  const Rule* last = nullptr;
  for (const Rule& rule : policy_.rules) {
    if (!matches(rule, Verb::Run)) continue;
    if (!rule.allow && rule.grants.image.empty()) break;
    if (!rule.allow) continue;
    last = &rule;
    const bool sockets = rule.grants.hostNetwork || rule.grants.hostSockets;
    if ((!host || rule.grants.hostNetwork) && (!question.hostSockets || sockets))
      return Authorised<RunQuestion>(std::move(question), rule.quote());
  }
  return denied(Verb::Run,
                host ? "the host's network (--net=host)" : "a socket of the host's network", last);
}

bool Authoriser::pins(const ImageName& name, const ImageId& image) const {
  const auto rule = ruleFor(Verb::Fetch, name.text());
  return rule && (*rule)->grants.unsignedImages && (*rule)->grants.signatures.pins(image);
}

Result<Authorised<RunQuestion>> Authoriser::run(RunQuestion question) const {
  if (question.pod.sandbox) return sandbox(std::move(question));
  const Rule* shown = nullptr;
  const std::vector<uid_t>& owners = question.volumeOwners;
  for (std::size_t i = 0; i < question.pod.apps.size(); ++i) {
    const ipc::AppSpec& app = question.pod.apps[i];
    const ipc::CatalogRecord& image = question.images[i];
    const Rule* rule = TRY(ruleFor(Verb::Run, image.name.text()));
    const policy::Grants& grants = rule->grants;
    if (question.pod.network == ipc::Network::Host && !grants.hostNetwork) {
      return denied(Verb::Run, "the host's network (--net=host)", rule);
    }
    if (question.hostSockets && !grants.hostNetwork && !grants.hostSockets)
      return denied(Verb::Run, "a socket of the host's network", rule);
    // An explanation is asked without the descriptors.
    const bool hostVolume =
        !owners.empty() ||
        std::ranges::count(question.pod.volumes, ipc::VolumeKind::Host, &ipc::VolumeSpec::kind) > 0;
    if (grants.volumes == policy::Extent::None && hostVolume)
      return denied(Verb::Run, "a host volume", rule);
    if (grants.volumes == policy::Extent::Own &&
        std::ranges::any_of(owners, [&](uid_t owner) { return owner != uid_; })) {
      return denied(Verb::Run, "a host volume that belongs to somebody else", rule);
    }
    if (grants.capabilities == policy::Capabilities::Default &&
        (app.capabilities & ~kDefaultCapabilities) != 0) {
      return denied(Verb::Run, "a capability beyond the default set", rule);
    }
    if (!app.noNewPrivileges && grants.capabilities != policy::Capabilities::All) {
      return denied(Verb::Run, "an app without no_new_privs", rule);
    }
    if (app.oomScoreAdjust && *app.oomScoreAdjust < 0 && uid_ != 0) {
      return denied(Verb::Run, "a negative OOM score adjustment", rule);
    }
    TRY(store::checkDemand(grants.signatures, keys_, image, grants.unsignedImages));
    if (shown == nullptr) shown = rule;
  }
  return Authorised<RunQuestion>(std::move(question), shown->quote());
}

Result<Authorised<OwnedQuestion>> Authoriser::owned(OwnedQuestion question) const {
  const Rule* rule = TRY(ruleFor(question.verb, std::nullopt));
  if (question.owner != uid_ && rule->grants.pods != policy::Extent::Any) {
    return denied(question.verb, "something of " + userName(question.owner), rule);
  }
  return Authorised<OwnedQuestion>(question, rule->quote());
}

Result<Authorised<Verb>> Authoriser::plain(Verb verb) const {
  return Authorised<Verb>(verb, TRY(ruleFor(verb, std::nullopt))->quote());
}

Result<Authorised<Verb>> Authoriser::read(const ImageName& name) const {
  return Authorised<Verb>(Verb::Run, TRY(ruleFor(Verb::Run, name.text()))->quote());
}

}  // namespace airlock::helper
