// SPDX-License-Identifier: Apache-2.0
#include "attest/fleet_policy.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "image/json.h"
#include "image/json_reader.h"
#include "tpm/hash.h"

namespace airlock::attest {

namespace {

using image::Json;
using image::ObjectReader;
using image::refuseField;

constexpr std::int64_t kVersion = 1;

// An object that has no member but these: a demand that we do not understand must not be passed
// over.
Result<ObjectReader> strictly(const Json& value, const std::string& where,
                              std::initializer_list<std::string_view> names) {
  const ObjectReader object = TRY(ObjectReader::of(value, where));
  for (const auto& member : value.items()) {
    if (std::ranges::count(names, std::string_view(member.key())) == 0) {
      return refuseField(object.at(member.key()), "is not a member that we know");
    }
    if (member.value().is_null()) return refuseField(object.at(member.key()), "must not be null");
  }
  return object;
}

Result<std::optional<Texts>> textsAt(const ObjectReader& object, std::string_view key) {
  if (object.find(key) == nullptr) return std::optional<Texts>();
  const auto list = TRY(object.textList(key, limits::kFleetEntries));
  return std::optional<Texts>(Texts(list.begin(), list.end()));
}

// A digest is compared as text, so that one that nobody can have is a mistake worth telling.
template <class Parse>
Result<std::optional<Texts>> parsedAt(const ObjectReader& object, std::string_view key,
                                      Parse parse) {
  auto texts = TRY(textsAt(object, key));
  if (texts) {
    for (const std::string& text : *texts) TRY(inContext(parse(text), object.at(key)));
  }
  return texts;
}

Result<void> isContentDigest(const std::string& text) {
  if (ContentDigest::parse(text)) return {};
  return refuseField("", airlock::quoted(text) + " is not sha512- and 128 digits");
}

Result<void> isSha256(const std::string& text) {
  tpm::Bytes bytes(32);
  if (fromHex(text, bytes)) return {};
  return refuseField("", airlock::quoted(text) + " is not 64 hexadecimal digits");
}

Result<void> oneOf(const std::string& text, std::initializer_list<std::string_view> words) {
  if (std::ranges::count(words, std::string_view(text)) != 0) return {};
  return refuseField("", airlock::quoted(text) + " is not a word that we know here");
}

Result<FleetPolicy::Engine> readEngine(const Json& value, const std::string& where) {
  const ObjectReader object =
      TRY(strictly(value, where, {"versions", "programs", "layers", "modes", "policies", "trust"}));
  FleetPolicy::Engine engine;
  engine.versions = TRY(textsAt(object, "versions"));
  engine.layers = TRY(textsAt(object, "layers")).value_or(Texts{});
  engine.modes = TRY(parsedAt(object, "modes", [](const std::string& text) {
    return oneOf(text, {"require", "log"});
  }));
  engine.policies = TRY(parsedAt(object, "policies", isContentDigest));
  engine.trust = TRY(parsedAt(object, "trust", isContentDigest));
  if (const Json* programs = object.find("programs")) {
    const ObjectReader names = TRY(ObjectReader::of(*programs, object.at("programs")));
    for (const auto& program : programs->items()) {
      engine.programs[program.key()] =
          TRY(parsedAt(names, program.key(), isContentDigest)).value_or(Texts{});
    }
  }
  return engine;
}

Result<GoldenImage> readGolden(const Json& value, const std::string& where) {
  const ObjectReader object = TRY(strictly(value, where, {"image", "tree", "content", "name"}));
  GoldenImage golden{.image = TRY(object.text("image")),
                     .tree = TRY(object.text("tree")),
                     .content = TRY(object.text("content"))};
  if (!ImageId::parse(golden.image)) return refuseField(object.at("image"), "is no image id");
  if (!golden.tree.empty() && !TreeDigest::parse(golden.tree)) {
    return refuseField(object.at("tree"), "is no digest of a tree");
  }
  TRY(object.text("name"));  // for people
  return golden;
}

Result<SignedBy> readSignedBy(const Json& value, const std::string& where) {
  const ObjectReader object = TRY(strictly(value, where, {"prefix", "key"}));
  SignedBy rule{.prefix = TRY(object.text("prefix")), .key = TRY(object.text("key"))};
  if (rule.key.empty()) return refuseField(object.at("key"), "must be a key's fingerprint");
  if (object.find("prefix") == nullptr) {
    return refuseField(object.at("prefix"), "must be there; \"\" is every name");
  }
  return rule;
}

Result<FleetPolicy::Images> readImages(const Json& value, const std::string& where) {
  const ObjectReader object = TRY(strictly(
      value, where, {"golden", "signedBy", "content", "allowUnverified", "verifiedAgain"}));
  FleetPolicy::Images images;
  images.constrained = object.find("golden") != nullptr || object.find("signedBy") != nullptr;
  images.golden = TRY(object.list<GoldenImage>("golden", limits::kFleetEntries, readGolden));
  images.signedBy = TRY(object.list<SignedBy>("signedBy", limits::kFleetEntries, readSignedBy));
  images.content = TRY(parsedAt(object, "content", [](const std::string& text) {
    return oneOf(text, {"verity", "rehash", "store-trust"});
  }));
  images.allowUnverified = TRY(object.boolean("allowUnverified"));
  images.verifiedAgain = TRY(object.boolean("verifiedAgain"));
  return images;
}

Result<FleetPolicy::Pods> readPods(const Json& value, const std::string& where) {
  const ObjectReader object =
      TRY(strictly(value, where, {"networks", "callers", "requireAudit", "requireSelinux"}));
  FleetPolicy::Pods pods;
  pods.networks = TRY(textsAt(object, "networks"));
  if (object.find("callers") != nullptr) {
    const auto list = TRY(object.list<std::uint64_t>(
        "callers", limits::kFleetEntries,
        [](const Json& uid, const std::string& at) -> Result<std::uint64_t> {
          if (!uid.is_number_integer() || uid.get<std::int64_t>() < 0) {
            return refuseField(at, "must be a user's number");
          }
          return uid.get<std::uint64_t>();
        }));
    pods.callers = std::set<std::uint64_t>(list.begin(), list.end());
  }
  pods.requireAudit = TRY(object.boolean("requireAudit"));
  pods.requireSelinux = TRY(object.boolean("requireSelinux"));
  return pods;
}

Result<std::map<std::uint32_t, Texts>> readRegisters(const Json& value, const std::string& where,
                                                     std::size_t bytes) {
  const ObjectReader object = TRY(ObjectReader::of(value, where));
  std::map<std::uint32_t, Texts> registers;
  for (const auto& member : value.items()) {
    const std::string& key = member.key();
    const bool number = !key.empty() && key.size() <= 2 &&
                        key.find_first_not_of("0123456789") == key.npos &&
                        (key.size() == 1 || key[0] != '0');
    if (!number || std::stoul(key) > limits::kPcrMax) {
      return refuseField(object.at(key), "is no register");
    }
    const auto values = TRY(parsedAt(object, key, [&](const std::string& text) -> Result<void> {
      tpm::Bytes digest(bytes);
      if (fromHex(text, digest)) return {};
      return refuseField("", airlock::quoted(text) + " is not a value of that bank, in hex");
    }));
    registers[static_cast<std::uint32_t>(std::stoul(key))] = values.value_or(Texts{});
  }
  return registers;
}

Result<FleetPolicy::Firmware> readFirmware(const Json& value, const std::string& where) {
  const ObjectReader object = TRY(strictly(value, where,
                                           {"required", "registers", "kernels", "loaders",
                                            "commandLines", "requireMeasuredCommandLine"}));
  FleetPolicy::Firmware firmware;
  firmware.required = TRY(object.boolean("required"));
  firmware.kernels = TRY(parsedAt(object, "kernels", isSha256));
  firmware.loaders = TRY(parsedAt(object, "loaders", isSha256)).value_or(Texts{});
  if (object.find("loaders") != nullptr && !firmware.kernels) {
    return refuseField(object.at("loaders"), "says nothing without kernels");
  }
  firmware.commandLines = TRY(textsAt(object, "commandLines"));
  firmware.requireCommandLine = TRY(object.boolean("requireMeasuredCommandLine"));
  if (const Json* registers = object.find("registers")) {
    const ObjectReader banks = TRY(ObjectReader::of(*registers, object.at("registers")));
    for (const auto& bank : registers->items()) {
      const tpm::HashAlgorithm* algorithm = tpm::findHash(std::string_view(bank.key()));
      if (algorithm == nullptr) return refuseField(banks.at(bank.key()), "is no bank");
      firmware.registers[bank.key()] =
          TRY(readRegisters(bank.value(), banks.at(bank.key()), algorithm->bytes));
    }
  }
  return firmware;
}

Result<FleetPolicy> readPolicy(const Json& document) {
  const ObjectReader object = TRY(strictly(
      document, "",
      {"airlockFleetPolicy", "requireHardware", "pcr", "banks", "maxRestarts", "requireNonce",
       "revokedKeys", "engine", "stage1", "images", "pods", "firmware", "comment"}));
  if (TRY(object.integer("airlockFleetPolicy", kVersion, kVersion)) != kVersion) {
    return refuseField("airlockFleetPolicy", "must be 1: the version of this format");
  }
  FleetPolicy policy;
  TRY(object.text("comment"));
  policy.requireHardware = TRY(object.boolean("requireHardware"));
  if (const auto pcr = TRY(object.integer("pcr", 0, limits::kPcrMax))) {
    policy.pcr = static_cast<std::uint32_t>(*pcr);
  }
  policy.banks = TRY(parsedAt(object, "banks", [](const std::string& text) -> Result<void> {
    if (tpm::findHash(std::string_view(text)) != nullptr) return {};
    return refuseField("", airlock::quoted(text) + " is no bank");
  }));
  if (const auto most = TRY(object.integer("maxRestarts", 0, UINT32_MAX))) {
    policy.maxRestarts = static_cast<std::uint64_t>(*most);
  }
  policy.requireNonce = TRY(object.boolean("requireNonce"));
  TRY(parsedAt(object, "revokedKeys",
               [&](const std::string& text) { return policy.revokedKeys.add(text); }));
  policy.stage1 = TRY(parsedAt(object, "stage1", isContentDigest));
  if (const Json* engine = object.find("engine"))
    policy.engine = TRY(readEngine(*engine, "engine"));
  if (const Json* images = object.find("images"))
    policy.images = TRY(readImages(*images, "images"));
  if (const Json* pods = object.find("pods")) policy.pods = TRY(readPods(*pods, "pods"));
  if (const Json* firmware = object.find("firmware")) {
    policy.firmware = TRY(readFirmware(*firmware, "firmware"));
  }
  return policy;
}

}  // namespace

Result<FleetPolicy> parseFleetPolicy(std::string_view text) {
  auto document = image::parseJson(text, limits::kFleetPolicyBytes);
  auto policy = document ? readPolicy(*document) : std::unexpected(std::move(document.error()));
  if (policy) return policy;
  return std::unexpected(std::move(policy.error())
                             .withCode("E_FLEET_POLICY")
                             .withHint("airlock-fleet-policy(5) has the format"));
}

bool covers(std::string_view prefix, std::string_view name) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  if (prefix.empty() || prefix == name) return true;
  return name.size() > prefix.size() && name.starts_with(prefix) && name[prefix.size()] == '/';
}

}  // namespace airlock::attest
