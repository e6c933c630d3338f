// SPDX-License-Identifier: Apache-2.0
#include "attest/history.h"

#include <algorithm>
#include <set>

#include "attest/refusal.h"
#include "base/digest.h"
#include "base/log.h"
#include "tpm/canonical.h"

namespace airlock::attest {

namespace {

using tpm::Json;
using TextPair = std::pair<std::string, std::string>;

std::string nameOf(std::uint64_t number) { return "record " + std::to_string(number); }

// The payload of one record.  The log's reader has seen to the members and their kinds.
class Payload {
 public:
  Payload(std::uint64_t number, const std::string& text)
      : number_(number), json_(Json::parse(text, nullptr, /*allow_exceptions=*/false)) {}

  std::string text(const char* name) const { return json_.value(name, std::string()); }
  std::uint64_t count(const char* name) const { return json_.value(name, std::uint64_t{0}); }
  bool flag(const char* name) const { return json_.value(name, false); }

  Result<std::vector<std::string>> texts(const char* name) const {
    std::vector<std::string> list;
    for (const Json& entry : array(name)) {
      if (!entry.is_string()) return wrong(name);
      list.push_back(entry.get<std::string>());
    }
    return list;
  }
  // [["a","b"],…]
  Result<std::vector<TextPair>> pairs(const char* name) const {
    std::vector<TextPair> list;
    for (const Json& entry : array(name)) {
      if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
          !entry[1].is_string()) {
        return wrong(name);
      }
      list.emplace_back(entry[0].get<std::string>(), entry[1].get<std::string>());
    }
    return list;
  }
  Result<std::map<std::string, std::string>> textMap(const char* name) const {
    std::map<std::string, std::string> map;
    for (const auto& [key, value] : json_.at(name).items()) {
      if (!value.is_string()) return wrong(name);
      map.emplace(key, value.get<std::string>());
    }
    return map;
  }
  // {"image":…,"name":…}
  Result<std::vector<TextPair>> apps() const {
    std::vector<TextPair> list;
    for (const Json& entry : array("apps")) {
      if (!hasExactly(entry, {"image", "name"}) || !entry["image"].is_string() ||
          !entry["name"].is_string()) {
        return wrong("apps");
      }
      list.emplace_back(entry["name"].get<std::string>(), entry["image"].get<std::string>());
    }
    return list;
  }
  Result<std::vector<EngineRecord::Layer>> engineLayers() const {
    std::vector<EngineRecord::Layer> list;
    for (const Json& entry : array("layers")) {
      if (!hasExactly(entry, {"detail", "enforced", "name"}) || !entry["detail"].is_string() ||
          !entry["enforced"].is_boolean() || !entry["name"].is_string()) {
        return wrong("layers");
      }
      list.push_back({entry["name"].get<std::string>(), entry["enforced"].get<bool>(),
                      entry["detail"].get<std::string>()});
    }
    return list;
  }

 private:
  static bool hasExactly(const Json& object, std::initializer_list<const char*> names) {
    return object.is_object() && object.size() == names.size() &&
           std::ranges::all_of(names, [&](const char* name) { return object.contains(name); });
  }
  const Json& array(const char* name) const {
    static const Json kNone = Json::array();
    const auto found = json_.find(name);
    return found == json_.end() ? kNone : *found;
  }
  std::unexpected<Error> wrong(const char* name) const {
    return refuseEvidence("E_ATTEST_LOG",
                          nameOf(number_) + " has a field " + name + " that is not of its shape");
  }

  std::uint64_t number_;
  Json json_;
};

class Reading {
 public:
  Result<History> read(const tpm::Replay& replay);

 private:
  Result<void> add(const tpm::Record& record);
  Result<void> addEngine(const tpm::Record& record, const Payload& payload);
  Result<void> addTrust(const tpm::Record& record, const Payload& payload);
  Result<void> addImage(const tpm::Record& record, const Payload& payload);
  Result<void> addPod(const tpm::Record& record, const Payload& payload);
  Result<void> addEnter(const tpm::Record& record, const Payload& payload);
  Result<void> expectPod(std::uint64_t number, const std::string& pod) const;
  Result<void> expectFresh(const Payload& payload, const tpm::Record& record) const;

