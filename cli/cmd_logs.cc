// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/app_log.h"
#include "cli/command.h"
#include "cli/go_format.h"
#include "cli/in_message.h"
#include "cli/journal_reader.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/terminal.h"
#include "cli/text_output.h"
#include "store/layout.h"

namespace airlock::cli {

namespace {

constexpr int kLookAgainMilliseconds = 100;
constexpr int kJournaldMilliseconds = 500;  // until journald has read what a pod wrote last
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kMicrosecond = 1'000;

struct Wanted {
  std::string app;
  std::string uuidFile;
  bool follow = false;
  bool plain = false;
  bool noTimestamps = false;
  std::int64_t since = 0;
};

// "10m": that long ago; or a time as the log has it.
Result<std::int64_t> parseSince(const std::string& text) {
  if (const auto time = parseLogTime(text)) return *time;
  const auto ago = parseGoDuration(text);
  if (ago) return sys::wallClock() - *ago;
  return refuse(ErrorKind::Invalid, "E_FLAG", "invalid time " + quoted(text),
                "--since=10m, or --since=2026-01-02T03:04:05Z");
}

// Missing: the pod keeps none.
Result<Fd> openLogs(const store::Pod& pod, FdRef dir) {
  auto directory = sys::openBeneath(dir, store::name("log"), O_RDONLY | O_DIRECTORY);
  if (directory) return directory;
  const std::string id = "pod \"" + pod.record.pod.text() + "\"";
  if (directory.error().number() == EACCES) {
    return refuse(ErrorKind::Denied, "E_DENIED", "the logs of " + id + " are its owner's",
                  "Root and the group of who started it may read them");
  }
  return directory;
}

class Printer {
 public:
  Printer(const Wanted& wanted, bool terminal) : wanted_(wanted), terminal_(terminal) {
    // What CLOCK_BOOTTIME was at a time of the wall clock, as long as nobody sets it.
    bootedAt_ = sys::wallClock() - sys::now() * kMillisecond;
  }

  // rkt's line on the console: "[38154.032938] caddy[4]: text".
  void print(const std::string& app, pid_t pid, const LogLine& line) {
    if (line.time < wanted_.since) return;
    const std::string text = terminal_ ? forTerminal(line.text) : line.text;
    if (wanted_.plain) {
      const std::string whole = line.partial ? text : text + "\n";
      std::FILE* const stream = line.errors ? stderr : stdout;
      std::fwrite(whole.data(), 1, whole.size(), stream);
      return;
    }
    std::string prefix;
    if (!wanted_.noTimestamps) prefix = stamp(line.time);
    prefix += app;
    if (pid != 0) prefix += "[" + std::to_string(pid) + "]";
    out(prefix + ": " + text + "\n");
  }

 private:
  std::string stamp(std::int64_t time) const {
    const std::int64_t since = std::max<std::int64_t>(time - bootedAt_, 0);
    char text[64];
    std::snprintf(text, sizeof text, "[%5lld.%06lld] ", static_cast<long long>(since / kSecond),
                  static_cast<long long>(since % kSecond / kMicrosecond));
    return text;
  }

