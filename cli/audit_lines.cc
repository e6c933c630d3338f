// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_lines.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "base/accounts.h"
#include "base/log.h"
#include "base/path.h"
#include "base/syscall.h"
#include "cli/go_format.h"

namespace airlock::cli {

namespace {

using audit::Line;
using Json = nlohmann::json;

constexpr std::size_t kDateBytes = 10;      // "2026-11-28"
constexpr std::size_t kSecondsOfTime = 19;  // "2026-11-28T22:31:32"
constexpr std::size_t kShortImage = 19;     // "sha512-" and twelve digits

std::string textOf(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The member `name` of the line's `group`, or null.
const Json& part(const Line& line, const char* group, const char* name) {
  static const Json nothing;
  if (!line.fields.is_object()) return nothing;
  const auto outer = line.fields.find(group);
  if (outer == line.fields.end()) return nothing;
  const auto inner = outer->find(name);
  return inner == outer->end() ? nothing : *inner;
}

std::vector<std::string> textsOf(const Json& list) {
  std::vector<std::string> texts;
  for (const Json& each : list) texts.push_back(each.get<std::string>());
  return texts;
}

std::string joined(const std::vector<std::string>& texts, const char* between = ", ") {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : between) + text;
  return all;
}

void addSigners(const Json& list, std::vector<std::string>& into) {
  for (const Json& signer : list) {
    std::string key = textOf(signer, "fingerprint");
    if (std::ranges::find(into, key) == into.end()) into.push_back(std::move(key));
  }
}

std::string about(const Line& line) {
  std::string text = line.subject("pod");
  for (const auto& [id, name] : imagesOf(line))
    text += (text.empty() ? "" : " ") + (name.empty() ? id.substr(0, kShortImage) : name);
  if (!line.subject("app").empty()) text += " " + line.subject("app");
  if (text.empty()) text = line.subject("digest").substr(0, kShortImage);
  return text.empty() ? "-" : text;
}

// "2026-11", "2026-11-28T22:31", "2026-11-28T22:31:32.5"
bool isTimeOrBeginning(std::string_view text) {
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd.ddddddddd";
  constexpr std::array<std::size_t, 5> wholes = {7, kDateBytes, 13, 16, kSecondsOfTime};
  if (text.size() > form.size() || text.ends_with('.')) return false;
  if (text.size() < kSecondsOfTime && std::ranges::find(wholes, text.size()) == wholes.end())
    return false;
  return std::equal(text.begin(), text.end(), form.begin(), [](char c, char wanted) {
    return wanted == 'd' ? c >= '0' && c <= '9' : c == wanted;
  });
}

std::string timeOf(std::int64_t nanoseconds) {
  constexpr std::int64_t second = 1'000'000'000;
  const std::time_t then = nanoseconds / second;
  std::tm parts{};
  ::gmtime_r(&then, &parts);
  char buffer[32];
  return std::string(buffer, std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &parts));
}

// ", process 4711, session 3, staff_u:…": what the kernel says of who asked.
std::string processOf(const Line& line) {
  std::string text;
  for (const auto& [name, called] :
       {std::pair("gid", "group"), std::pair("pid", "process"), std::pair("session", "session")}) {
    const Json& number = part(line, "who", name);
    if (number.is_number()) text += std::string(", ") + called + " " + number.dump();
  }
  const Json& label = part(line, "who", "selinux");
  return label.is_string() ? text + ", " + label.get<std::string>() : text;
}

std::string orDash(std::string text) { return text.empty() ? "-" : text; }

}  // namespace

Result<Fd> openAuditRecord(const Options& options) {
  auto directory = sys::openPath(options.dir + "/audit", O_RDONLY | O_DIRECTORY);
  if (directory) return directory;
  if (directory.error().kind() == ErrorKind::Missing)
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "there is no audit record in " + printable(options.dir),
                  "The helper begins one with the first thing that it decides");
  return refuse(ErrorKind::Denied, "E_DENIED",
                "the audit record cannot be read: " + directory.error().message(),
                "It is for root and for the members of the group " + std::string(kAuditGroup));
}

