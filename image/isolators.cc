// SPDX-License-Identifier: Apache-2.0
#include "image/isolators.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/json_reader.h"

namespace airlock::image {

namespace {
constexpr std::string_view kMemory = "resource/memory";
constexpr std::string_view kCpu = "resource/cpu";
constexpr std::string_view kCapsRetain = "os/linux/capabilities-retain-set";
constexpr std::string_view kCapsRemove = "os/linux/capabilities-remove-set";
constexpr std::string_view kSeccompRetain = "os/linux/seccomp-retain-set";
constexpr std::string_view kSeccompRemove = "os/linux/seccomp-remove-set";
constexpr std::string_view kNoNewPrivileges = "os/linux/no-new-privileges";
constexpr std::string_view kOomScoreAdj = "os/linux/oom-score-adj";
constexpr std::string_view kCpuShares = "os/linux/cpu-shares";
constexpr std::string_view kPidsLimit = "os/linux/pids-limit";
constexpr std::string_view kSelinux = "os/linux/selinux-context";
constexpr std::string_view kSysctl = "os/unix/sysctl";

std::unexpected<Error> bad(std::string message) {
  return refuse(ErrorKind::Invalid, "E_ISOLATOR", std::move(message));
}

bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }

// What decoding carries along: the result, and what is only known once all isolators are read.
struct Decoding {
  AppIsolators app;
  std::optional<CapabilityMask> retained;
  CapabilityMask removed = 0;
};

void keepLeast(std::optional<std::uint64_t>& held, std::optional<std::uint64_t> other) {
  if (other) held = std::min(held.value_or(*other), *other);
}

// A member of a resource value: a quantity as text, or a number as old tools wrote it.
Result<std::optional<Quantity>> readQuantity(const ObjectReader& value, std::string_view key) {
  const Json* member = value.find(key);
  if (member == nullptr) return std::optional<Quantity>();
  if (!member->is_string() && !member->is_number()) {
    return refuseField(value.at(key), "must be a quantity");
  }
  const std::string text = member->is_string() ? member->get<std::string>() : member->dump();
  const Quantity quantity = TRY(inContext(Quantity::parse(text), value.at(key)));
  if (quantity.isNegative()) return refuseField(value.at(key), "must not be negative");
  return std::optional<Quantity>(quantity);
}

struct Resource {
  bool isDefault = false;
  std::optional<Quantity> request;
  std::optional<Quantity> limit;
};
Result<Resource> readResource(const Json& json, std::string_view name) {
  const ObjectReader value = TRY(ObjectReader::of(json, std::string(name)));
  Resource resource;
  resource.isDefault = TRY(value.boolean("default"));
  resource.request = TRY(readQuantity(value, "request"));
  resource.limit = TRY(readQuantity(value, "limit"));
  if (!resource.request && !resource.limit)
    return refuseField(name, "sets neither request nor limit");
  return resource;
}

Result<void> decodeMemory(const Json& json, Decoding& into) {
  const Resource memory = TRY(readResource(json, kMemory));
  if (memory.isDefault) return refuseField(kMemory, "default must be false");
  const auto bytes = [](const std::optional<Quantity>& amount) -> std::optional<std::uint64_t> {
    if (!amount) return std::nullopt;
    return static_cast<std::uint64_t>(amount->units());
  };
  if (memory.limit && *bytes(memory.limit) < limits::kMemoryLimitMinimum) {
    return refuse(ErrorKind::Invalid, "E_ISOLATOR",
                  "memory limit of " + std::to_string(*bytes(memory.limit)) + " bytes too low",
                  "Try a reasonable value, such as --memory=16M");
  }
  keepLeast(into.app.memoryBytes, bytes(memory.limit));
  keepLeast(into.app.memoryRequestBytes, bytes(memory.request));
  return {};
}

Result<void> decodeCpu(const Json& json, Decoding& into) {
  const Resource cpu = TRY(readResource(json, kCpu));
  if (cpu.isDefault) return refuseField(kCpu, "default must be false");
  const auto millicores =
      [](const std::optional<Quantity>& amount) -> std::optional<std::uint64_t> {
    if (!amount) return std::nullopt;
    return static_cast<std::uint64_t>(amount->thousandths());
  };
  if (cpu.limit && *millicores(cpu.limit) == 0) return refuseField(kCpu, "a limit of nothing");
  keepLeast(into.app.cpuMillicores, millicores(cpu.limit));
  keepLeast(into.app.cpuRequestMillicores, millicores(cpu.request));
  return {};
}

Result<void> decodeBandwidth(std::string_view name, const Json& json, Decoding& into) {
  const Resource resource = TRY(readResource(json, name));
  if (!resource.isDefault) return refuseField(name, "default must be true");
  if (resource.request) return refuseField(name, "request not supported");
  std::vector<std::string>& names = into.app.notEnforced;
  if (std::ranges::find(names, name) == names.end()) names.emplace_back(name);
  return {};
}

Result<std::vector<std::string>> readSet(const ObjectReader& value) {
  std::vector<std::string> set = TRY(value.textList("set", limits::kArguments));
  if (set.empty()) return refuseField(value.where(), "set must be non-empty");
  return set;
}

Result<CapabilityMask> readCapabilities(std::string_view name, const Json& json) {
  const ObjectReader value = TRY(ObjectReader::of(json, std::string(name)));
  const std::vector<std::string> names = TRY(readSet(value));
  CapabilityMask mask = 0;
  for (const std::string& capability : names) {
    const auto number = capabilityNumber(capability);
    if (!number) return refuseField(name, "unknown capability " + airlock::quoted(capability));
    mask |= CapabilityMask{1} << *number;
  }
  return mask;
}

Result<void> decodeSeccomp(SeccompFilter::Mode mode, std::string_view name, const Json& json,
                           Decoding& into) {
  const ObjectReader value = TRY(ObjectReader::of(json, std::string(name)));
  SeccompFilter filter{.mode = mode, .names = {}, .errnoName = {}};
  filter.names = TRY(readSet(value));
  for (const std::string& call : filter.names) {
    const bool isCall = call.size() <= limits::kNameBytes && std::ranges::all_of(call, [](char c) {
                          return isLower(c) || isDigit(c) || c == '_';
                        });
    if (call.empty() || (!isCall && !isSeccompGroup(call))) {
      return refuseField(
          name, airlock::quoted(call) + " is neither a system call nor a known group of them");
    }
  }
  filter.errnoName = TRY(value.text("errno"));
  const std::string& number = filter.errnoName;
  if (!number.empty() && number.front() != 'E') {
    return refuseField(name,
                       "errno must start with an 'E' character, got " + airlock::quoted(number));
  }
  if (!std::ranges::all_of(number, [](char c) { return isUpper(c) || isDigit(c); })) {
    return refuseField(name, "errno can only contain upper case or numeric characters, got " +
                                 airlock::quoted(number));
  }
  into.app.seccomp = std::move(filter);
  return {};
}

Result<std::int64_t> readInteger(std::string_view name, const Json& json, std::int64_t min,
                                 std::int64_t max) {
  if (!json.is_number_integer()) return refuseField(name, "must be a whole number");
  const auto number = json.get<std::int64_t>();
  if (number < min || number > max) {
    return refuseField(name, std::to_string(number) + " is not in the range " +
                                 std::to_string(min) + " to " + std::to_string(max));
  }
  return number;
}

Result<void> decodeSelinux(const Json& json, Decoding& into) {
  const ObjectReader value = TRY(ObjectReader::of(json, std::string(kSelinux)));
  SelinuxContext context;
  const std::array<std::pair<std::string_view, std::string*>, 4> parts = {
      {{"user", &context.user},
       {"role", &context.role},
       {"type", &context.type},
       {"level", &context.level}}};
  for (const auto& [key, part] : parts) {
    *part = TRY(value.text(key));
    const std::string_view extra = key == "level" ? "_-.:," : "_-.";
    const bool clean = std::ranges::all_of(
        *part, [&](char c) { return isLower(c) || isUpper(c) || isDigit(c) || extra.contains(c); });
    if (part->empty() || part->size() > limits::kNameBytes || !clean) {
      return refuseField(value.at(key),
                         airlock::quoted(*part) + " is not a part of an SELinux context");
    }
  }
  into.app.selinux = std::move(context);
  return {};
}

Result<void> decodeSysctl(const Json& json, Decoding& into) {
  if (!json.is_object()) return refuseField(kSysctl, "must be an object");
  for (const auto& [key, value] : json.get_ref<const Json::object_t&>()) {
    const bool plain =
        !key.empty() && key.size() <= limits::kNameBytes && !key.contains("..") &&
        key.front() != '.' && std::ranges::all_of(key, [](char c) {
          return isLower(c) || isUpper(c) || isDigit(c) || c == '_' || c == '.' || c == '-';
        });
    if (!plain) return refuseField(kSysctl, airlock::quoted(key) + " is not the name of a sysctl");
    if (!value.is_string() || value.get_ref<const std::string&>().contains('\n')) {
      return refuseField(kSysctl, "the value of " + key + " must be one line of text");
    }
    into.app.sysctl[key] = value.get<std::string>();
  }
  return {};
}

// One isolator of a known name.
Result<void> decodeKnown(std::string_view name, const Json& json, Decoding& into) {
  AppIsolators& app = into.app;
  if (name == kMemory) return decodeMemory(json, into);
  if (name == kCpu) return decodeCpu(json, into);
  if (name == kCapsRetain) {
    const CapabilityMask mask = TRY(readCapabilities(name, json));
    into.retained = into.retained.value_or(mask) & mask;
  } else if (name == kCapsRemove) {
    into.removed |= TRY(readCapabilities(name, json));
  } else if (name == kSeccompRetain) {
    return decodeSeccomp(SeccompFilter::Mode::Retain, name, json, into);
  } else if (name == kSeccompRemove) {
    return decodeSeccomp(SeccompFilter::Mode::Remove, name, json, into);
  } else if (name == kNoNewPrivileges) {
    if (!json.is_boolean()) return refuseField(name, "must be true or false");
    app.noNewPrivileges = app.noNewPrivileges || json.get<bool>();
  } else if (name == kOomScoreAdj) {
    app.oomScoreAdj = static_cast<std::int32_t>(TRY(readInteger(name, json, -1000, 1000)));
  } else if (name == kCpuShares) {
    app.cpuShares = static_cast<std::uint32_t>(TRY(readInteger(name, json, 2, 262144)));
  } else if (name == kPidsLimit) {
    app.pidsLimit = static_cast<std::uint32_t>(TRY(readInteger(name, json, 1, 4194304)));
  } else if (name == kSelinux) {
    return decodeSelinux(json, into);
  } else if (name == kSysctl) {
    return decodeSysctl(json, into);
  } else {
    return decodeBandwidth(name, json, into);
  }
  return {};
}

bool mayRepeat(std::string_view name) {
  return name.starts_with("resource/") || name == kCapsRetain || name == kCapsRemove ||
         name == kNoNewPrivileges;
}

// The set that the set `name` speaks against, or an empty text.
std::string_view oppositeOf(std::string_view name) {
  if (name == kSeccompRetain) return kSeccompRemove;
  if (name == kSeccompRemove) return kSeccompRetain;
  if (name == kCapsRetain) return kCapsRemove;
  if (name == kCapsRemove) return kCapsRetain;
  return {};
}

Result<AppIsolators> decode(std::span<const Isolator> isolators, bool unknownPass) {
  Decoding decoding;
  std::set<std::string_view> seen;
  for (const Isolator& isolator : isolators) {
    const std::string_view name = isolator.name;
    if (!isKnownIsolator(name)) {
      if (unknownPass) continue;
      return refuse(ErrorKind::Invalid, "E_ISOLATOR", "invalid isolator: " + airlock::quoted(name),
                    "this version cannot enforce it, so the app is not run without it");
    }
    if (seen.contains(name) && !mayRepeat(name)) {
      return bad("isolators set contains too many instances of type " + std::string(name));
    }
    if (!mayRepeat(name) && seen.contains(oppositeOf(name))) {
      return bad("isolators set contains incompatible types");
    }
    seen.insert(name);
    const Json value = TRY(inContext(parseJson(isolator.value, limits::kManifestBytes), name));
    TRY(decodeKnown(name, value, decoding));
  }
  decoding.app.capabilities = decoding.retained.value_or(kDefaultCapabilities) & ~decoding.removed;
  return std::move(decoding.app);
}

Isolator make(std::string_view name, const Json& value) {
  return {.name = std::string(name), .value = writeJson(value, JsonStyle::Compact), .known = true};
}
}  // namespace

