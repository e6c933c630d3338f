// SPDX-License-Identifier: Apache-2.0
#include "image/oci_config.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "base/limits.h"
#include "base/log.h"
#include "image/json.h"
#include "image/json_reader.h"
#include "image/oci_manifest.h"
#include "image/types.h"

namespace airlock::image {

namespace {

// An AC Identifier of any text, as docker2aci makes them: lower case, '-' for what is not allowed.
std::string sanitized(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool allowed = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
    if (allowed) {
      result += lower;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  while (result.ends_with('-')) result.pop_back();
  return result;
}

Result<std::vector<MountPoint>> mountPointsOf(const ObjectReader& config) {
  std::vector<MountPoint> points;
  const Json* volumes = config.find("Volumes");
  if (volumes == nullptr) return points;
  if (!volumes->is_object()) return refuseField(config.at("Volumes"), "must be an object");
  std::set<std::string> paths;
  for (const auto& item : volumes->items()) paths.insert(item.key());
  std::set<std::string> names;
  for (const std::string& path : paths) {
    if (!path.starts_with('/') || path == "/")
      return refuseField(config.at("Volumes"),
                         "has " + airlock::quoted(path) + ", no absolute path");
    const std::string base = sanitized("volume" + path);
    std::string name = base;
    for (int i = 1; !names.insert(name).second; ++i) name = base + "-" + std::to_string(i);
    points.push_back({.name = TRY(AppName::parse(name)), .path = path, .readOnly = false});
  }
  return points;
}

std::optional<std::uint16_t> portNumber(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

// "80", "80/tcp", "8000-8010/udp".
Result<std::vector<Port>> portsOf(const ObjectReader& config) {
  std::vector<Port> ports;
  const Json* exposed = config.find("ExposedPorts");
  if (exposed == nullptr) return ports;
  if (!exposed->is_object()) return refuseField(config.at("ExposedPorts"), "must be an object");
  std::map<std::string, Port> byName;
  for (const auto& item : exposed->items()) {
    const std::string_view text = item.key();
    const std::size_t slash = std::min(text.find('/'), text.size());
    const std::string_view range = text.substr(0, slash);
    const std::string protocol(slash == text.size() ? "tcp" : text.substr(slash + 1));
    const std::size_t dash = std::min(range.find('-'), range.size());
    const auto first = portNumber(range.substr(0, dash));
    const auto last = dash == range.size() ? first : portNumber(range.substr(dash + 1));
    const bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
    if (!first || !last || *last < *first || !known)
      return refuseField(config.at("ExposedPorts"), "has " + airlock::quoted(text) + ", no port");
    const std::string name = std::string(range) + "-" + protocol;
    byName.emplace(name, Port{.name = TRY(AppName::parse(name)),
                              .protocol = protocol,
                              .port = *first,
                              .count = static_cast<std::uint16_t>(*last - *first + 1),
                              .socketActivated = false});
  }
  for (auto& [name, port] : byName) ports.push_back(std::move(port));
  return ports;
}

// The last one of a name counts, as it does to every program that looks for it.
Result<std::vector<EnvironmentVariable>> environmentOf(const ObjectReader& config) {
  std::vector<EnvironmentVariable> environment;
  for (const std::string& entry : TRY(config.textList("Env", limits::kEnvironment))) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string::npos || !checkEnvironmentName(entry.substr(0, equals))) continue;
    EnvironmentVariable variable{entry.substr(0, equals), entry.substr(equals + 1)};
    const auto same = std::ranges::find(environment, variable.name, &EnvironmentVariable::name);
    if (same == environment.end()) {
      environment.push_back(std::move(variable));
    } else {
      same->value = std::move(variable.value);
    }
  }
  return environment;
}

void setUser(App& app, const std::string& text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  app.user = text.substr(0, colon);
  app.group = colon == text.size() ? "" : text.substr(colon + 1);
  if (app.user.empty()) app.user = "0";
  if (app.group.empty()) app.group = text.empty() ? "0" : "@user";
}

Result<App> appOf(const ObjectReader& config) {
  App app;
  app.exec = TRY(config.textList("Entrypoint", limits::kArguments));
  for (std::string& argument : TRY(config.textList("Cmd", limits::kArguments)))
    app.exec.push_back(std::move(argument));
  setUser(app, TRY(config.text("User")));
  app.workingDirectory = TRY(config.text("WorkingDir"));
  if (!app.workingDirectory.empty() && !app.workingDirectory.starts_with('/'))
    app.workingDirectory.insert(0, "/");
  app.environment = TRY(environmentOf(config));
  app.mountPoints = TRY(mountPointsOf(config));
  app.ports = TRY(portsOf(config));
  app.userLabels = TRY(config.textMap("Labels"));
  const std::string stopSignal = TRY(config.text("StopSignal"));
  if (!stopSignal.empty()) app.userAnnotations.emplace(kStopSignalAnnotation, stopSignal);
  if (const Json* health = config.find("Healthcheck"))
    app.userAnnotations.emplace(kHealthcheckAnnotation, writeJson(*health, JsonStyle::Compact));
  return app;
}

std::string jsonOf(const std::vector<std::string>& list) {
  return writeJson(Json(list), JsonStyle::Compact);
}

void annotate(ImageManifest& manifest, std::string name, std::string value) {
  if (!value.empty()) manifest.annotations.push_back({std::move(name), std::move(value)});
}

// Whole seconds: what appc's dates are compared by.
std::string createdOf(std::string text) {
  const bool isDate = checkDate(text).has_value();
  return isDate && !text.starts_with("0001-") ? text : "";
}

}  // namespace

Result<void> checkInIndex(std::string_view index, const OciDigest& manifest) {
  const OciDocument document = TRY(parseOciDocument(index, ""));
  const auto* list = std::get_if<OciIndex>(&document);
  if (list != nullptr &&
      std::ranges::find(list->manifests, manifest, &OciDescriptor::digest) != list->manifests.end())
    return {};
  return refuse(ErrorKind::Invalid, "E_DIGEST", "the index does not name the manifest of the image",
                "Fetch it again; if that does not help, tell its publisher");
}

Result<ImageManifest> appcManifestOf(const ImageName& name, const std::vector<Label>& labels,
                                     const OciDigest& manifest, std::string_view config,
                                     std::size_t layers) {
  const Json whole = TRY(parseJson(config, limits::kOciConfigBytes));
  const ObjectReader object = TRY(ObjectReader::of(whole, ""));
  ImageManifest result{.acVersion = std::string(kAppcVersion),
                       .name = name,
                       .labels = labels,
                       .app = {},
                       .annotations = {},
                       .dependencies = {},
                       .pathWhitelist = {}};
  for (const Label& label : TRY(platformLabels(TRY(readOciConfig(config, layers))))) {
    std::erase_if(result.labels, [&](const Label& one) { return one.name == label.name; });
    result.labels.push_back(label);
  }
  const Json* inner = object.find("config");
  const Json none = Json::object();
  const ObjectReader settings = TRY(ObjectReader::of(inner == nullptr ? none : *inner, "config"));
  result.app = TRY(appOf(settings));
  annotate(result, "authors", TRY(object.text("author")));
  annotate(result, "created", createdOf(TRY(object.text("created"))));
  annotate(result, "appc.io/docker/manifesthash", ociText(manifest));
  annotate(result, "appc.io/docker/entrypoint",
           jsonOf(TRY(settings.textList("Entrypoint", limits::kArguments))));
  annotate(result, "appc.io/docker/cmd", jsonOf(TRY(settings.textList("Cmd", limits::kArguments))));
  TRY(checkApp(*result.app));
  return result;
}

Result<std::uint8_t> signalNumber(std::string_view text) {
  const auto parsed = [](std::string_view digits) {
    int value = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() ? value : -1;
  };
  std::string_view name = text;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  int number = parsed(text);
  if (name == "RTMIN") number = SIGRTMIN;
  if (name == "RTMAX") number = SIGRTMAX;
  const int offset = name.size() > 6 ? parsed(name.substr(6)) : -1;
  if (name.starts_with("RTMIN+") && offset >= 0) number = SIGRTMIN + offset;
  if (name.starts_with("RTMAX-") && offset >= 0) number = SIGRTMAX - offset;
  for (int each = 1; each < SIGRTMIN; ++each) {
    const char* known = ::sigabbrev_np(each);
    if (known != nullptr && name == known) number = each;
  }
  const bool realtime = name.starts_with("RT");
  if (number < (realtime ? SIGRTMIN : 1) || number > SIGRTMAX)
    return refuse(ErrorKind::Invalid, "E_SIGNAL", printable(text) + " is no signal");
  return static_cast<std::uint8_t>(number);
}

}  // namespace airlock::image