bool AuditQuery::matches(const Line& line) const {
  if (line.torn)
    return since.empty() && until.empty() && operation.empty() && pod.empty() && image.empty() &&
           !uid && boot.empty() && !refused;
  const std::string time = line.word("time");
  if (!since.empty() && time < since) return false;
  if (!until.empty() && time >= until) return false;
  if (!operation.empty() && line.word("op") != operation) return false;
  if (!boot.empty() && line.word("boot") != boot) return false;
  if (uid && line.uid() != uid) return false;
  if (refused && !line.refused()) return false;
  if (!pod.empty() && !line.subject("pod").starts_with(pod)) {
    const auto gone = textsOf(part(line, "subject", "pods"));
    if (std::ranges::none_of(gone, [&](const auto& each) { return each.starts_with(pod); }))
      return false;
  }
  if (image.empty()) return true;
  auto images = imagesOf(line);
  for (std::string& id : textsOf(part(line, "subject", "images"))) images.emplace_back(id, "");
  return std::ranges::any_of(images, [&](const auto& each) {
    return each.first.starts_with(image) || coversPath(image, each.second);
  });
}

Result<std::string> auditTime(const std::string& text) {
  if (text.size() > 4 && text[4] == '-') {
    // Times are compared as texts.
    std::string time = text.ends_with('Z') ? text.substr(0, text.size() - 1) : text;
    if (time.size() > kDateBytes && time[kDateBytes] == ' ') time[kDateBytes] = 'T';
    if (isTimeOrBeginning(time)) return time;
  } else if (const auto ago = parseGoDuration(text)) {
    return timeOf(wallClock() - *ago);
  }
  return refuse(ErrorKind::Invalid, "E_USAGE", airlock::quoted(text) + " is no time",
                "Such as 2026-11-28 or 2026-11-28T22:31, in UTC, or how long ago: 10m, 24h");
}

Result<std::vector<Line>> selectLines(const Options& options, const AuditQuery& query) {
  std::vector<Line> lines;
  const Fd directory = TRY(openAuditRecord(options));
  TRY(audit::readRecord(directory, [&](const Line& line) -> Result<void> {
    if (query.matches(line)) lines.push_back(line);
    return {};
  }));
  return lines;
}

std::vector<std::pair<std::string, std::string>> imagesOf(const Line& line) {
  std::vector<std::pair<std::string, std::string>> images;
  for (const Json& app : part(line, "subject", "apps"))
    images.emplace_back(textOf(app, "image"), textOf(app, "image_name"));
  if (!line.subject("image").empty() || !line.subject("name").empty())
    images.emplace_back(line.subject("image"), line.subject("name"));
  return images;
}

std::vector<std::string> signersOf(const Line& line) {
  std::vector<std::string> keys;
  for (const Json& app : part(line, "subject", "apps")) {
    if (app.contains("signers")) addSigners(app["signers"], keys);
  }
  addSigners(part(line, "subject", "signers"), keys);
  return keys;
}

std::vector<std::string> missingLayers(const Line& line) {
  std::vector<std::string> missing;
  for (const Json& layer : part(line, "layers", "missing"))
    missing.push_back(textOf(layer, "name") + ": " + textOf(layer, "detail"));
  return missing;
}

std::vector<std::string> weakeningsOf(const Line& line) {
  return textsOf(part(line, "subject", "insecure"));
}

std::string userOf(const Line& line) {
  const auto uid = line.uid();
  return uid ? userName(static_cast<uid_t>(*uid)) : "-";
}

