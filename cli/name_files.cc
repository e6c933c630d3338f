// SPDX-License-Identifier: Apache-2.0
#include "cli/name_files.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/in_message.h"

namespace airlock::cli {

namespace {

constexpr const char* kResolvConf = "/etc/resolv.conf";
// The servers that systemd-resolved's stub asks (systemd-resolved.service(8)).
constexpr const char* kBehindStub = "/run/systemd/resolve/resolv.conf";
constexpr std::size_t kDomainBytes = 253;

bool isAddress(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

// A name, an option: nothing that could begin another word or line.
Result<void> checkWord(const std::string& text) {
  const bool plain = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (!text.empty() && text.size() <= kDomainBytes && plain && text.front() != '#') return {};
  return badFlag(airlock::quoted(text) + " cannot stand in such a file");
}

Result<void> setDns(NameFiles& files, NameFiles::Dns dns) {
  if (files.dns != NameFiles::Dns::Usual && files.dns != dns) {
    return badFlag("\"host\" and \"none\" go with no other dns option");
  }
  files.dns = dns;
  return {};
}

Result<void> addDns(NameFiles& files, const std::string& value) {
  if (value == "host") return setDns(files, NameFiles::Dns::Host);
  if (value == "none") return setDns(files, NameFiles::Dns::None);
  TRY(setDns(files, NameFiles::Dns::Given));
  for (const std::string& server : splitText(value, ',')) {
    if (!isAddress(server)) return badFlag("invalid IP address " + airlock::quoted(server));
    files.servers.push_back(server);
  }
  return {};
}

Result<void> addHosts(NameFiles& files, const std::string& value) {
  for (const std::string& entry : splitText(value, ',')) {
    if (entry == "host") {
      files.hostsOfHost = true;
    } else {
      const std::size_t equals = entry.find('=');
      if (equals == std::string::npos) return badFlag("it is IP=NAME[,IP=NAME…] or \"host\"");
      const std::string address = entry.substr(0, equals);
      if (!isAddress(address)) return badFlag("invalid IP address " + airlock::quoted(address));
      TRY(checkWord(entry.substr(equals + 1)));
      files.hosts.emplace_back(address, entry.substr(equals + 1));
    }
    if (files.hostsOfHost && !files.hosts.empty())
      return badFlag("cannot pass both 'host' and other entries");
  }
  return {};
}

Result<std::string> readHost(const char* path) {
  const Fd file = TRY(sys::openPath(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  return inMessage(sys::readAll(file, limits::kGivenFileBytes), path);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += " " + word;
  return text;
}

std::string madeOf(const NameFiles& files) {
  std::string text;
  if (!files.domain.empty()) text += "domain " + files.domain + "\n";
  if (!files.search.empty()) text += "search" + joined(files.search) + "\n";
  for (const std::string& server : files.servers) text += "nameserver " + server + "\n";
  if (!files.options.empty()) text += "options" + joined(files.options) + "\n";
  return text;
}

Result<ipc::GivenFile> withContent(ipc::GivenFile::Rule rule, std::string content) {
  if (content.size() > limits::kGivenFileBytes) return badFlag("there are too many of them");
  return ipc::GivenFile{rule, std::move(content)};
}

}  // namespace

void addNameFlags(FlagSet& flags, NameFiles& files) {
  flags.value("dns", [&files](const std::string& value) { return addDns(files, value); });
  const auto words = [&](const char* name, std::vector<std::string> NameFiles::*list) {
    flags.value(name, [&files, list](const std::string& value) -> Result<void> {
      TRY(setDns(files, NameFiles::Dns::Given));
      for (const std::string& word : splitText(value, ',')) {
        TRY(checkWord(word));
        (files.*list).push_back(word);
      }
      return {};
    });
  };
  words("dns-search", &NameFiles::search);
  words("dns-opt", &NameFiles::options);
  flags.value("dns-domain", [&files](const std::string& value) -> Result<void> {
    TRY(setDns(files, NameFiles::Dns::Given));
    TRY(checkWord(value));
    files.domain = value;
    return {};
  });
  flags.value("hosts-entry", [&files](const std::string& value) { return addHosts(files, value); });
}

bool namesLoopbackAlone(const std::string& text) {
  bool any = false;
  for (const std::string& line : splitText(text, '\n')) {
    constexpr std::string_view key = "nameserver";
    if (!line.starts_with(key)) continue;
    const std::size_t at = line.find_first_not_of(" \t", key.size());
    if (at == std::string::npos) continue;
    const std::string server = line.substr(at, line.find_first_of(" \t", at) - at);
    if (!server.starts_with("127.") && server != "::1") return false;
    any = true;
  }
  return any;
}

Result<ipc::GivenFile> resolvConfOf(const NameFiles& files, ipc::Network network) {
  using Rule = ipc::GivenFile::Rule;
  switch (files.dns) {
    case NameFiles::Dns::Usual:
      return ipc::GivenFile{};
    case NameFiles::Dns::None:
      return ipc::GivenFile{.rule = Rule::None, .content = {}};
    case NameFiles::Dns::Given:
      return withContent(Rule::Replace, madeOf(files));
    case NameFiles::Dns::Host:
      break;
  }
  std::string text = TRY(readHost(kResolvConf));
  if (network != ipc::Network::Host && namesLoopbackAlone(text)) {
    if (auto behind = readHost(kBehindStub)) text = *std::move(behind);
  }
  return withContent(Rule::Replace, std::move(text));
}

Result<ipc::GivenFile> hostsOf(const NameFiles& files) {
  using Rule = ipc::GivenFile::Rule;
  if (files.hostsOfHost) return withContent(Rule::Replace, TRY(readHost("/etc/hosts")));
  std::string lines;
  for (const auto& [address, name] : files.hosts) lines += address + "\t" + name + "\n";
  if (lines.empty()) return ipc::GivenFile{};
  return withContent(Rule::Add, std::move(lines));
}

}  // namespace airlock::cli
