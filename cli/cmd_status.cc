// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/syscall.h"
#include "cli/go_format.h"
#include "cli/in_message.h"
#include "cli/insecure_pods.h"
#include "cli/output_format.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

constexpr int kLookAgainMilliseconds = 50;
constexpr int kExitNoUuidFile = 1;  // as rkt's; it is of units that look for a pod of theirs

struct Wait {
  bool wanted = false;
  std::optional<std::int64_t> milliseconds;  // nullopt: as long as it takes
};

// --wait, --wait=true, --wait=false, --wait=10s
void addWaitFlag(FlagSet& flags, const char* name, Wait& wait) {
  flags.optionalValue(name, "true", [&wait](const std::string& value) -> Result<void> {
    wait = {};
    if (const auto truth = parseBoolean(value)) {
      wait.wanted = *truth;
      return {};
    }
    constexpr std::int64_t millisecond = 1'000'000;
    wait.milliseconds = TRY(parseGoDuration(value)) / millisecond;
    wait.wanted = true;
    return {};
  });
}

// Looks until `done(pod)`, or the time is over: then the state is told as it is.
template <class Done>
Result<store::Pod> waitFor(const Options& options, store::Pod pod, const Wait& wait, Done done) {
  const std::int64_t start = sys::now();
  while (wait.wanted && !done(pod)) {
    if (wait.milliseconds && sys::now() - start >= *wait.milliseconds) break;
    ::poll(nullptr, 0, kLookAgainMilliseconds);
    pod = TRY(findPod(options, pod.record.pod.text()));
  }
  return pod;
}

// Running is not enough: its apps may have handlers that go first.
bool isReady(const store::Pod& pod) {
  return (pod.state == store::PodState::Running && pod.ready) || hasEnded(pod.state);
}

}  // namespace

Result<int> status(const Options& options, const std::vector<std::string>& arguments) {
  Wait wait;
  Wait waitReady;
  std::string uuidFile;
  OutputFormat format = formatOf(options);
  FlagSet flags;
  addWaitFlag(flags, "wait", wait);
  addWaitFlag(flags, "wait-ready", waitReady);
  flags.value("uuid-file", [&](const std::string& value) -> Result<void> {
    uuidFile = value;
    return {};
  });
  addFormatFlag(flags, format);
  bool insecure = false;
  flags.boolean("insecure", insecure);
  const auto words = TRY(flags.parseAll(arguments));
  if (insecure) return showInsecure(options, words);
  const auto operands = podOperands(words, uuidFile);
  if (!operands && !uuidFile.empty()) {
    note(errorText("status", operands.error(), options));
    return kExitNoUuidFile;
  }
  if (!operands) return std::unexpected(operands.error());
  if (operands->size() != 1) return refuse(ErrorKind::Invalid, "E_FLAG", "status takes one pod");

  store::Pod pod = TRY(inMessage(findPod(options, operands->front()), "problem retrieving pod"));
  pod = TRY(waitFor(options, std::move(pod), waitReady, isReady));
  pod = TRY(waitFor(options, std::move(pod), wait,
                    [](const store::Pod& each) { return hasEnded(each.state); }));

  std::vector<ipc::CatalogRecord> images;
  if (const auto opened = TRY(openPods(options))) {
    for (const ipc::PodApp& app : pod.record.apps) {
      if (auto record = opened->store.find(app.image); record && *record)
        images.push_back(**std::move(record));
    }
  }
  const PodView view = viewOf(std::move(pod));
  if (format == OutputFormat::Text) {
    out(statusLines(view, images));
  } else {
    printJson(statusJson(view, images), styleOf(format));
  }
  return 0;
}

}  // namespace airlock::cli
