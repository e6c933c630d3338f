// SPDX-License-Identifier: Apache-2.0
#include "cli/options.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/log.h"
#include "cli/own_paths.h"

namespace airlock::cli {

namespace {

std::string& nameOfProgram() {
  static std::string name = "airlock";
  return name;
}

std::unexpected<Error> usage(std::string message) {
  return refuse(ErrorKind::Invalid, "E_USAGE", std::move(message),
                "See " + programName() + " help");
}

Result<bool> truth(const std::string& name, const std::string& value) {
  if (value.empty() || value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return usage("--" + name + " takes true or false, not " + quoted(value));
}

std::vector<Flag> globalFlags(CommandLine& line) {
  Options& options = line.options;
  return {
      {"dir", Flag::Value::Required,
       [&](const std::string& value) -> Result<void> {
         options.dir = value;
         options.dirGiven = true;
         return {};
       }},
      textFlag("local-config", options.localConfig),
      textFlag("system-config", options.systemConfig),
      textFlag("user-config", options.userConfig),
      {"insecure-options", Flag::Value::Required,
       [&](const std::string& value) -> Result<void> {
         options.insecure = TRY(parseInsecure(value));
         return {};
       }},
      {"insecure-skip-verify", Flag::Value::None,
       [&](const std::string& value) -> Result<void> {
         if (TRY(truth("insecure-skip-verify", value)))
           options.insecure = TRY(parseInsecure("all-fetch"));
         return {};
       }},
      textFlag("authfile", options.authFile),
      boolFlag("debug", options.debug),
      boolFlag("trust-keys-from-https", options.trustKeysFromHttps),
      boolFlag("json", options.json),
      boolFlag("help", line.help),
      boolFlag("h", line.help),
  };
}

struct Split {
  std::string name;
  std::optional<std::string> value;
};
// std::nullopt: an operand ("-" alone is one too).
std::optional<Split> splitFlag(const std::string& word) {
  if (word.size() < 2 || word[0] != '-' || word == "--" || word == "---") return std::nullopt;
  std::string body = word.substr(word.starts_with("--") ? 2 : 1);
  const std::size_t equals = body.find('=');
  if (equals == std::string::npos) return Split{body, std::nullopt};
  return Split{body.substr(0, equals), body.substr(equals + 1)};
}

// Applies the flag at `index`; false when no flag of the list has its name.  Moves on over a value
// of its own.
Result<bool> applyFlag(const std::vector<std::string>& words, std::size_t& index,
                       const Split& split, const std::vector<Flag>& flags) {
  const auto flag = std::ranges::find(flags, split.name, &Flag::name);
  if (flag == flags.end()) return false;
  std::string value = split.value.value_or("");
  if (flag->value == Flag::Value::Required && !split.value) {
    if (index + 1 >= words.size()) return usage("--" + split.name + " needs a value");
    value = words[++index];
  }
  TRY(flag->set(value));
  return true;
}

std::vector<std::string> wordsOf(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::size_t distance(std::string_view one, std::string_view other) {
  std::vector<std::size_t> row(other.size() + 1);
  for (std::size_t j = 0; j <= other.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= one.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const std::size_t cost = diagonal + (one[i - 1] == other[j - 1] ? 0U : 1U);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, cost});
    }
  }
  return row.back();
}

std::unexpected<Error> unknownVerb(std::span<const Command> commands, const std::string& asked) {
  constexpr std::size_t farthest = 3;
  std::string nearest;
  std::size_t best = farthest;
  for (const Command& command : commands) {
    for (const std::string& name : {std::string(command.name), wordsOf(command.name).front()}) {
      const std::size_t steps = distance(asked, name);
      if (steps < best) {
        best = steps;
        nearest = name;
      }
    }
  }
  return refuse(ErrorKind::Invalid, "E_VERB",
                "unknown command " + quoted(asked) + " for \"" + programName() + "\"",
                nearest.empty() ? "" : "Did you mean \"" + nearest + "\"?");
}

// The first word of several commands, and no command itself.
bool isGroup(std::span<const Command> commands, const std::string& word) {
  const auto begins = [&](const Command& command) {
    return std::string_view(command.name).starts_with(word + " ");
  };
  return std::ranges::any_of(commands, begins) &&
         std::ranges::find(commands, std::string_view(word), &Command::name) == commands.end();
}

struct Alias {
  const char* name;
  const char* command;
};
constexpr Alias kAliases[] = {{"images", "image list"},
                              {"rmimage", "image rm"},
                              {"image fetch", "fetch"},
                              {"pull", "fetch"},
                              {"ps", "list"}};

// The command that the first words name, and how many words that took; nullptr and 0 when there is
// none.
Result<std::pair<const Command*, std::size_t>> findCommand(std::span<const Command> commands,
                                                           const std::vector<std::string>& words) {
  for (const Alias& alias : kAliases) {
    const auto command =
        std::ranges::find(commands, std::string_view(alias.command), &Command::name);
    const std::vector<std::string> name = wordsOf(alias.name);
    const auto [rest, unused] = std::ranges::mismatch(name, words);
    if (rest == name.end() && command != commands.end()) return std::pair(&*command, name.size());
  }
  std::vector<const Command*> left;
  for (const Command& command : commands) left.push_back(&command);
  for (std::size_t level = 0;; ++level) {
    const std::string asked = level < words.size() ? words[level] : "";
    std::vector<const Command*> exact;
    std::vector<const Command*> starting;
    for (const Command* command : left) {
      const std::vector<std::string> name = wordsOf(command->name);
      if (level >= name.size()) continue;
      if (name[level] == asked) exact.push_back(command);
      if (!asked.empty() && name[level].starts_with(asked)) starting.push_back(command);
    }
    std::string all;
    for (std::size_t i = 0; i <= level && i < words.size(); ++i)
      all += (i == 0 ? "" : " ") + words[i];
    if (asked.empty()) {
      std::string known;
      for (const Command* command : left)
        known += (known.empty() ? "" : ", ") + std::string(command->name);
      return refuse(ErrorKind::Invalid, "E_VERB", quoted(all) + " is not a whole command",
                    "There are: " + known);
    }
    if (exact.empty() && starting.empty()) return unknownVerb(commands, all);
    left = exact.empty() ? starting : exact;
    const auto firstWord = [&](const Command* command) { return wordsOf(command->name)[level]; };
    for (const Command* command : left) {
      if (firstWord(command) == firstWord(left.front())) continue;
      return refuse(
          ErrorKind::Invalid, "E_VERB",
          quoted(all) + " can be \"" + left.front()->name + "\" or \"" + command->name + "\"",
          "Write more of it");
    }
    // A verb that is complete beside longer ones ("trust" and "trust list") is meant when no longer
    // one fits.
    const auto complete = std::ranges::find_if(
        left, [&](const Command* command) { return wordsOf(command->name).size() == level + 1; });
    if (complete == left.end()) continue;
    const bool longer =
        level + 1 < words.size() && std::ranges::any_of(left, [&](const Command* command) {
          const auto name = wordsOf(command->name);
          return name.size() > level + 1 && name[level + 1] == words[level + 1];
        });
    if (!longer) return std::pair(*complete, level + 1);
  }
}

std::unexpected<Error> unknownFlag(const Split& split, const std::vector<Flag>& flags) {
  constexpr std::size_t farthest = 3;
  std::size_t best = farthest;
  std::string nearest;
  for (const Flag& flag : flags) {
    const std::size_t steps = distance(split.name, flag.name);
    if (steps >= best) continue;
    best = steps;
    nearest = flag.name;
  }
  return refuse(
      ErrorKind::Invalid, "E_USAGE", "unknown flag: --" + printable(split.name),
      nearest.empty() ? "See " + programName() + " help" : "Did you mean \"--" + nearest + "\"?");
}

}  // namespace