  History history_;
  std::set<std::string> images_;  // recorded so far
  std::set<std::string> pods_;
};

// The register began at zero, in the banks that every record extends: a bank that the TPM has and
// that nobody extends would let its history be made up (M07).
Result<void> Reading::expectFresh(const Payload& payload, const tpm::Record& record) const {
  const auto before = TRY(payload.textMap("pcr_before"));
  if (before.size() != record.digests.size()) {
    return refuseEvidence("E_ATTEST_BANK",
                          "the register has other banks than those that the log extends");
  }
  for (const tpm::BankValue& digest : record.digests) {
    const auto found = before.find(std::string(tpm::findHash(digest.algorithm)->name));
    if (found == before.end()) {
      return refuseEvidence("E_ATTEST_BANK",
                            "the register has other banks than those that the log extends");
    }
    if (found->second != std::string(digest.value.size() * 2, '0')) {
      return refuseEvidence("E_ATTEST_REPLAY",
                            "the register was in use before the log began: it was not zero");
    }
  }
  return {};
}

Result<void> Reading::addEngine(const tpm::Record& record, const Payload& payload) {
  EngineRecord engine{.number = record.number,
                      .version = payload.text("version"),
                      .programs = TRY(payload.textMap("programs")),
                      .bootId = payload.text("boot_id"),
                      .mode = payload.text("mode"),
                      .anchor = payload.text("anchor"),
                      .anchorReason = payload.text("anchor_reason"),
                      .tpm = payload.text("tpm"),
                      .resets = payload.count("reset_count"),
                      .restarts = payload.count("restart_count"),
                      .layers = TRY(payload.engineLayers())};
  if (engine.anchor != "hardware" && engine.anchor != "software") {
    return refuseEvidence("E_ATTEST_ANCHOR", nameOf(record.number) +
                                                 " says that the register was not extended: " +
                                                 printable(engine.anchorReason));
  }
  if (history_.engines.empty()) TRY(expectFresh(payload, record));
  history_.engines.push_back(std::move(engine));
  return {};
}

// The digest is over the list that stands beside it.
Result<void> Reading::addTrust(const tpm::Record& record, const Payload& payload) {
  TrustRecord trust{.number = record.number,
                    .trust = payload.text("trust"),
                    .keys = TRY(payload.pairs("keys")),
                    .files = payload.text("files")};
  std::string list;
  for (const auto& [scope, fingerprint] : trust.keys) list += scope + ' ' + fingerprint + '\n';
  if (digestOf(list).text() != trust.trust) {
    return refuseEvidence("E_ATTEST_LOG",
                          nameOf(record.number) + " has a digest that is not the one of its keys");
  }
  history_.trusts.push_back(std::move(trust));
  return {};
}

Result<void> Reading::addImage(const tpm::Record& record, const Payload& payload) {
  ImageRecord image{.number = record.number,
                    .image = payload.text("image"),
                    .name = payload.text("name"),
                    .labels = TRY(payload.pairs("labels")),
                    .tree = payload.text("tree"),
                    .content = payload.text("content"),
                    .signers = TRY(payload.texts("signers")),
                    .rule = payload.text("rule"),
                    .origin = payload.text("origin"),
                    .insecure = payload.flag("insecure"),
                    .dependencies = TRY(payload.texts("dependencies")),
                    .layers = TRY(payload.texts("layers"))};
  images_.insert(image.image);
  history_.images.push_back(std::move(image));
  return {};
}

Result<void> Reading::addPod(const tpm::Record& record, const Payload& payload) {
  PodRecord pod{.number = record.number,
                .pod = payload.text("pod"),
                .apps = TRY(payload.apps()),
                .stage1 = payload.text("stage1"),
                .stage1Digest = payload.text("stage1_digest"),
                .network = payload.text("network"),
                .volumes = TRY(payload.texts("volumes")),
                .callerUid = payload.count("caller_uid"),
                .selinux = payload.text("selinux"),
                .audit = payload.text("audit")};
  for (const auto& [app, image] : pod.apps) {
    if (!images_.contains(image)) {
      return refuseEvidence("E_ATTEST_ORDER", nameOf(record.number) + " starts the app " +
                                                  airlock::quoted(app) +
                                                  " of an image that was not recorded before");
    }
  }
  pods_.insert(pod.pod);
  history_.pods.push_back(std::move(pod));
  return {};
}

Result<void> Reading::expectPod(std::uint64_t number, const std::string& pod) const {
  if (pods_.contains(pod)) return {};
  return refuseEvidence("E_ATTEST_ORDER",
                        nameOf(number) + " is about a pod that was not recorded before");
}

Result<void> Reading::addEnter(const tpm::Record& record, const Payload& payload) {
  EnterRecord enter{.number = record.number,
                    .pod = payload.text("pod"),
                    .app = payload.text("app"),
                    .callerUid = payload.count("caller_uid"),
                    .audit = payload.text("audit")};
  TRY(expectPod(record.number, enter.pod));
  history_.enters.push_back(std::move(enter));
  return {};
}

Result<void> Reading::add(const tpm::Record& record) {
  const std::string& type = record.event.type;
  const Payload payload(record.number, record.event.payload);
  if (type == "engine") return addEngine(record, payload);
  if (type == "policy") {
    history_.policies.push_back({record.number, payload.text("policy")});
    return {};
  }
  if (type == "trust") return addTrust(record, payload);
  if (history_.policies.empty() || history_.trusts.empty()) {
    return refuseEvidence("E_ATTEST_ORDER", nameOf(record.number) +
                                                " comes before the policy and the trusted keys "
                                                "that it stands under");
  }
  if (type == "image") return addImage(record, payload);
  if (type == "pod") return addPod(record, payload);
  if (type == "enter") return addEnter(record, payload);
  if (type == "abort") {
    TRY(expectPod(record.number, payload.text("pod")));
    history_.aborts.push_back({record.number, payload.text("pod"), payload.text("reason")});
    return {};
  }
  return refuseEvidence("E_ATTEST_CAP", nameOf(record.number) +
                                            " says that the register is not to be believed: " +
                                            printable(payload.text("reason")));
}

Result<History> Reading::read(const tpm::Replay& replay) {
  for (const tpm::Record& record : replay.records) TRY(add(record));
  return std::move(history_);
}

}  // namespace

const ImageRecord* History::imageBefore(const std::string& image, std::uint64_t number) const {
  const ImageRecord* last = nullptr;
  for (const ImageRecord& record : images) {
    if (record.image == image && record.number < number) last = &record;
  }
  return last;
}

Result<History> readHistory(const tpm::Replay& replay) { return Reading().read(replay); }

}  // namespace airlock::attest