  const Wanted& wanted_;
  bool terminal_;
  std::int64_t bootedAt_ = 0;
};

// Everything that is there, the oldest first.
void printAll(std::vector<std::unique_ptr<AppLog>>& logs, Printer& printer) {
  for (;;) {
    AppLog* oldest = nullptr;
    for (const auto& log : logs) {
      const LogLine* line = log->next();
      if (line != nullptr && (oldest == nullptr || line->time < oldest->next()->time))
        oldest = log.get();
    }
    if (oldest == nullptr) break;
    printer.print(oldest->app(), oldest->pid(), *oldest->next());
    oldest->take();
  }
  std::fflush(stdout);
}

Result<std::vector<AppName>> chosenApps(const store::Pod& pod, const std::string& app) {
  if (pod.record.apps.empty())
    return refuse(ErrorKind::Missing, "E_NO_LOG", "the pod has no app that could have a log");
  std::vector<AppName> chosen;
  for (const ipc::PodApp& each : pod.record.apps)
    if (app.empty() || each.name.text() == app) chosen.push_back(each.name);
  if (chosen.empty())
    return refuse(ErrorKind::Missing, "E_APP", "no app \"" + printable(app) + "\" in the pod");
  return chosen;
}

using AppLogs = std::vector<std::unique_ptr<AppLog>>;

Result<int> printLogs(const store::Pod& pod, AppLogs logs, const Wanted& wanted, Printer& printer) {
  printAll(logs, printer);
  while (wanted.follow) {
    // Asked before the last look: what a pod writes last is there when its lock is free.
    const bool alive = TRY(store::isAlive(pod.dir));
    printAll(logs, printer);
    if (!alive || std::ferror(stdout) != 0) break;
    ::poll(nullptr, 0, kLookAgainMilliseconds);
  }
  return 0;
}

// What is there, or with --follow what comes until the pod has ended, and then what came meanwhile.
Result<int> printJournal(const store::Pod& pod, const std::vector<AppName>& apps,
                         const Wanted& wanted, Printer& printer) {
  std::vector<std::string> names;
  for (const AppName& app : apps) names.push_back(app.text());
  std::string cursor;
  bool follow = wanted.follow;
  for (;;) {
    JournalReader reader = TRY(JournalReader::start(pod, names, wanted.since, cursor, follow));
    while (!reader.atEnd() && std::ferror(stdout) == 0) {
      const bool alive = !follow || TRY(store::isAlive(pod.dir));
      const auto entry = TRY(reader.next(follow ? kLookAgainMilliseconds : -1));
      if (entry) {
        printer.print(entry->identifier, entry->pid, entry->line);
        cursor = entry->cursor;
      }
      std::fflush(stdout);
      if (!entry && !alive) break;
    }
    if (!std::exchange(follow, false)) break;
    ::poll(nullptr, 0, kJournaldMilliseconds);
  }
  if (!cursor.empty() || wanted.follow) return 0;
  return refuse(ErrorKind::Missing, "E_NO_LOG",
                "pod \"" + pod.record.pod.text() +
                    "\" keeps no logs, and the journal has none of it that you may read",
                "Its apps may have written to where it was started from; root and the group "
                "systemd-journal read all of the journal");
}

}  // namespace

Result<int> logs(const Options& options, const std::vector<std::string>& arguments) {
  Wanted wanted;
  FlagSet flags;
  const auto text = [&flags](const char* name, std::string& target) {
    flags.value(name, [&target](const std::string& value) -> Result<void> {
      target = value;
      return {};
    });
  };
  text("app", wanted.app);
  text("uuid-file", wanted.uuidFile);
  flags.boolean("follow", wanted.follow);
  flags.boolean("plain", wanted.plain);
  flags.boolean("no-timestamps", wanted.noTimestamps);
  flags.value("since", [&](const std::string& value) -> Result<void> {
    wanted.since = TRY(parseSince(value));
    return {};
  });
  std::vector<std::string> words = arguments;
  std::ranges::replace(words, "-f", "--follow");
  const auto operands = TRY(podOperands(TRY(flags.parseAll(words)), wanted.uuidFile));
  if (operands.size() != 1) return refuse(ErrorKind::Invalid, "E_FLAG", "logs takes one pod");
  const store::Pod pod =
      TRY(inMessage(findPod(options, operands.front()), "problem retrieving pod"));
  const std::vector<AppName> apps = TRY(chosenApps(pod, wanted.app));
  Printer printer(wanted, isTerminal(FdRef(1)));
  std::vector<Fd> directories;  // which outlive the logs
  AppLogs kept;
  for (const AppName& app : apps) {
    auto directory = openLogs(pod, pod.dirOf(app));
    if (!directory && directory.error().kind() != ErrorKind::Missing)
      return std::unexpected(directory.error());
    if (!directory) continue;  // of an added app that was never started: others may have some
    directories.push_back(*std::move(directory));
    kept.push_back(std::make_unique<AppLog>(directories.back(), app));
  }
  if (!kept.empty()) return printLogs(pod, std::move(kept), wanted, printer);
  return printJournal(pod, apps, wanted, printer);
}

}  // namespace airlock::cli
