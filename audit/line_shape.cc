// SPDX-License-Identifier: Apache-2.0
#include "audit/line_shape.h"

#include <algorithm>
#include <span>
#include <string>

#include "audit/log.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/names.h"

namespace airlock::audit {

namespace {

using Json = nlohmann::json;

// "request" is one that could not be read.
constexpr std::string_view kOperations[] = {"app-add",
                                            "app-rm",
                                            "app-start",
                                            "app-stop",
                                            "attach",
                                            "attest-activate",
                                            "attest-enroll",
                                            "attest-init",
                                            "attest-revoke",
                                            "enter",
                                            "explain",
                                            "export",
                                            "gc",
                                            "image-gc",
                                            "image-open",
                                            "image-rm",
                                            "image-verify",
                                            "import",
                                            "policy",
                                            "prepare",
                                            "quote",
                                            "report",
                                            "request",
                                            "rm",
                                            "run",
                                            "run-prepared",
                                            "sandbox",
                                            "stop",
                                            "trust"};

enum class Kind { Text, Number, Flag, Texts, Image, Digest, Pod, Time, Object, Objects };

struct Field {
  std::string_view name;
  Kind kind;
  bool optional = true;
  std::span<const Field> inner = {};  // of an object, or of each of a list
};

constexpr Field kSigner[]{
    {"fingerprint", Kind::Text, false}, {"kind", Kind::Text}, {"user", Kind::Text}};
constexpr Field kApp[]{
    {"capabilities", Kind::Text, false}, {"image", Kind::Image, false},
    {"image_name", Kind::Text, false},   {"name", Kind::Text, false},
    {"seccomp", Kind::Texts, false},     {"signers", Kind::Objects, true, kSigner},
    {"verified", Kind::Flag, false}};
constexpr Field kSubject[]{{"app", Kind::Text},
                           {"apps", Kind::Objects, true, kApp},
                           {"arguments", Kind::Text},
                           {"before", Kind::Text},
                           {"digest", Kind::Text},
                           {"image", Kind::Image},
                           {"images", Kind::Texts},
                           {"insecure", Kind::Texts},
                           {"labels", Kind::Texts},
                           {"manifest", Kind::Text},
                           {"name", Kind::Text},
                           {"network", Kind::Text},
                           {"nonce", Kind::Text},
                           {"origin", Kind::Text},
                           {"pcrs", Kind::Text},
                           {"pod", Kind::Pod},
                           {"pods", Kind::Texts},
                           {"selinux", Kind::Text},
                           {"signers", Kind::Objects, true, kSigner},
                           {"spec", Kind::Text},
                           {"verified", Kind::Flag},
                           {"volumes", Kind::Texts}};
constexpr Field kWho[]{{"auid", Kind::Number},       {"gid", Kind::Number, false},
                       {"pid", Kind::Number, false}, {"selinux", Kind::Text},
                       {"session", Kind::Number},    {"uid", Kind::Number, false}};
constexpr Field kResult[]{{"code", Kind::Text, false}, {"text", Kind::Text}};
constexpr Field kMissing[]{{"detail", Kind::Text}, {"name", Kind::Text, false}};
constexpr Field kLayers[]{{"enforced", Kind::Texts}, {"missing", Kind::Objects, true, kMissing}};
constexpr Field kMeasure[]{
    {"anchor", Kind::Text}, {"pcr", Kind::Number, false}, {"records", Kind::Number, false}};
constexpr Field kLine[]{{"boot", Kind::Text, false},
                        {"boottime", Kind::Number, false},
                        {"layers", Kind::Object, true, kLayers},
                        {"measure", Kind::Object, true, kMeasure},
                        {"of", Kind::Number},
                        {"op", Kind::Text, false},
                        {"policy", Kind::Text},
                        {"prev", Kind::Digest, false},
                        {"result", Kind::Object, false, kResult},
                        {"rule", Kind::Text},
                        {"seq", Kind::Number, false},
                        {"subject", Kind::Object, false, kSubject},
                        {"time", Kind::Time, false},
                        {"trust", Kind::Text},
                        {"v", Kind::Number, false},
                        {"who", Kind::Object, true, kWho}};

// "2026-11-28T22:31:32.000000000Z"
bool isTime(std::string_view text) {
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd.dddddddddZ";
  return text.size() == form.size() &&
         std::equal(text.begin(), text.end(), form.begin(), [](char c, char wanted) {
           return wanted == 'd' ? c >= '0' && c <= '9' : c == wanted;
         });
}

bool isTexts(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const Json& each) { return each.is_string(); });
}

bool isText(const Json& value, Kind kind) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (text.empty()) return false;  // left out instead
  if (kind == Kind::Image) return ImageId::parse(text).has_value();
  if (kind == Kind::Digest) return OciDigest::parse(text).has_value();
  if (kind == Kind::Time) return isTime(text);
  if (kind != Kind::Pod) return true;
  const auto pod = PodId::parse(text);
  return pod && pod->text() == text;
}

Result<void> checkObject(const Json& object, std::span<const Field> fields, std::string_view what);

Result<void> checkField(const Json& value, const Field& field) {
  bool good = false;
  switch (field.kind) {
    case Kind::Text:
    case Kind::Image:
    case Kind::Digest:
    case Kind::Pod:
    case Kind::Time:
      good = isText(value, field.kind);
      break;
    case Kind::Number:
      good = value.is_number_unsigned();
      break;
    case Kind::Flag:
      good = value.is_boolean();
      break;
    case Kind::Texts:
      good = isTexts(value);
      break;
    case Kind::Object:
      return checkObject(value, field.inner, field.name);
    case Kind::Objects:
      good = value.is_array() && !value.empty();
      for (const Json& each : value) TRY(checkObject(each, field.inner, field.name));
      break;
  }
  if (good) return {};
  return damagedRecord("a line has no good \"" + std::string(field.name) + "\"");
}

Result<void> checkObject(const Json& object, std::span<const Field> fields, std::string_view what) {
  std::size_t known = 0;
  if (object.is_object()) {
    for (const Field& field : fields) {
      const auto found = object.find(field.name);
      if (found == object.end() && field.optional) continue;
      if (found == object.end())
        return damagedRecord("a line has no \"" + std::string(field.name) + "\"");
      TRY(checkField(*found, field));
      ++known;
    }
  }
  if (object.is_object() && object.size() == known) return {};
  return damagedRecord(std::string(what) + " does not have exactly the fields that it may have");
}

}  // namespace

std::span<const std::string_view> operations() { return kOperations; }

Result<void> checkLine(const Json& line) {
  TRY(checkObject(line, kLine, "a line"));
  if (line["v"] != 1U) return damagedRecord("a line has a version that is not known");
  const auto& operation = line["op"].get_ref<const std::string&>();
  if (std::ranges::find(kOperations, operation) == std::end(kOperations))
    return damagedRecord("a line has the unknown operation " + airlock::quoted(operation));
  if (line.contains("of") && line["of"].get<std::uint64_t>() >= line["seq"].get<std::uint64_t>())
    return damagedRecord("a line is the outcome of one that comes later");
  return {};
}

}  // namespace airlock::audit
