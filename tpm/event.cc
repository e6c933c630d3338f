// SPDX-License-Identifier: Apache-2.0
#include "tpm/event.h"

#include "base/digest.h"
#include "tpm/canonical.h"

namespace airlock::tpm {

namespace {

// nlohmann's brace initialisation turns an array of two strings into an object member; these do
// not.
Json pairOf(const std::string& first, const std::string& second) {
  Json pair = Json::array();
  pair.push_back(first);
  pair.push_back(second);
  return pair;
}

Json banksJson(const Banks& banks) {
  Json object = Json::object();
  for (const BankValue& bank : banks) {
    object[std::string(findHash(bank.algorithm)->name)] = toHex(bank.value);
  }
  return object;
}

const char* modeName(ipc::MeasureMode mode) {
  switch (mode) {
    case ipc::MeasureMode::Require:
      return "require";
    case ipc::MeasureMode::Log:
      return "log";
    case ipc::MeasureMode::Off:
      return "off";
  }
  return "unknown";
}

}  // namespace

Event engineEvent(const ipc::EngineFacts& facts, const EngineContext& context) {
  Json programs = Json::object();
  for (const auto& [name, digest] : facts.programs) programs[name] = digest.text();
  Json layers = Json::array();
  for (const ipc::Layer& layer : facts.layers) {
    layers.push_back(
        {{"detail", layer.detail}, {"enforced", layer.enforced}, {"name", layer.name}});
  }
  Json payload = Json::object();
  payload["anchor"] = context.anchor;
  payload["anchor_reason"] = context.anchorReason;
  payload["boot_id"] = facts.bootId;
  payload["layers"] = std::move(layers);
  payload["mode"] = modeName(context.mode);
  payload["pcr_before"] = banksJson(context.before);
  payload["programs"] = std::move(programs);
  payload["reset_count"] = context.resets;
  payload["restart_count"] = context.restarts;
  payload["tpm"] = context.tpm;
  payload["version"] = facts.version;
  return {"engine", canonical(payload)};
}

Event policyEvent(const ipc::EngineFacts& facts) {
  Json payload = Json::object();
  payload["policy"] = facts.policy.text();
  payload["summary"] = facts.policySummary;
  return {"policy", canonical(payload)};
}

Event trustEvent(const ipc::EngineFacts& facts) {
  Json keys = Json::array();
  for (const auto& [scope, key] : facts.trusted) keys.push_back(pairOf(scope, key));
  Json payload = Json::object();
  if (facts.trustFiles) payload["files"] = facts.trustFiles->text();
  payload["keys"] = std::move(keys);
  payload["trust"] = facts.trust.text();
  return {"trust", canonical(payload)};
}

Event imageEvent(const ipc::ImageFacts& facts) {
  Json labels = Json::array();
  for (const Label& label : facts.labels) labels.push_back(pairOf(label.name, label.value));
  Json payload = Json::object();
  payload["content"] = facts.content;
  // Absent where there are none, so that the records of such images are what they were.
  if (!facts.dependencies.empty()) payload["dependencies"] = Json(facts.dependencies);
  payload["image"] = facts.image.text();
  payload["insecure"] = facts.insecure;
  payload["labels"] = std::move(labels);
  if (!facts.layers.empty()) {
    Json layers = Json::array();
    for (const OciDigest& layer : facts.layers) layers.push_back(layer.text());
    payload["layers"] = std::move(layers);
  }
  payload["name"] = facts.name;
  payload["origin"] = facts.origin;
  payload["rule"] = facts.rule;
  payload["signers"] = Json(facts.signers);
  payload["tree"] = facts.tree.text();
  return {"image", canonical(payload)};
}

Event podEvent(const ipc::PodFacts& facts) {
  Json apps = Json::array();
  for (const auto& [name, image] : facts.apps) {
    apps.push_back({{"image", image.text()}, {"name", name}});
  }
  Json payload = Json::object();
  payload["apps"] = std::move(apps);
  // Absent without an audit record, and where others below are: such records are what they were.
  if (!facts.audit.empty()) payload["audit"] = facts.audit;
  payload["caller_uid"] = facts.callerUid;
  payload["first_uid"] = facts.firstUid;
  payload["manifest"] = facts.manifest.text();
  payload["network"] = facts.network;
  payload["pod"] = facts.pod.text();
  // Absent on hosts without it, so that their records are what they were.
  if (!facts.selinux.empty()) payload["selinux"] = facts.selinux;
  payload["spec"] = facts.spec.text();
  payload["stage1"] = facts.stage1;
  payload["stage1_digest"] = facts.stage1Digest.text();
  payload["volumes"] = Json(facts.volumes);
  return {"pod", canonical(payload)};
}

Event enterEvent(const ipc::EnterFacts& facts) {
  Json payload = Json::object();
  payload["app"] = facts.app;
  payload["arguments"] = facts.arguments.text();
  if (!facts.audit.empty()) payload["audit"] = facts.audit;
  payload["caller_uid"] = facts.callerUid;
  payload["pod"] = facts.pod.text();
  return {"enter", canonical(payload)};
}

Event abortEvent(const std::string& pod, const std::string& reason) {
  Json payload = Json::object();
  payload["pod"] = pod;
  payload["reason"] = reason;
  return {"abort", canonical(payload)};
}

Event capEvent(const std::string& reason) {
  Json payload = Json::object();
  payload["reason"] = reason;
  return {"cap", canonical(payload)};
}

Event jobEvent(const std::variant<ipc::PodFacts, ipc::EnterFacts, ipc::AbortFacts>& facts) {
  if (const auto* pod = std::get_if<ipc::PodFacts>(&facts)) return podEvent(*pod);
  if (const auto* enter = std::get_if<ipc::EnterFacts>(&facts)) return enterEvent(*enter);
  const auto& abort = std::get<ipc::AbortFacts>(facts);
  return abortEvent(abort.pod.text(), abort.reason);
}

}  // namespace airlock::tpm
