// SPDX-License-Identifier: Apache-2.0
#include "cli/journal_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "image/json.h"

namespace airlock::cli {

namespace {

constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::size_t kLineBytes = 1 * limits::MiB;  // journald's own LineMax= is 48 KiB
constexpr const char* kProgram = "/usr/bin/journalctl";
// Who reads the journal for root: it has the rights of its group, and no other.
constexpr const char* kUser = "nobody";
constexpr const char* kGroup = "systemd-journal";

std::optional<std::string> textOf(const image::Json& entry, const char* field) {
  const auto found = entry.find(field);
  if (found == entry.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  // What is not UTF-8, or has control characters, comes as its bytes.
  if (!found->is_array()) return std::nullopt;
  std::string bytes;
  for (const image::Json& byte : *found) {
    const std::int64_t value = byte.is_number_integer() ? byte.get<std::int64_t>() : -1;
    if (value < 0 || value > UINT8_MAX) return std::nullopt;
    bytes.push_back(static_cast<char>(value));
  }
  return bytes;
}

template <class Number>
std::optional<Number> numberOf(const image::Json& entry, const char* field) {
  const auto text = textOf(entry, field);
  Number value{};
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

bool hostKeepsAJournal() {
  return ::access(kProgram, X_OK) == 0 &&
         (::access("/run/log/journal", F_OK) == 0 || ::access("/var/log/journal", F_OK) == 0);
}

// Nothing is done as root that another can do.
Result<std::optional<Identity>> reader() {
  if (::geteuid() != 0) return std::optional<Identity>();
  const auto account = TRY(findUser(kUser));
  const auto group = TRY(findGroup(kGroup));
  if (!account || !group) return std::optional<Identity>();
  return std::optional(Identity{account->uid, account->gid, {*group}});
}

}  // namespace

std::optional<JournalEntry> parseJournalEntry(std::string_view json) {
  const auto parsed = image::parseJson(json, kLineBytes);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  const auto time = numberOf<std::int64_t>(*parsed, "__REALTIME_TIMESTAMP");
  const auto cursor = textOf(*parsed, "__CURSOR");
  const auto uid = numberOf<uid_t>(*parsed, "_UID");
  const auto pid = numberOf<pid_t>(*parsed, "_PID");
  const auto identifier = textOf(*parsed, "SYSLOG_IDENTIFIER");
  auto text = textOf(*parsed, "MESSAGE");
  if (!time || *time < 0 || *time > INT64_MAX / kMicrosecond || !cursor || !uid || !pid ||
      !identifier || !text) {
    return std::nullopt;
  }
  return JournalEntry{*cursor, *identifier, *uid, *pid,
                      LogLine{.time = *time * kMicrosecond, .text = *std::move(text)}};
}

Result<JournalReader> JournalReader::start(const store::Pod& pod,
                                           const std::vector<std::string>& apps, std::int64_t since,
                                           const std::string& cursor, bool follow) {
  const std::string id = "pod \"" + pod.record.pod.text() + "\"";
  if (!hostKeepsAJournal()) {
    return refuse(ErrorKind::Missing, "E_NO_LOG",
                  id + " keeps no logs, and this host has no journal",
                  "Run it with --stdout=log --stderr=log, or with --detach");
  }
  std::vector<std::string> arguments = {
      "journalctl",
      "--no-pager",
      "--quiet",
      "--all",
      "--output=json",
      "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_UID,_PID",
      "--namespace=*",
      cursor.empty() ? "--since=@" + std::to_string(std::max(since, pod.record.createdAt) / kSecond)
                     : "--after-cursor=" + cursor};
  if (follow) arguments.insert(arguments.end(), {"--follow", "--no-tail"});
  arguments.emplace_back("_TRANSPORT=stdout");
  for (const std::string& app : apps) arguments.push_back("SYSLOG_IDENTIFIER=" + app);
  const Fd program = TRY(sys::openPath(kProgram, O_RDONLY));
  sys::Pipe output = TRY(sys::pipe());
  Child process = TRY(spawn({.executable = program,
                             .arguments = std::move(arguments),
                             .environment = {"LC_ALL=C.UTF-8"},
                             .descriptors = {{output.writeEnd, STDOUT_FILENO}},
                             .identity = TRY(reader()),
                             .limits = {}}));
  return JournalReader(std::move(process), std::move(output.readEnd), pod.record.firstUid,
                       std::max(since, pod.record.createdAt));
}

bool JournalReader::isThePods(const JournalEntry& entry) const {
  return firstUid_ != 0 && entry.uid >= firstUid_ && entry.uid - firstUid_ < limits::kPodUids &&
         entry.line.time >= createdAt_;
}

Result<std::optional<JournalEntry>> JournalReader::next(int milliseconds) {
  std::array<std::uint8_t, 64 * limits::KiB> piece{};
  for (;;) {
    for (std::size_t end = rest_.find('\n'); end != rest_.npos; end = rest_.find('\n')) {
      auto entry = parseJournalEntry(std::string_view(rest_).substr(0, end));
      rest_.erase(0, end + 1);
      if (entry && isThePods(*entry)) return entry;
    }
    if (rest_.size() > kLineBytes)
      return fail(ErrorKind::Failed, "journalctl writes lines without an end");
    pollfd waiting{.fd = output_.get(), .events = POLLIN, .revents = 0};
    if (atEnd_ || ::poll(&waiting, 1, milliseconds) == 0) return std::optional<JournalEntry>();
    const std::size_t count = TRY(sys::read(output_, piece));
    if (count == 0) atEnd_ = true;
    rest_.append(reinterpret_cast<const char*>(piece.data()), count);
  }
}

}  // namespace airlock::cli
