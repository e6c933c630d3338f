// SPDX-License-Identifier: Apache-2.0
// airlock-metadata: tells pods who they are (appc's metadata service).  Started by
// `airlock metadata-service` or a service manager; parses HTTP and manifests, and reaches nothing.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/accounts.h"
#include "base/log.h"
#include "metadata/confinement.h"
#include "metadata/listen.h"
#include "metadata/server.h"
#include "sandbox/confine.h"

namespace airlock::metadata {
namespace {

constexpr const char* kUsage =
    "usage: airlock-metadata --port=PORT --address=ADDRESS --socket=PATH\n";

struct Settings {
  std::uint16_t port = 18112;
  std::string address = "127.0.0.1";
  std::string socket = "/run/airlock/metadata-svc.sock";
};

std::optional<Settings> read(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    const std::size_t equals = argument.find('=');
    if (equals == argument.npos) return std::nullopt;
    const std::string value(argument.substr(equals + 1));
    const std::string_view name = argument.substr(0, equals);
    if (name == "--port") {
      const auto number = parseNumber(value);
      if (!number || *number > UINT16_MAX) return std::nullopt;
      settings.port = static_cast<std::uint16_t>(*number);
    } else if (name == "--address") {
      settings.address = value;
    } else if (name == "--socket") {
      settings.socket = value;
    } else {
      return std::nullopt;
    }
  }
  return settings;
}

Result<void> serve(const Settings& settings) {
  Fd registrations = TRY(listenForRegistrations(settings.socket));
  Fd pods = TRY(listenForPods(settings.address, settings.port));
  const std::uint16_t port = TRY(portOf(pods));
  // At all addresses of the host is at its loopback, too.
  const std::string host = settings.address == "0.0.0.0" ? "127.0.0.1" : settings.address;
  const std::string url = "http://" + host + ":" + std::to_string(port);
  const auto server = TRY(Server::make(std::move(pods), std::move(registrations), url));
  TRY(confine(server->descriptors()));
  log(LogLevel::Info, "metadata",
      "pods are answered at " + settings.address + ":" + std::to_string(port));
  return server->run();
}

}  // namespace
}  // namespace airlock::metadata

int main(int argc, char** argv) {
  airlock::sandbox::refuseEmptyArguments(argc);
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  const auto settings = airlock::metadata::read(argc, argv);
  if (!settings) {
    static_cast<void>(std::fputs(airlock::metadata::kUsage, stderr));
    return EXIT_FAILURE;
  }
  const auto served = airlock::metadata::serve(*settings);
  airlock::log(airlock::LogLevel::Error, "metadata", served.error().text());
  return EXIT_FAILURE;
}
