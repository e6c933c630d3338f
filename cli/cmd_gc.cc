// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "cli/go_format.h"
#include "cli/helper_client.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

void addDuration(FlagSet& flags, const char* name, std::uint64_t& seconds) {
  flags.value(name, [&seconds](const std::string& value) -> Result<void> {
    const std::int64_t duration = TRY(parseGoDuration(value));
    if (duration < 0) return refuse(ErrorKind::Invalid, "E_FLAG", "a time span cannot be negative");
    // Rounded up: no pod goes before its time.
    seconds = static_cast<std::uint64_t>((duration + kSecond - 1) / kSecond);
    return {};
  });
}

}  // namespace

Result<int> collectGarbage(const Options& options, const std::vector<std::string>& arguments) {
  ipc::CollectGarbageRequest request;
  FlagSet flags;
  addDuration(flags, "grace-period", request.graceSeconds);
  addDuration(flags, "expire-prepared", request.expirePreparedSeconds);
  flags.boolean("mark-only", request.markOnly);
  const auto operands = TRY(flags.parseAll(arguments));
  if (!operands.empty()) return refuse(ErrorKind::Invalid, "E_FLAG", "gc takes no arguments");

  const auto collected = TRY(askFor<ipc::Collected>(options, request));
  // As rkt 1.0 said it; who is told is on stderr, what was done on stdout.
  for (const PodId& pod : collected.marked) note("Moving pod \"" + pod.text() + "\" to garbage\n");
  for (const PodId& pod : collected.aborted)
    note("Moving failed prepare \"" + pod.text() + "\" to garbage\n");
  for (const PodId& pod : collected.expired)
    note("Moving expired prepared pod \"" + pod.text() + "\" to garbage\n");
  const std::string grace = goDuration(static_cast<std::int64_t>(request.graceSeconds) * kSecond);
  for (const PodId& pod : collected.waiting) {
    note("Pod \"" + pod.text() + "\" not removed: still within grace period (" + grace + ")\n");
  }
  for (const PodId& pod : collected.removed) out("Garbage collecting pod \"" + pod.text() + "\"\n");
  for (const std::string& problem : collected.problems) complain("gc", printable(problem));
  if (collected.problems.empty()) return 0;
  return refuse(ErrorKind::Failed, "E_REMOVE",
                "failed to remove " + std::to_string(collected.problems.size()) + " pod(s)");
}

}  // namespace airlock::cli
