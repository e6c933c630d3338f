// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_declarations.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "cli/in_message.h"
#include "cli/stage1_choice.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

bool isAddress(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

Result<std::pair<std::string, std::string>> parsePair(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return badFlag("it must be specified as key=value");
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<void> addAnnotation(std::vector<image::Annotation>& annotations, const std::string& value) {
  auto [name, content] = TRY(parsePair(value));
  TRY(image::checkIdentifier(name));
  const auto there = std::ranges::find(annotations, name, &image::Annotation::name);
  if (there != annotations.end())
    return badFlag("annotation " + airlock::quoted(name) + " is given twice");
  annotations.push_back({std::move(name), std::move(content)});
  return {};
}

Result<void> addEntry(std::map<std::string, std::string>& entries, const std::string& value) {
  auto [key, content] = TRY(parsePair(value));
  if (!entries.emplace(key, std::move(content)).second)
    return badFlag(airlock::quoted(key) + " is given twice");
  return {};
}

}  // namespace

Result<image::ExposedPort> parsePort(const std::string& text) {
  const std::size_t colon = text.find(':');
  const std::size_t last = text.rfind(':');
  const auto badSyntax = [&] {
    return badFlag(airlock::quoted(text) + " is not in name:[ip:]port format");
  };
  if (colon == std::string::npos) return badSyntax();
  const std::string name = text.substr(0, colon);
  auto parsed = AppName::parse(name);
  if (!parsed) return badFlag(airlock::quoted(name) + " is not a valid port name");
  image::ExposedPort port{.name = *parsed};
  if (last != colon) {
    port.hostIp = text.substr(colon + 1, last - colon - 1);
    if (port.hostIp.starts_with('[') && port.hostIp.ends_with(']'))
      port.hostIp = port.hostIp.substr(1, port.hostIp.size() - 2);
    if (!isAddress(port.hostIp)) return badSyntax();
  }
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + last + 1, end, port.hostPort);
  if (error != std::errc() || stop != end || port.hostPort == 0) return badSyntax();
  return port;
}

void addDeclarations(FlagSet& flags, PodArguments& pod) {
  flags.value("port", [&pod](const std::string& value) -> Result<void> {
    pod.ports.push_back(TRY(parsePort(value)));
    return {};
  });
  flags.value("pod-name", [&pod](const std::string& value) -> Result<void> {
    pod.podName = TRY(AppName::parse(value));
    return {};
  });
  flags.value("annotation", [&pod](const std::string& value) {
    return addAnnotation(pod.apps.empty() ? pod.annotations : pod.apps.back().annotations, value);
  });
  flags.value("user-annotation", [&pod](const std::string& value) {
    return addEntry(pod.apps.empty() ? pod.userAnnotations : pod.apps.back().userAnnotations,
                    value);
  });
  flags.value("user-label", [&pod](const std::string& value) {
    return addEntry(pod.apps.empty() ? pod.userLabels : pod.apps.back().userLabels, value);
  });
}

void addChoices(FlagSet& flags, PodArguments& pod) {
  for (const char* name : {"stage1-url", "stage1-path", "stage1-name", "stage1-from-dir",
                           "stage1-image", "stage1-hash"}) {
    flags.value(name, [&pod, name](const std::string& value) -> Result<void> {
      if (!pod.stage1.empty())
        return badFlag("flags --" + pod.stage1 + " and --" + name + " are mutually exclusive");
      pod.stage1 = name;
      if (isOurStage1(value)) return {};
      return refuse(ErrorKind::Unsupported, "E_STAGE1",
                    "stage1 " + airlock::quoted(value) + " is not part of this version",
                    "Leave --" + std::string(name) + " out: the stage1 is stage1-container");
    });
  }
  for (const char* name : {"no-overlay", "no-overlayfs"}) {
    flags.optionalValue(name, "true", [&pod](const std::string& value) -> Result<void> {
      const auto wanted = parseBoolean(value);
      if (!wanted) return badFlag("it is neither true nor false");
      pod.noOverlay = *wanted;
      return {};
    });
  }
  // Every pod has users of its own, with or without it.
  flags.optionalValue("private-users", "true", [](const std::string& value) -> Result<void> {
    if (!parseBoolean(value)) return badFlag("it is neither true nor false");
    return {};
  });
}

void addIpcFlag(FlagSet& flags) {
  flags.value("ipc", [](const std::string& value) -> Result<void> {
    if (value == "auto" || value == "private") return {};
    if (value != "parent") return badFlag("it is auto, private or parent");
    return refuse(
        ErrorKind::Unsupported, "E_FLAG",
        "--ipc=parent would let the pod at the shared memory and message queues of the host",
        "Leave it out: the apps of a pod share theirs");
  });
}

}  // namespace airlock::cli