void setProgramName(std::string_view argv0) {
  const std::string_view name = argv0.substr(argv0.rfind('/') + 1);
  nameOfProgram() = name == "rkt" ? "rkt" : "airlock";
}

const std::string& programName() { return nameOfProgram(); }

Flag boolFlag(std::string name, bool& into) {
  return {name, Flag::Value::None, [name, &into](const std::string& value) -> Result<void> {
            into = TRY(truth(name, value));
            return {};
          }};
}

Flag textFlag(std::string name, std::string& into) {
  return {std::move(name), Flag::Value::Required,
          [&into](const std::string& value) -> Result<void> {
            into = value;
            return {};
          }};
}

Result<Insecure> parseInsecure(std::string_view list) {
  Insecure insecure;
  for (bool more = true; more;) {
    const std::size_t comma = list.find(',');
    const std::string_view word = list.substr(0, comma);
    more = comma != list.npos;
    if (more) list.remove_prefix(comma + 1);
    const bool all = word == "all";
    const bool fetching = all || word == "all-fetch";
    const bool running = all || word == "all-run";
    if (!fetching && !running && word != "none" && word != "image" && word != "tls" &&
        word != "ondisk" && word != "http" && word != "pubkey" && word != "capabilities" &&
        word != "paths" && word != "seccomp") {
      return refuse(ErrorKind::Invalid, "E_USAGE",
                    "unknown word " + quoted(word) + " in --insecure-options",
                    "It takes none, image, tls, ondisk, http, pubkey, capabilities, paths, "
                    "seccomp, all-fetch, "
                    "all-run, all");
    }
    insecure.image |= fetching || word == "image";
    insecure.tls |= fetching || word == "tls";
    insecure.http |= fetching || word == "http";
    insecure.pubkey |= fetching || word == "pubkey";
    insecure.capabilities |= running || word == "capabilities";
    insecure.paths |= running || word == "paths";
    insecure.seccomp |= running || word == "seccomp";
  }
  return insecure;
}

