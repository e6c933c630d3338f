// SPDX-License-Identifier: Apache-2.0
#include "tpm/record.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "tpm/canonical.h"

namespace airlock::tpm {

namespace {

constexpr std::size_t kEventDepth = 8;
constexpr std::size_t kRecordDepth = 4;
constexpr char kRecordSeparator = '\x1e';

using Kind = Json::value_t;
struct Field {
  std::string_view name;
  Kind kind;
  bool optional = false;  // logs from before it was there are still good
};
struct Shape {
  std::string_view type;
  std::span<const Field> fields;
};

constexpr Field kEngine[]{{"anchor", Kind::string},
                          {"anchor_reason", Kind::string},
                          {"boot_id", Kind::string},
                          {"layers", Kind::array},
                          {"mode", Kind::string},
                          {"pcr_before", Kind::object},
                          {"programs", Kind::object},
                          {"reset_count", Kind::number_unsigned},
                          {"restart_count", Kind::number_unsigned},
                          {"tpm", Kind::string},
                          {"version", Kind::string}};
constexpr Field kPolicy[]{{"policy", Kind::string}, {"summary", Kind::string}};
constexpr Field kTrust[]{
    {"files", Kind::string, true}, {"keys", Kind::array}, {"trust", Kind::string}};
constexpr Field kImage[]{{"dependencies", Kind::array, true},
                         {"content", Kind::string},
                         {"image", Kind::string},
                         {"insecure", Kind::boolean},
                         {"labels", Kind::array},
                         {"layers", Kind::array, true},
                         {"name", Kind::string},
                         {"origin", Kind::string},
                         {"rule", Kind::string},
                         {"signers", Kind::array},
                         {"tree", Kind::string}};
constexpr Field kPod[]{{"apps", Kind::array},
                       {"audit", Kind::string, true},
                       {"caller_uid", Kind::number_unsigned},
                       {"first_uid", Kind::number_unsigned},
                       {"manifest", Kind::string},
                       {"network", Kind::string},
                       {"pod", Kind::string},
                       {"selinux", Kind::string, true},
                       {"spec", Kind::string},
                       {"stage1", Kind::string},
                       {"stage1_digest", Kind::string},
                       {"volumes", Kind::array}};
constexpr Field kEnter[]{{"app", Kind::string},
                         {"arguments", Kind::string},
                         {"audit", Kind::string, true},
                         {"caller_uid", Kind::number_unsigned},
                         {"pod", Kind::string}};
constexpr Field kAbort[]{{"pod", Kind::string}, {"reason", Kind::string}};
constexpr Field kCap[]{{"reason", Kind::string}};

constexpr std::array<Shape, 8> kShapes{{{"engine", kEngine},
                                        {"policy", kPolicy},
                                        {"trust", kTrust},
                                        {"image", kImage},
                                        {"pod", kPod},
                                        {"enter", kEnter},
                                        {"abort", kAbort},
                                        {"cap", kCap}}};

Result<void> checkShape(const Json& object, std::span<const Field> fields, std::string_view what) {
  bool exact = object.is_object();
  std::size_t known = 0;
  for (const Field& field : fields) {
    if (!exact) break;
    const auto found = object.find(field.name);
    const bool there = found != object.end();
    exact = there ? found->type() == field.kind : field.optional;
    known += there ? 1 : 0;
  }
  if (exact && object.size() == known) return {};
  return damaged(std::string(what) + " does not have exactly the fields that it must have");
}

Result<void> checkEvent(const Event& event) {
  const auto shape = std::ranges::find(kShapes, event.type, &Shape::type);
  if (shape == kShapes.end()) {
    return damaged("a record has the unknown type " + airlock::quoted(event.type));
  }
  const Json payload = TRY(parseCanonical(event.payload, kEventDepth, "the payload of a record"));
  TRY(checkShape(payload, shape->fields, "a payload of type " + event.type));
  const auto audit = payload.find("audit");
  if (audit == payload.end() || OciDigest::parse(audit->get_ref<const std::string&>())) return {};
  return damaged("a payload names a line of the audit record by something that is no digest");
}

Result<Banks> parseDigests(const Json& list) {
  constexpr Field kDigest[]{{"digest", Kind::string}, {"hashAlg", Kind::string}};
  Banks digests;
  for (const Json& entry : list) {
    TRY(checkShape(entry, kDigest, "a digest of a record"));
    const HashAlgorithm* algorithm = findHash(entry["hashAlg"].get_ref<const std::string&>());
    if (algorithm == nullptr) return damaged("a record has a digest of an unknown algorithm");
    if (!digests.empty() && digests.back().algorithm >= algorithm->id) {
      return damaged("the digests of a record are out of order");
    }
    BankValue digest{algorithm->id, Bytes(algorithm->bytes)};
    if (!fromHex(entry["digest"].get_ref<const std::string&>(), digest.value)) {
      return damaged("a digest of a record is not hex of its algorithm's length");
    }
    digests.push_back(std::move(digest));
  }
  if (digests.empty()) return damaged("a record has no digest");
  return digests;
}

std::string imagesOf(const Json& payload) {
  std::string text;
  for (const Json& app : payload["apps"]) {
    if (!app.is_object()) continue;
    text += ' ' + app.value("name", "") + '=' + app.value("image", "").substr(0, 19);
  }
  return text;
}

}  // namespace

std::string preimage(const Event& event) {
  std::string bytes("airlock.v1");
  bytes.push_back('\0');
  bytes += event.type;
  bytes.push_back('\0');
  bytes += event.payload;
  return bytes;
}

std::string fingerprint(const Event& event) {
  std::string facts = event.payload;
  if (event.type == "engine") {
    Json payload = Json::parse(event.payload, nullptr, false);
    if (payload.is_object()) {
      for (const char* name : {"pcr_before", "reset_count", "restart_count", "tpm"}) {
        payload.erase(name);
      }
      facts = canonical(payload);
    }
  }
  return toHex(hash(kSha256, facts));
}

std::string encodeRecord(const Record& record) {
  Json digests = Json::array();
  for (const BankValue& digest : record.digests) {
    digests.push_back(
        {{"hashAlg", findHash(digest.algorithm)->name}, {"digest", toHex(digest.value)}});
  }
  const Json json{
      {"recnum", record.number},
      {"pcr", record.pcr},
      {"digests", std::move(digests)},
      {"content_type", "airlock"},
      {"content", {{"type", record.event.type}, {"data", toBase64(record.event.payload)}}}};
  return kRecordSeparator + canonical(json) + '\n';
}

Result<Record> parseRecord(std::string_view element) {
  if (element.size() > limits::kEventRecordBytes) return damaged("a record is too large");
  if (element.size() < 3 || element.front() != kRecordSeparator || element.back() != '\n') {
    return damaged("a record is torn");
  }
  const Json json =
      TRY(parseCanonical(element.substr(1, element.size() - 2), kRecordDepth, "a record"));
  constexpr Field kRecord[]{{"content", Kind::object},
                            {"content_type", Kind::string},
                            {"digests", Kind::array},
                            {"pcr", Kind::number_unsigned},
                            {"recnum", Kind::number_unsigned}};
  constexpr Field kContent[]{{"data", Kind::string}, {"type", Kind::string}};
  TRY(checkShape(json, kRecord, "a record"));
  TRY(checkShape(json["content"], kContent, "the content of a record"));
  if (json["content_type"] != "airlock") return damaged("a record is not of airlock's own kind");
  const auto pcr = json["pcr"].get<std::uint64_t>();
  if (pcr > 23) return damaged("a record is for a register that no TPM has");

  Record record;
  record.number = json["recnum"].get<std::uint64_t>();
  record.pcr = static_cast<std::uint32_t>(pcr);
  record.digests = TRY(parseDigests(json["digests"]));
  record.event.type = json["content"]["type"].get<std::string>();
  record.event.payload = TRY(fromBase64(json["content"]["data"].get_ref<const std::string&>()));
  TRY(checkEvent(record.event));
  if (digests(record.digests, preimage(record.event)) != record.digests) {
    return damaged("record " + std::to_string(record.number) +
                   " has a digest that is not the one of its content");
  }
  return record;
}

std::string textField(const Event& event, const char* name) {
  const Json payload = Json::parse(event.payload, nullptr, false);
  if (!payload.is_object()) return {};
  const auto field = payload.find(name);
  return field != payload.end() && field->is_string() ? field->get<std::string>() : std::string();
}

std::string summarize(const Event& event) {
  const Json payload = Json::parse(event.payload, nullptr, false);
  if (!payload.is_object()) return {};
  const auto text = [&](const char* name) {
    const auto field = payload.find(name);
    return field != payload.end() && field->is_string() ? field->get<std::string>() : "";
  };
  std::string line;
  if (event.type == "engine") {
    line = "airlock " + text("version") + ", mode " + text("mode") + ", anchor " + text("anchor");
    if (!text("anchor_reason").empty()) line += " (" + text("anchor_reason") + ")";
  } else if (event.type == "policy") {
    line = text("policy").substr(0, 23);
  } else if (event.type == "trust") {
    line = text("trust").substr(0, 23) + ", " + std::to_string(payload["keys"].size()) + " keys";
  } else if (event.type == "image") {
    line = text("name") + ' ' + text("image").substr(0, 19);
    if (payload.value("insecure", false)) line += ", not verified";
  } else if (event.type == "pod") {
    line = text("pod") + imagesOf(payload);
  } else if (event.type == "enter") {
    line = text("pod") + ' ' + text("app");
  } else if (event.type == "abort") {
    line = text("pod") + ": " + text("reason");
  } else {
    line = text("reason");
  }
  return printable(line);
}

}  // namespace airlock::tpm
