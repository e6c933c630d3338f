// SPDX-License-Identifier: Apache-2.0
#include "attest/report.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "attest/report_words.h"
#include "base/digest.h"
#include "base/log.h"
#include "image/json.h"

namespace airlock::attest {

namespace {

using image::Json;

constexpr std::size_t kShortId = 19;  // "sha512-" and twelve digits

std::string joined(const std::vector<std::string>& parts, const char* none) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + printable(part);
  return text.empty() ? none : text;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

// --- text ---

std::string describe(const ImageRecord& image, const Appraisal& appraisal) {
  std::string text = printable(image.name);
  for (const auto& [name, value] : image.labels) {
    if (name == "version") text += ':' + printable(value);
  }
  text += ' ' + printable(image.image) + "\n" + std::string(15, ' ');
  text += image.insecure ? "NOT VERIFIED: no signature was asked for"
                         : "signed by " + joined(image.signers, "nobody") + " (" +
                               signatureOf(image, appraisal) + ")";
  if (!image.rule.empty()) text += ", rule " + printable(image.rule);
  text += ", held to its digest by " + printable(image.content);
  for (const std::string& part : image.dependencies) {
    text += "\n" + std::string(15, ' ') + "with " + printable(part);
  }
  return text;
}

// A line of its own below what was decided.
std::string byWhat(const Decision* decision) {
  if (decision == nullptr || decision->rule.empty()) return {};
  return "\n" + std::string(15, ' ') + "rule " + printable(decision->rule);
}
std::string describe(const PodRecord& pod, const Appraisal& appraisal) {
  const History& history = *appraisal.history;
  const Decision* decision = decisionOf(appraisal, pod.number);
  std::string text = printable(pod.pod) + " started " + byWhom(pod.callerUid, decision) +
                     ", network " + printable(pod.network) + ", stage1 " + printable(pod.stage1);
  if (!pod.volumes.empty()) text += ", volumes " + joined(pod.volumes, "");
  for (const auto& [app, id] : pod.apps) {
    const ImageRecord* image = history.imageBefore(id, pod.number);
    text += "\n" + std::string(15, ' ') + printable(app) + " = " +
            (image != nullptr ? printable(image->name) + ' ' : std::string()) +
            printable(id.substr(0, kShortId));
  }
  return text + byWhat(decision);
}

// What happened, by the number of its record.
std::map<std::uint64_t, std::pair<std::string, std::string>> timeline(const Appraisal& appraisal) {
  const History& history = *appraisal.history;
  std::map<std::uint64_t, std::pair<std::string, std::string>> lines;
  for (const EngineRecord& engine : history.engines) {
    lines[engine.number] = {"engine", "airlock " + printable(engine.version) + ", measurement " +
                                          printable(engine.mode) + ", " + printable(engine.anchor) +
                                          " TPM (" + printable(engine.tpm) + ')'};
  }
  for (const PolicyRecord& policy : history.policies) {
    lines[policy.number] = {"policy", printable(policy.policy.substr(0, kShortId))};
  }
  for (const TrustRecord& trust : history.trusts) {
    lines[trust.number] = {"trust", std::to_string(trust.keys.size()) + " key(s)"};
  }
  for (const ImageRecord& image : history.images)
    lines[image.number] = {"image", describe(image, appraisal)};
  for (const PodRecord& pod : history.pods) lines[pod.number] = {"pod", describe(pod, appraisal)};
  for (const EnterRecord& enter : history.enters) {
    const Decision* decision = decisionOf(appraisal, enter.number);
    lines[enter.number] = {"enter", printable(enter.pod) + ' ' + printable(enter.app) + ' ' +
                                        byWhom(enter.callerUid, decision) + byWhat(decision)};
  }
  for (const AbortRecord& abort : history.aborts) {
    lines[abort.number] = {"abort",
                           printable(abort.pod) + " did not start: " + printable(abort.reason)};
  }
  return lines;
}

std::string verdictLine(const Appraisal& appraisal) {
  if (!appraisal.refusal) {
    return std::string("accepted: the evidence is whole and of this key") +
           (isFresh(appraisal) ? ", and answers this nonce\n" : "\n");
  }
  std::string line = "REFUSED: " + printable(appraisal.refusal->message()) + " [" +
                     appraisal.refusal->code() + "]\n";
  if (!appraisal.refusal->hint().empty())
    line += "  " + printable(appraisal.refusal->hint()) + "\n";
  return line;
}

// --- JSON ---

Json pairs(const std::vector<std::pair<std::string, std::string>>& list, const char* first,
           const char* second) {
  Json array = Json::array();
  for (const auto& [one, two] : list) array.push_back(Json{{first, one}, {second, two}});
  return array;
}

Json toJson(const EngineRecord& engine) {
  Json layers = Json::array();
  for (const EngineRecord::Layer& layer : engine.layers) {
    layers.push_back(
        Json{{"name", layer.name}, {"enforced", layer.enforced}, {"detail", layer.detail}});
  }
  Json programs = Json::object();
  for (const auto& [name, digest] : engine.programs) programs[name] = digest;
  return Json{{"record", engine.number}, {"version", engine.version}, {"boot_id", engine.bootId},
              {"mode", engine.mode},     {"anchor", engine.anchor},   {"tpm", engine.tpm},
              {"programs", programs},    {"layers", layers}};
}

Json toJson(const ImageRecord& image, const Appraisal& appraisal) {
  return Json{{"record", image.number},
              {"image", image.image},
              {"name", image.name},
              {"labels", pairs(image.labels, "name", "value")},
              {"tree", image.tree},
              {"content", image.content},
              {"signers", image.signers},
              {"rule", image.rule},
              {"origin", image.origin},
              {"verified", !image.insecure},
              {"signature", signatureOf(image, appraisal)},
              {"dependencies", image.dependencies},
              {"layers", image.layers}};
}

void addDecision(Json& json, const Appraisal& appraisal, std::uint64_t record) {
  const Decision* decision = decisionOf(appraisal, record);
  if (decision == nullptr) return;
  if (!decision->rule.empty()) json["rule"] = decision->rule;
  if (decision->login) json["login"] = *decision->login;
}

Json toJson(const PodRecord& pod, const Appraisal& appraisal) {
  Json json{{"record", pod.number},
            {"pod", pod.pod},
            {"apps", pairs(pod.apps, "name", "image")},
            {"stage1", pod.stage1},
            {"stage1_digest", pod.stage1Digest},
            {"network", pod.network},
            {"volumes", pod.volumes},
            {"user", pod.callerUid}};
  if (!pod.selinux.empty()) json["selinux"] = pod.selinux;
  if (!pod.audit.empty()) json["audit"] = pod.audit;
  addDecision(json, appraisal, pod.number);
  return json;
}

Json historyOf(const Appraisal& appraisal) {
  const History& history = *appraisal.history;
  Json json = Json::object();
  json["engine"] = Json::array();
  for (const EngineRecord& engine : history.engines) json["engine"].push_back(toJson(engine));
  json["policy"] = Json::array();
  for (const PolicyRecord& policy : history.policies) {
    json["policy"].push_back(Json{{"record", policy.number}, {"policy", policy.policy}});
  }
  json["trust"] = Json::array();
  for (const TrustRecord& trust : history.trusts) {
    Json& entry = json["trust"].emplace_back(Json{{"record", trust.number},
                                                  {"trust", trust.trust},
                                                  {"keys", pairs(trust.keys, "scope", "key")}});
    if (!trust.files.empty()) entry["files"] = trust.files;
  }
  json["images"] = Json::array();
  for (const ImageRecord& image : history.images)
    json["images"].push_back(toJson(image, appraisal));
  json["pods"] = Json::array();
  for (const PodRecord& pod : history.pods) json["pods"].push_back(toJson(pod, appraisal));
  json["enters"] = Json::array();
  for (const EnterRecord& enter : history.enters) {
    Json& entry = json["enters"].emplace_back(Json{{"record", enter.number},
                                                   {"pod", enter.pod},
                                                   {"app", enter.app},
                                                   {"user", enter.callerUid}});
    addDecision(entry, appraisal, enter.number);
  }
  json["aborts"] = Json::array();
  for (const AbortRecord& abort : history.aborts) {
    json["aborts"].push_back(
        Json{{"record", abort.number}, {"pod", abort.pod}, {"reason", abort.reason}});
  }
  return json;
}

Json registersOf(const tpm::Banks& banks) {
  Json json = Json::object();
  for (const tpm::BankValue& bank : banks) {
    json[std::string(tpm::findHash(bank.algorithm)->name)] = toHex(bank.value);
  }
  return json;
}

}  // namespace

std::string textReport(const Appraisal& appraisal) {
  std::string text = verdictLine(appraisal);
  if (!appraisal.key.empty()) text += "  key       " + appraisal.key + "\n";
  if (appraisal.history) {
    const EngineRecord& engine = appraisal.history->engines.front();
    text += "  boot      " + printable(engine.bootId) + "\n";
  }
  if (!appraisal.refusal) text += "  age       " + freshness(appraisal) + "\n";
  if (!appraisal.refusal) {
    text += std::string("  TPM       ") + (appraisal.software ? "software" : "hardware") +
            (appraisal.certificate.empty() ? "" : ", " + appraisal.certificate) + "\n";
  }
  if (appraisal.history) {
    text += isProved(appraisal) ? "\nwhat ran, in this order:\n"
                                : "\nwhat the log says, which is not to be believed:\n";
    for (const auto& [number, line] : timeline(appraisal)) {
      text += padded("  " + std::to_string(number), 7) + padded(line.first, 8) + line.second + "\n";
    }
  }
  if (!appraisal.notes.empty()) {
    text += "\nnot enforced, or not known:\n";
    for (const std::string& note : appraisal.notes) text += "  - " + note + "\n";
  }
  text += "\nchecks:\n";
  for (const Check& check : appraisal.checks) {
    text += "  " + padded(check.name, 11) + padded(outcomeName(check.outcome), 13) +
            printable(check.detail) + "\n";
  }
  return text;
}

std::string jsonReport(const Appraisal& appraisal) {
  Json json;
  json["verdict"] = appraisal.refusal ? "refused" : "accepted";
  if (appraisal.refusal) {
    json["reason"] =
        Json{{"code", appraisal.refusal->code()}, {"text", appraisal.refusal->message()}};
  } else {
    json["tpm"] = appraisal.software ? "software" : "hardware";
  }
  json["checks"] = Json::array();
  for (const Check& check : appraisal.checks) {
    json["checks"].push_back(Json{
        {"name", check.name}, {"result", outcomeName(check.outcome)}, {"detail", check.detail}});
  }
  if (!appraisal.key.empty()) json["key"] = appraisal.key;
  if (!appraisal.certificate.empty()) json["certificate"] = appraisal.certificate;
  if (appraisal.quote) {
    json["quote"] = Json{{"clock", appraisal.quote->clock},
                         {"resets", appraisal.quote->resets},
                         {"restarts", appraisal.quote->restarts},
                         {"safe", appraisal.quote->safe},
                         {"fresh", isFresh(appraisal)}};
  }
  if (appraisal.replay) {
    json["pcr"] = appraisal.replay->chain.pcr;
    json["registers"] = registersOf(appraisal.replay->chain.values);
  }
  if (appraisal.firmware) {
    json["firmware"] = Json{{"events", appraisal.firmware->events.size()},
                            {"recomputed", appraisal.firmware->recomputed},
                            {"programs", startedPrograms(*appraisal.firmware)}};
  }
  json["notes"] = appraisal.notes;
  if (appraisal.history) json["history"] = historyOf(appraisal);
  // In ASCII alone, so that it passes whoever escapes it for a terminal as it is.
  return json.dump(1, '\t', /*ensure_ascii=*/true, Json::error_handler_t::replace) + "\n";
}

}  // namespace airlock::attest