bool isKnownIsolator(std::string_view name) {
  constexpr std::array<std::string_view, 15> known = {kMemory,
                                                      kCpu,
                                                      "resource/block-bandwidth",
                                                      "resource/block-iops",
                                                      "resource/network-bandwidth",
                                                      kCapsRetain,
                                                      kCapsRemove,
                                                      kSeccompRetain,
                                                      kSeccompRemove,
                                                      kNoNewPrivileges,
                                                      kOomScoreAdj,
                                                      kCpuShares,
                                                      kPidsLimit,
                                                      kSelinux,
                                                      kSysctl};
  return std::ranges::find(known, name) != known.end();
}

bool isSeccompGroup(std::string_view name) {
  constexpr std::array<std::string_view, 14> groups = {"@appc.io/all",
                                                       "@appc.io/empty",
                                                       "@docker/default-whitelist",
                                                       "@docker/default-blacklist",
                                                       "@rkt/default-whitelist",
                                                       "@rkt/default-blacklist",
                                                       "@systemd/clock",
                                                       "@systemd/default-whitelist",
                                                       "@systemd/mount",
                                                       "@systemd/network-io",
                                                       "@systemd/obsolete",
                                                       "@systemd/privileged",
                                                       "@systemd/process",
                                                       "@systemd/raw-io"};
  return std::ranges::find(groups, name) != groups.end();
}

