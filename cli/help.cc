// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/options.h"

namespace airlock::cli {

namespace {

constexpr std::string_view kGlobalOptions =
    "--authfile=\"\"\tcredentials for registries, and no others: a file as podman login writes it\n"
    "--debug\tlonger error texts\n"
    "--dir=\"/var/lib/airlock\"\tdata directory\n"
    "--help\tshow help\n"
    "--insecure-options=\"none\"\tcomma list of security features to do without: none, image, tls, "
    "ondisk, http, pubkey, "
    "capabilities, paths, seccomp, all-fetch, all-run, all\n"
    "--json\tprint for machines, errors too\n"
    "--local-config=\"/etc/airlock\"\tthe administrator's configuration\n"
    "--system-config=\"/usr/lib/airlock\"\tthe vendor's configuration\n"
    "--trust-keys-from-https\ttrust keys discovered over HTTPS without a review, where a prefix "
    "has none yet\n"
    "--user-config=\"\"\tthe user's configuration, for a store of its own\n";

// One TAB before each line; a flag stands six columns in, as its short form would precede it.
std::string indented(std::string_view lines, std::string_view before) {
  std::string text;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    text += '\t';
    text += before;
    text += lines.substr(0, end);
    text += '\n';
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return text;
}

// The commands that begin with `prefix`, one line each.
std::string listOf(std::span<const Command> commands, std::string_view prefix) {
  std::vector<std::pair<std::string, std::string>> lines;
  std::size_t widest = 0;
  for (const Command& command : commands) {
    if (!std::string_view(command.name).starts_with(prefix)) continue;
    lines.emplace_back(command.name, command.summary);
  }
  if (prefix.empty()) lines.emplace_back("help", "help about a command");
  for (const auto& [name, summary] : lines) widest = std::max(widest, name.size());
  std::string text;
  for (const auto& [name, summary] : lines)
    text += "\t" + name + std::string(widest - name.size(), ' ') + "\t" + summary + "\n";
  return text;
}

// With a capital and a full stop.
std::string sentence(std::string text) {
  const bool lower = text.front() >= 'a' && text.front() <= 'z';
  if (lower) text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text + ".";
}

}  // namespace

std::string generalHelp(std::span<const Command> commands) {
  const std::string& program = programName();
  return "NAME:\n\t" + program +
         " - a container engine that can say what ran, who vouched for it, and what it could "
         "touch\n\nUSAGE:\n\t" +
         program + " [command]\n\nVERSION:\n\t" + AIRLOCK_VERSION + "\n\nCOMMANDS:\n" +
         listOf(commands, "") + "\nOPTIONS:\n" + indented(kGlobalOptions, "      ");
}

std::string groupHelp(std::string_view group, std::span<const Command> commands) {
  const std::string name(group);
  return "NAME:\n\t" + name + " - a group of commands\n\nUSAGE:\n\t" + programName() + " " + name +
         " [command]\n\nCOMMANDS:\n" + listOf(commands, name + " ") + "\nGLOBAL OPTIONS:\n" +
         indented(kGlobalOptions, "      ");
}

std::string commandHelp(const Command& command, std::span<const Command> commands) {
  const std::string& program = programName();
  std::string text = "NAME:\n\t" + std::string(command.name) + " - " + command.summary +
                     "\n\nUSAGE:\n\t" + program + " " + command.name;
  if (std::string_view(command.usage).size() > 0) text += " " + std::string(command.usage);
  text += "\n\nDESCRIPTION:\n\t" + sentence(command.summary) + "\n";
  if (std::string_view(command.help).size() > 0)
    text += "\nOPTIONS:\n" + indented(command.help, "      ");
  const std::string longer = listOf(commands, std::string(command.name) + " ");
  if (!longer.empty()) text += "\nCOMMANDS:\n" + longer;
  return text + "\nGLOBAL OPTIONS:\n" + indented(kGlobalOptions, "      ");
}

}  // namespace airlock::cli