const std::vector<AuditField>& auditFields() {
  static const std::vector<AuditField> fields = {
      {"seq", [](const Line& line) { return std::to_string(line.number); }},
      {"time",
       [](const Line& line) { return orDash(line.word("time").substr(0, kSecondsOfTime)); }},
      {"user", userOf},
      {"auid",
       [](const Line& line) {
         const Json& login = part(line, "who", "auid");
         return login.is_number() ? userName(login.get<std::uint32_t>()) : std::string("-");
       }},
      {"op", [](const Line& line) { return line.torn ? "(torn)" : line.word("op"); }},
      {"about", about},
      {"pod", [](const Line& line) { return orDash(line.subject("pod")); }},
      {"image",
       [](const Line& line) {
         std::vector<std::string> ids;
         for (const auto& [id, name] : imagesOf(line)) ids.push_back(id);
         return orDash(joined(ids, ","));
       }},
      {"name",
       [](const Line& line) {
         std::vector<std::string> names;
         for (const auto& [id, name] : imagesOf(line)) names.push_back(name);
         return orDash(joined(names, ","));
       }},
      {"key", [](const Line& line) { return orDash(joined(signersOf(line), ",")); }},
      {"rule", [](const Line& line) { return orDash(line.word("rule")); }},
      {"policy", [](const Line& line) { return orDash(line.word("policy")); }},
      {"trust", [](const Line& line) { return orDash(line.word("trust")); }},
      {"insecure", [](const Line& line) { return orDash(joined(weakeningsOf(line))); }},
      {"missing", [](const Line& line) { return orDash(joined(missingLayers(line))); }},
      {"result", [](const Line& line) { return orDash(line.code()); }},
      {"text",
       [](const Line& line) {
         const Json& text = part(line, "result", "text");
         return text.is_string() ? text.get<std::string>() : std::string("-");
       }},
      {"boot", [](const Line& line) { return orDash(line.word("boot")); }},
      {"digest", [](const Line& line) { return line.digest.text(); }}};
  return fields;
}

std::string explainLine(const Line& line) {
  const std::string number = std::to_string(line.number);
  if (line.torn) return number + "  (a line that a crash has torn)\n";
  std::string text = number + "  " + line.word("time") + "  " + line.word("op") + "  " +
                     printable(line.code()) + "\n";
  const auto add = [&](const char* what, const std::string& value) {
    if (!value.empty() && value != "-")
      text += std::string("    ") + what + std::string(10 - std::string_view(what).size(), ' ') +
              printable(value) + "\n";
  };
  const auto field = [&](const char* name) {
    const auto& fields = auditFields();
    return std::ranges::find(fields, std::string_view(name), &AuditField::name)->value(line);
  };
  const std::string login = field("auid");
  const std::string user = userOf(line);
  add("by",
      (login == "-" || login == user ? user : user + ", logged in as " + login) + processOf(line));
  add("pod", line.subject("pod"));
  add("app", line.subject("app"));
  for (const auto& [id, name] : imagesOf(line)) add("image", name + " " + id);
  for (const std::string& label : textsOf(part(line, "subject", "labels"))) add("label", label);
  for (const std::string& key : signersOf(line)) add("signed by", key);
  add("from", line.subject("origin"));
  for (const Json& app : part(line, "subject", "apps")) {
    const std::string name = textOf(app, "name");
    add("confined", name + ": capabilities " + textOf(app, "capabilities"));
    for (const std::string& filter : textsOf(app["seccomp"]))
      add("confined", name + ": seccomp filter " + filter);
  }
  add("network", line.subject("network"));
  for (const std::string& volume : textsOf(part(line, "subject", "volumes"))) add("volume", volume);
  for (const char* name : {"selinux", "manifest", "spec", "arguments", "nonce", "pcrs"})
    add(name, line.subject(name));
  add("rule", line.word("rule"));
  add("policy", line.word("policy"));
  add("trust", line.word("trust"));
  for (const std::string& each : weakeningsOf(line)) add("weaker", each);
  add("enforced", joined(textsOf(part(line, "layers", "enforced"))));
  for (const std::string& each : missingLayers(line)) add("missing", each);
  if (line.fields.contains("measure")) {
    const Json& measure = line.fields["measure"];
    add("measured", "PCR " + measure["pcr"].dump() + ", record " + measure["records"].dump() +
                        ", anchor " + textOf(measure, "anchor"));
  }
  add("digest", line.subject("digest"));
  add("before", line.subject("before"));
  for (const std::string& each : textsOf(part(line, "subject", "pods"))) add("pod", each);
  for (const std::string& each : textsOf(part(line, "subject", "images"))) add("image", each);
  add("why", field("text"));
  if (line.fields.contains("of")) add("outcome", "of line " + line.fields["of"].dump());
  add("boot", line.word("boot"));
  add("follows", line.word("prev"));
  add("line", line.digest.text());
  return text;
}

}  // namespace airlock::cli