Result<AppIsolators> decodeIsolators(std::span<const Isolator> isolators) {
  return decode(isolators, false);
}

Result<void> checkIsolators(std::span<const Isolator> isolators) {
  TRY(decode(isolators, true));
  return {};
}

Isolator memoryIsolator(const Quantity& limit) {
  return make(kMemory, Json{{"request", limit.text()}, {"limit", limit.text()}});
}
Isolator cpuIsolator(const Quantity& limit) {
  return make(kCpu, Json{{"request", limit.text()}, {"limit", limit.text()}});
}
Isolator cpuSharesIsolator(std::int64_t shares) { return make(kCpuShares, Json(shares)); }
Isolator pidsLimitIsolator(std::int64_t most) { return make(kPidsLimit, Json(most)); }
Isolator oomScoreAdjIsolator(std::int64_t score) { return make(kOomScoreAdj, Json(score)); }
Isolator noNewPrivilegesIsolator(bool on) { return make(kNoNewPrivileges, Json(on)); }

Isolator capabilitiesRetainIsolator(const std::vector<std::string>& names) {
  Json value;
  value["set"] = names;
  return make(kCapsRetain, value);
}
Isolator capabilitiesRemoveIsolator(const std::vector<std::string>& names) {
  Json value;
  value["set"] = names;
  return make(kCapsRemove, value);
}

Isolator seccompIsolator(const SeccompFilter& filter) {
  Json value;
  value["set"] = filter.names;
  if (!filter.errnoName.empty()) value["errno"] = filter.errnoName;
  return make(filter.mode == SeccompFilter::Mode::Retain ? kSeccompRetain : kSeccompRemove, value);
}

Isolator selinuxIsolator(const SelinuxContext& context) {
  Json value;
  value["user"] = context.user;
  value["role"] = context.role;
  value["type"] = context.type;
  value["level"] = context.level;
  return make(kSelinux, value);
}

void overrideIsolator(std::vector<Isolator>& isolators, Isolator isolator) {
  const std::string_view opposite = oppositeOf(isolator.name);
  std::erase_if(isolators, [&](const Isolator& other) {
    return other.name == isolator.name || other.name == opposite;
  });
  isolators.push_back(std::move(isolator));
}

}  // namespace airlock::image