Result<void> completePaths(Options& options) {
  for (std::string* path :
       {&options.dir, &options.localConfig, &options.systemConfig, &options.userConfig}) {
    if (!path->empty()) *path = TRY(absolutePath(*path));
  }
  if (options.userConfig.empty() && ::geteuid() != 0) options.userConfig = ownConfigDirectory();
  return {};
}

Result<void> parseFlags(const std::vector<std::string>& arguments, const std::vector<Flag>& flags,
                        const std::function<Result<void>(const std::string&)>& operand) {
  bool onlyOperands = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto split = onlyOperands ? std::nullopt : splitFlag(arguments[i]);
    if (!split) {
      if (!onlyOperands && arguments[i] == "--") {
        onlyOperands = true;
      } else {
        TRY(operand(arguments[i]));
      }
      continue;
    }
    if (!TRY(applyFlag(arguments, i, *split, flags))) return unknownFlag(*split, flags);
  }
  return {};
}

Result<std::vector<std::string>> parseFlags(const std::vector<std::string>& arguments,
                                            const std::vector<Flag>& flags) {
  std::vector<std::string> operands;
  TRY(parseFlags(arguments, flags, [&](const std::string& word) -> Result<void> {
    operands.push_back(word);
    return {};
  }));
  return operands;
}

Result<CommandLine> parseCommandLine(std::span<const Command> commands,
                                     const std::vector<std::string>& words) {
  CommandLine line;
  const std::vector<Flag> globals = globalFlags(line);
  std::vector<std::string> left;  // the verb's words, then the command's arguments
  std::size_t operands = 0;       // among them
  bool verbatim = false;          // from here on nothing is ours
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto split = verbatim ? std::nullopt : splitFlag(words[i]);
    if (split && TRY(applyFlag(words, i, *split, globals))) continue;
    if (!verbatim && words[i] == "--") verbatim = true;
    if (!split) ++operands;
    left.push_back(words[i]);
    if (operands == 2 && left.front() == "enter") verbatim = true;
    if (operands == 3 && left[0] == "app" && left[1] == "exec") verbatim = true;
  }
  TRY(completePaths(line.options));
  if (!left.empty() && left.front() == "help") {
    line.help = true;
    left.erase(left.begin());
  }
  if (left.empty()) return line;
  if (splitFlag(left.front())) return usage("unknown flag: " + printable(left.front()));
  if (line.help && left.size() == 1 && isGroup(commands, left.front())) {
    line.group = left.front();
    return line;
  }
  const auto [command, used] = TRY(findCommand(commands, left));
  line.command = command;
  line.arguments.assign(left.begin() + static_cast<std::ptrdiff_t>(used), left.end());
  return line;
}

}  // namespace airlock::cli
