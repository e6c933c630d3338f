// SPDX-License-Identifier: Apache-2.0
#include "image/manifest_json.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/types.h"

namespace airlock::image {

namespace {
constexpr std::int64_t kHighestGid =
    std::numeric_limits<std::uint32_t>::max() - 1;  // -1 means none

// A {"name": …, "value": …} list under any of its three meanings.
template <class Pair>
Result<std::vector<Pair>> readPairs(const ObjectReader& object, std::string_view key,
                                    std::size_t most) {
  return object.list<Pair>(key, most, [](const Json& json, std::string where) -> Result<Pair> {
    const ObjectReader pair = TRY(ObjectReader::of(json, std::move(where)));
    Pair result;
    result.name = TRY(pair.text("name"));
    result.value = TRY(pair.text("value"));
    return result;
  });
}

template <class Pair>
Json writePairs(const std::vector<Pair>& pairs) {
  Json array = Json::array();
  for (const Pair& pair : pairs) array.push_back({{"name", pair.name}, {"value", pair.value}});
  return array;
}

Result<void> checkAnnotation(const Annotation& annotation) {
  TRY(checkIdentifier(annotation.name));
  if (annotation.name == "created") return checkDate(annotation.value);
  if (annotation.name == "homepage" || annotation.name == "documentation") {
    return checkWebUrl(annotation.value);
  }
  return {};
}

Result<EventHandler> readEventHandler(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  EventHandler handler;
  handler.name = TRY(object.text("name"));
  handler.exec = TRY(object.textList("exec", limits::kArguments));
  return handler;
}

Result<MountPoint> readMountPoint(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  MountPoint point{.name = TRY(readAppName(object, "name")), .path = {}, .readOnly = false};
  point.path = TRY(object.text("path"));
  point.readOnly = TRY(object.boolean("readOnly"));
  return point;
}

Result<std::vector<std::uint32_t>> readGids(const ObjectReader& object, std::string_view key) {
  return object.list<std::uint32_t>(
      key, limits::kArguments,
      [](const Json& value, const std::string& where) -> Result<std::uint32_t> {
        if (!value.is_number_integer()) return refuseField(where, "must be a whole number");
        const auto gid = value.get<std::int64_t>();
        if (gid < 0 || gid > kHighestGid) return refuseField(where, "is not a group id");
        return static_cast<std::uint32_t>(gid);
      });
}

Result<void> checkEventHandlers(const std::vector<EventHandler>& handlers) {
  std::set<std::string_view> seen;
  for (const EventHandler& handler : handlers) {
    if (handler.name != "pre-start" && handler.name != "post-stop") {
      return refuseField("eventHandlers", "bad eventHandler name " + airlock::quoted(handler.name));
    }
    if (!seen.insert(handler.name).second) {
      return refuseField("eventHandlers",
                         "Only one eventHandler of name \"" + handler.name + "\" allowed");
    }
    if (handler.exec.empty()) return refuseField("eventHandlers", "Exec cannot be empty");
  }
  return {};
}

Result<void> checkEnvironment(const std::vector<EnvironmentVariable>& environment) {
  std::set<std::string_view> seen;
  for (const EnvironmentVariable& variable : environment) {
    TRY(inContext(checkEnvironmentName(variable.name), "environment"));
    if (!seen.insert(variable.name).second) {
      return refuseField("environment", "duplicate environment variable of name " +
                                            airlock::quoted(variable.name));
    }
  }
  return {};
}

Result<void> checkMountPoints(const std::vector<MountPoint>& points) {
  std::set<std::string_view> seen;
  for (const MountPoint& point : points) {
    if (point.path.empty()) return refuseField("mountPoints", "path must be set");
    if (point.path.size() > limits::kPathBytes) return refuseField("mountPoints", "path too long");
    if (!seen.insert(point.name.text()).second) {
      return refuseField("mountPoints",
                         "duplicate mount point of name " + airlock::quoted(point.name.text()));
    }
  }
  return {};
}

Result<void> checkPorts(const std::vector<Port>& ports) {
  std::set<std::string_view> seen;
  for (const Port& port : ports) {
    if (port.port < 1) return refuseField("ports", "port must be in 1-65535 range");
    if (port.count < 1 || port.port + port.count > 65536) {
      return refuseField("ports", "end of port range must be in 1-65535 range");
    }
    TRY(inContext(AppName::parse(port.protocol), "ports: protocol"));
    if (!seen.insert(port.name.text()).second) {
      return refuseField("ports", "duplicate port of name " + airlock::quoted(port.name.text()));
    }
  }
  return {};
}
}  // namespace

Result<std::string> readHeader(const ObjectReader& object, std::string_view kind) {
  const std::string acKind = TRY(object.text("acKind"));
  if (acKind != kind) {
    return refuseField("", "missing or bad ACKind (must be \"" + std::string(kind) + "\")");
  }
  std::string version = TRY(object.text("acVersion"));
  TRY(checkSemVer(version));
  return version;
}

Result<ImageName> readImageName(const ObjectReader& object, std::string_view key) {
  const std::string text = TRY(object.text(key));
  return inContext(ImageName::parse(text), object.at(key));
}

Result<AppName> readAppName(const ObjectReader& object, std::string_view key) {
  const std::string text = TRY(object.text(key));
  return inContext(AppName::parse(text), object.at(key));
}

Result<std::vector<Label>> readLabels(const ObjectReader& object, std::string_view key) {
  std::vector<Label> labels = TRY(readPairs<Label>(object, key, limits::kLabels));
  TRY(inContext(checkLabels(labels), object.at(key)));
  return labels;
}

Result<std::vector<Annotation>> readAnnotations(const ObjectReader& object, std::string_view key) {
  std::vector<Annotation> annotations =
      TRY(readPairs<Annotation>(object, key, limits::kAnnotations));
  std::set<std::string_view> seen;
  for (const Annotation& annotation : annotations) {
    TRY(inContext(checkAnnotation(annotation), object.at(key)));
    if (!seen.insert(annotation.name).second) {
      return refuseField(object.at(key),
                         "duplicate annotations of name " + airlock::quoted(annotation.name));
    }
  }
  return annotations;
}

Result<std::vector<Isolator>> readIsolators(const ObjectReader& object, std::string_view key) {
  const auto read = [](const Json& json, std::string where) -> Result<Isolator> {
    const ObjectReader reader = TRY(ObjectReader::of(json, std::move(where)));
    Isolator isolator;
    isolator.name = TRY(reader.text("name"));
    TRY(inContext(checkIdentifier(isolator.name), reader.at("name")));
    const Json* value = reader.find("value");
    isolator.value = value == nullptr ? "null" : writeJson(*value, JsonStyle::Compact);
    isolator.known = isKnownIsolator(isolator.name);
    return isolator;
  };
  std::vector<Isolator> isolators = TRY(object.list<Isolator>(key, limits::kLabels, read));
  TRY(inContext(checkIsolators(isolators), object.at(key)));
  return isolators;
}

Result<Port> readPort(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  Port port{.name = TRY(readAppName(object, "name")), .protocol = {}};
  port.protocol = TRY(object.text("protocol"));
  port.port = static_cast<std::uint16_t>(TRY(object.integer("port", 0, 65535)).value_or(0));
  const std::int64_t count = TRY(object.integer("count", 0, 65535)).value_or(0);
  port.count = static_cast<std::uint16_t>(std::max<std::int64_t>(count, 1));
  port.socketActivated = TRY(object.boolean("socketActivated"));
  TRY(inContext(checkPorts({port}), object.where()));
  return port;
}

Result<App> readApp(const Json& value, std::string where) {
  const ObjectReader object = TRY(ObjectReader::of(value, std::move(where)));
  App app;
  app.exec = TRY(object.textList("exec", limits::kArguments));
  app.eventHandlers = TRY(object.list<EventHandler>("eventHandlers", 2, readEventHandler));
  app.user = TRY(object.text("user"));
  app.group = TRY(object.text("group"));
  app.supplementaryGids = TRY(readGids(object, "supplementaryGIDs"));
  app.workingDirectory = TRY(object.text("workingDirectory"));
  app.environment =
      TRY(readPairs<EnvironmentVariable>(object, "environment", limits::kEnvironment));
  app.mountPoints = TRY(object.list<MountPoint>("mountPoints", limits::kMounts, readMountPoint));
  app.ports = TRY(object.list<Port>("ports", limits::kLabels, readPort));
  app.isolators = TRY(readIsolators(object, "isolators"));
  app.userAnnotations = TRY(object.textMap("userAnnotations"));
  app.userLabels = TRY(object.textMap("userLabels"));
  TRY(inContext(checkApp(app), object.where()));
  return app;
}

Result<void> checkApp(const App& app) {
  if (app.user.empty()) return refuseField("", "user is required");
  if (app.group.empty()) return refuseField("", "group is required");
  if (!app.workingDirectory.empty() && app.workingDirectory.front() != '/') {
    return refuseField("", "workingDirectory must be an absolute path");
  }
  if (app.workingDirectory.size() > limits::kPathBytes) {
    return refuseField("", "workingDirectory is too long");
  }
  TRY(checkEventHandlers(app.eventHandlers));
  TRY(checkEnvironment(app.environment));
  TRY(checkMountPoints(app.mountPoints));
  TRY(checkPorts(app.ports));
  return checkIsolators(app.isolators);
}

Json writeLabels(const std::vector<Label>& labels) { return writePairs(labels); }
Json writeAnnotations(const std::vector<Annotation>& annotations) {
  return writePairs(annotations);
}

Json writeIsolators(const std::vector<Isolator>& isolators) {
  Json array = Json::array();
  for (const Isolator& isolator : isolators) {
    Result<Json> value = parseJson(isolator.value, limits::kManifestBytes);
    array.push_back(
        {{"name", isolator.name}, {"value", value ? std::move(*value) : Json(nullptr)}});
  }
  return array;
}

Json writePort(const Port& port) {
  Json json;
  json["name"] = port.name.text();
  json["protocol"] = port.protocol;
  json["port"] = port.port;
  json["count"] = port.count;
  json["socketActivated"] = port.socketActivated;
  return json;
}

Json writeApp(const App& app) {
  Json json;
  json["exec"] = app.exec;
  for (const EventHandler& handler : app.eventHandlers) {
    json["eventHandlers"].push_back({{"name", handler.name}, {"exec", handler.exec}});
  }
  json["user"] = app.user;
  json["group"] = app.group;
  if (!app.supplementaryGids.empty()) json["supplementaryGIDs"] = app.supplementaryGids;
  if (!app.workingDirectory.empty()) json["workingDirectory"] = app.workingDirectory;
  if (!app.environment.empty()) json["environment"] = writePairs(app.environment);
  for (const MountPoint& point : app.mountPoints) {
    Json entry{{"name", point.name.text()}, {"path", point.path}};
    if (point.readOnly) entry["readOnly"] = true;
    json["mountPoints"].push_back(std::move(entry));
  }
  for (const Port& port : app.ports) json["ports"].push_back(writePort(port));
  if (!app.isolators.empty()) json["isolators"] = writeIsolators(app.isolators);
  if (!app.userAnnotations.empty()) json["userAnnotations"] = app.userAnnotations;
  if (!app.userLabels.empty()) json["userLabels"] = app.userLabels;
  return json;
}

}  // namespace airlock::image
