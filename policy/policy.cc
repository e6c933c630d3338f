// SPDX-License-Identifier: Apache-2.0
#include "policy/policy.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/names.h"
#include "base/syscall.h"

namespace airlock::policy {

namespace {

struct VerbName {
  Verb verb;
  const char* name;
};
constexpr VerbName kVerbs[] = {{Verb::Fetch, "fetch"},          {Verb::Run, "run"},
                               {Verb::Enter, "enter"},          {Verb::Stop, "stop"},
                               {Verb::Remove, "remove"},        {Verb::CollectGarbage, "gc"},
                               {Verb::RemoveImage, "image-rm"}, {Verb::Report, "report"},
                               {Verb::Attest, "attest"}};
constexpr std::string_view kLayers[] = {"measurement", "content", "content=rehash",
                                        "selinux",     "cgroup",  "audit"};

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> result;
  while (true) {
    const auto start = line.find_first_not_of(" \t");
    if (start == line.npos) return result;
    line.remove_prefix(start);
    const auto end = line.find_first_of(" \t");
    result.push_back(line.substr(0, end));
    if (end == line.npos) return result;
    line.remove_prefix(end);
  }
}

template <class T>
struct Choice {
  std::string_view text;
  T value;
};
template <class T, std::size_t N>
Result<T> choose(std::string_view key, std::string_view value, const Choice<T> (&choices)[N]) {
  std::string known;
  for (const Choice<T>& choice : choices) {
    if (choice.text == value) return choice.value;
    known += (known.empty() ? "" : ", ") + std::string(choice.text);
  }
  return fail(ErrorKind::Invalid, std::string(key) + "= takes one of: " + known);
}

Result<unsigned> number(std::string_view text) {
  if (const auto value = parseNumber(text)) return *value;
  return fail(ErrorKind::Invalid, quoted(text) + " is not a number");
}

// "root", "anyone", "user:NAME-or-uid", "group:NAME-or-gid".  A name that does not exist matches
// nobody, so that one policy can be shipped to hosts that lack the group.
Result<void> parseWho(std::string_view text, Rule& rule) {
  constexpr uid_t nobodyAtAll = static_cast<uid_t>(-1);
  const auto colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  if (colon == text.npos) {
    constexpr Choice<Rule::Who> plain[] = {{"root", Rule::Who::Root},
                                           {"anyone", Rule::Who::Anyone}};
    rule.who = TRY(choose("who", text, plain));
    return {};
  }
  const std::string_view name = text.substr(colon + 1);
  if (name.empty()) return fail(ErrorKind::Invalid, "a name is missing after " + quoted(text));
  constexpr Choice<Rule::Who> named[] = {{"user", Rule::Who::User}, {"group", Rule::Who::Group}};
  rule.who = TRY(choose("who", kind, named));
  if (name.find_first_not_of("0123456789") == name.npos) {
    rule.id = TRY(number(name));
  } else if (rule.who == Rule::Who::User) {
    const auto user = TRY(findUser(name));
    rule.id = user ? user->uid : nobodyAtAll;
  } else {
    rule.id = TRY(findGroup(name)).value_or(nobodyAtAll);
  }
  return {};
}

Result<void> parseVerbs(std::string_view text, Rule& rule) {
  if (text == "*") return {};
  for (;;) {
    const auto comma = text.find(',');
    const auto found = std::ranges::find(kVerbs, text.substr(0, comma), &VerbName::name);
    if (found == std::end(kVerbs))
      return fail(ErrorKind::Invalid, "unknown verb " + quoted(text.substr(0, comma)));
    rule.verbs.push_back(found->verb);
    if (comma == text.npos) return {};
    text.remove_prefix(comma + 1);
  }
}

Result<void> parseGrant(std::string_view key, std::string_view value, Grants& grants) {
  constexpr Choice<bool> net[] = {{"none", false}, {"host", true}};
  constexpr Choice<bool> sockets[] = {{"none", false}, {"activated", true}};
  constexpr Choice<bool> signer[] = {{"trusted", false}, {"any", true}};
  constexpr Choice<bool> insecure[] = {{"none", false}, {"image", true}};
  constexpr Choice<Extent> volumes[] = {
      {"none", Extent::None}, {"own", Extent::Own}, {"any", Extent::Any}};
  constexpr Choice<Extent> pods[] = {{"own", Extent::Own}, {"any", Extent::Any}};
  constexpr Choice<Capabilities> capabilities[] = {{"default", Capabilities::Default},
                                                   {"all", Capabilities::All}};
  if (key == "image") {
    if (value != "*") grants.image = TRY(ImageName::parse(value)).text();
  } else if (key == "net") {
    grants.hostNetwork = TRY(choose(key, value, net));
  } else if (key == "sockets") {
    grants.hostSockets = TRY(choose(key, value, sockets));
  } else if (key == "signer") {
    grants.unsignedImages = TRY(choose(key, value, signer));
  } else if (key == "insecure") {
    grants.skipSignature = TRY(choose(key, value, insecure));
  } else if (key == "volumes") {
    grants.volumes = TRY(choose(key, value, volumes));
  } else if (key == "pods") {
    grants.pods = TRY(choose(key, value, pods));
  } else if (key == "capabilities") {
    grants.capabilities = TRY(choose(key, value, capabilities));
  } else if (!TRY(grants.signatures.read(key, value))) {
    return fail(ErrorKind::Invalid, "unknown key " + quoted(key));
  }
  return {};
}

Result<void> parseRule(const std::vector<std::string_view>& line, Policy& policy, Rule rule) {
  if (line.size() < 3)
    return fail(ErrorKind::Invalid, "expected: allow|deny WHO VERBS [key=value …]");
  rule.allow = line[0] == "allow";
  TRY(parseWho(line[1], rule));
  TRY(parseVerbs(line[2], rule));
  for (std::size_t i = 3; i < line.size(); ++i) {
    const auto equals = line[i].find('=');
    if (equals == line[i].npos)
      return fail(ErrorKind::Invalid, "expected key=value, found " + quoted(line[i]));
    TRY(parseGrant(line[i].substr(0, equals), line[i].substr(equals + 1), rule.grants));
  }
  if (rule.grants.unsignedImages && rule.grants.signatures.asksForMore())
    return fail(ErrorKind::Invalid, "signer=any contradicts signers= and kinds=");
  policy.rules.push_back(std::move(rule));
  return {};
}

// "0x81018000"
Result<std::uint32_t> keyHandle(std::string_view text) {
  std::array<std::uint8_t, 4> bytes{};
  std::uint32_t handle = 0;
  if (text.starts_with("0x") && fromHex(text.substr(2), bytes)) {
    for (const std::uint8_t byte : bytes) handle = handle << 8 | byte;
  }
  if (handle >= ipc::kFirstKeyHandle && handle <= ipc::kLastKeyHandle) return handle;
  return fail(ErrorKind::Invalid, "ak= takes a handle from 0x81000000 to 0x817fffff");
}

Result<void> parseMeasure(const std::vector<std::string_view>& line, Policy& policy) {
  constexpr Choice<ipc::MeasureMode> modes[] = {{"require", ipc::MeasureMode::Require},
                                                {"log", ipc::MeasureMode::Log},
                                                {"off", ipc::MeasureMode::Off}};
  for (std::size_t i = 1; i < line.size(); ++i) {
    const auto equals = std::min(line[i].find('='), line[i].size() - 1);
    const std::string_view key = line[i].substr(0, equals);
    const std::string_view value = line[i].substr(equals + 1);
    if (key == "mode") {
      policy.measureMode = TRY(choose(key, value, modes));
    } else if (key == "pcr") {
      policy.pcr = TRY(number(value));
      // The others belong to the firmware, to IMA, or can be reset without a reboot
      // (docs/measurement.md).
      if (policy.pcr < 13 || policy.pcr > 15)
        return fail(ErrorKind::Invalid, "pcr= takes 13, 14 or 15");
    } else if (key == "ak") {
      policy.attestationKey = TRY(keyHandle(value));
    } else if (key == "software-tpm" && value.starts_with('/')) {
      policy.softwareTpm = value;
    } else {
      return fail(ErrorKind::Invalid, "unknown key " + quoted(line[i]));
    }
  }
  return {};
}

// As records and messages have it: a file may align its columns.
std::string oneSpaced(const std::vector<std::string_view>& line) {
  std::string text;
  for (const std::string_view word : line) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

Result<void> parseLine(std::string_view text, const std::string& where, Policy& policy) {
  const auto line = words(text);
  if (line[0] == "allow" || line[0] == "deny") {
    return parseRule(line, policy, Rule{.where = where, .text = oneSpaced(line)});
  }
  if (line[0] == "measure") return parseMeasure(line, policy);
  if (line[0] == "limit" && line.size() == 2 && line[1].starts_with("pids=")) {
    policy.pidsMax = TRY(number(line[1].substr(5)));
    if (policy.pidsMax == 0) return fail(ErrorKind::Invalid, "pids= takes 1 or more");
    return {};
  }
  if (line[0] == "selinux") return policy.labels.read(std::span(line).subspan(1));
  if (line[0] == "require" && line.size() > 1) {
    for (std::size_t i = 1; i < line.size(); ++i) {
      if (std::ranges::find(kLayers, line[i]) == std::end(kLayers)) {
        return fail(ErrorKind::Invalid, "unknown layer " + quoted(line[i]));
      }
      policy.required.emplace_back(line[i]);
    }
    return {};
  }
  return fail(ErrorKind::Invalid,
              "a line begins with allow, deny, require LAYER, limit, measure or selinux");
}

}  // namespace

const char* toString(Verb verb) { return std::ranges::find(kVerbs, verb, &VerbName::verb)->name; }

bool Policy::demands(std::string_view layer) const {
  return std::ranges::find(required, layer) != required.end();
}

Result<void> parsePolicy(std::string_view content, const std::string& path, Policy& into) {
  for (unsigned number = 1; !content.empty(); ++number) {
    const auto newline = content.find('\n');
    std::string_view line = content.substr(0, newline);
    content.remove_prefix(newline == content.npos ? content.size() : newline + 1);
    const std::string where = path + ":" + std::to_string(number);
    line = line.substr(0, line.find('#'));
    while (line.ends_with(' ') || line.ends_with('\t')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == line.npos) continue;
    line.remove_prefix(line.find_first_not_of(" \t"));
    auto parsed = line.size() > limits::kPolicyLineBytes
                      ? Result<void>(fail(ErrorKind::Invalid, "line too long"))
                      : parseLine(line, where, into);
    if (!parsed) {
      return refuse(ErrorKind::Invalid, "E_POLICY", where + ": " + parsed.error().message(),
                    "Nothing is allowed until the line is corrected");
    }
    into.summary += line;
    into.summary += '\n';
  }
  return {};
}

Result<Policy> loadPolicy(const std::vector<std::string>& configRoots) {
  struct File {
    std::string path;
    std::string content;
  };
  std::map<std::string, File> files;  // by name: the order in which rules are asked
  for (const std::string& root : configRoots) {
    const std::string path = root + "/policy.d";
    auto dir = sys::openPath(path, O_RDONLY | O_DIRECTORY);
    if (!dir && dir.error().kind() == ErrorKind::Missing) continue;
    if (!dir) return std::unexpected(std::move(dir.error()));
    const auto checkRoots = [](FdRef file, const std::string& what) -> Result<void> {
      const struct stat info = TRY(sys::status(file));
      if (info.st_uid == 0 && (info.st_mode & 022) == 0) return {};
      return refuse(ErrorKind::Denied, "E_POLICY", what + " can be written by others than root",
                    "chown root and chmod go-w it: whoever can write there is root");
    };
    TRY(checkRoots(*dir, path));
    for (const std::string& entry : TRY(sys::list(*dir))) {
      if (!entry.ends_with(".policy")) continue;
      Fd file = TRY(sys::openBeneath(*dir, TRY(Component::parse(entry)), O_RDONLY | O_NONBLOCK));
      TRY(checkRoots(file, path + "/" + entry));
      files[entry] = {path + "/" + entry,
                      TRY(inContext(sys::readAll(file, limits::kPolicyFileBytes), entry))};
    }
  }
  Policy policy;
  std::string all;
  for (const auto& [name, file] : files) {
    TRY(parsePolicy(file.content, file.path, policy));
    all += name;
    all += '\0';
    all += file.content;
    all += '\0';
  }
  policy.digest = digestOf(all);
  policy.content = std::move(all);
  return policy;
}

}  // namespace airlock::policy
