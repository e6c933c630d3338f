// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/log.h"
#include "cli/attached_streams.h"
#include "cli/command.h"
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "cli/stream_modes.h"
#include "cli/text_output.h"
#include "image/pod_manifest.h"

namespace airlock::cli {

namespace {

struct Wanted {
  ipc::AttachSpec spec;
  bool terminal = false;
  bool inputIsNamed = false;  // then its end is passed on
};

Result<std::vector<std::string>> endpointsOf(const store::Pod& pod, const AppName& app) {
  const image::PodManifest manifest = TRY(podManifestOf(pod));
  const auto found = std::ranges::find(manifest.apps, app, &image::RuntimeApp::name);
  if (found == manifest.apps.end()) return std::vector<std::string>();
  return endpointsOf(streamModesOf(found->annotations));
}

// The endpoints that a mode of rkt's means, of those that there are.
Result<std::vector<std::string>> chosen(const std::string& mode,
                                        const std::vector<std::string>& there) {
  std::vector<std::string> names;
  if (mode == "auto") {
    names = there;
  } else if (mode == "tty") {
    names = {"tty-in", "tty-out"};
  } else {
    names = splitText(mode, ',');
  }
  for (const std::string& name : names) {
    constexpr std::array<std::string_view, 5> known = {"stdin", "stdout", "stderr", "tty-in",
                                                       "tty-out"};
    const bool terminal = name.starts_with("tty");
    if (std::ranges::find(known, name) == known.end() ||
        (terminal && names.size() > 1 && mode != "tty" && mode != "auto")) {
      return refuse(ErrorKind::Invalid, "E_FLAG", "invalid attach mode \"" + printable(mode) + "\"",
                    "It is list, auto, tty, tty-in, tty-out, or some of stdin,stdout,stderr");
    }
    if (std::ranges::find(there, name) == there.end()) {
      return refuse(ErrorKind::Missing, "E_ATTACH", "endpoint " + name + " is not available",
                    "--mode=list shows those that are");
    }
  }
  if (names.empty()) {
    return refuse(ErrorKind::Missing, "E_ATTACH", "the app has no endpoint to attach to",
                  "Run it with --stdin=stream --stdout=stream --stderr=stream, or with tty");
  }
  return names;
}

Wanted wantedOf(const AppName& app, const std::vector<std::string>& names, bool named) {
  Wanted wanted{.spec = {.app = app}};
  for (const std::string& name : names) {
    wanted.terminal = wanted.terminal || name.starts_with("tty");
    wanted.spec.input = wanted.spec.input || name == "stdin" || name == "tty-in";
    wanted.spec.output = wanted.spec.output || name == "stdout" || name == "tty-out";
    wanted.spec.errors = wanted.spec.errors || name == "stderr";
  }
  wanted.inputIsNamed = named && wanted.spec.input;
  return wanted;
}

}  // namespace

Result<int> attach(const Options& options, const std::vector<std::string>& arguments) {
  std::string appName;
  std::string mode = "auto";
  std::string uuidFile;
  FlagSet flags;
  const auto text = [&flags](const char* name, std::string& target) {
    flags.value(name, [&target](const std::string& value) -> Result<void> {
      target = value;
      return {};
    });
  };
  text("app", appName);
  text("mode", mode);
  text("uuid-file", uuidFile);
  const auto operands = TRY(podOperands(TRY(flags.parseAll(arguments)), uuidFile));
  if (operands.size() != 1) return refuse(ErrorKind::Invalid, "E_FLAG", "attach takes one pod");
  const store::Pod pod =
      TRY(inMessage(findPod(options, operands.front()), "problem retrieving pod"));
  TRY(requireRunning(pod));
  const AppName app = TRY(chooseApp(pod, appName, "attach"));
  const std::vector<std::string> there = TRY(endpointsOf(pod, app));
  if (mode == "list") {
    for (const std::string& name : there) out(name + "\n");
    return 0;
  }
  const Wanted wanted = wantedOf(app, TRY(chosen(mode, there)), mode != "auto" && mode != "tty");
  HelperAnswer answer =
      TRY(askHelper(options, ipc::AttachRequest{pod.record.pod, wanted.spec}, {}));
  if (!std::holds_alternative<ipc::Attached>(answer.reply) || answer.fds.size() != 1)
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  return relayAttached(std::move(answer.fds[0]),
                       {wanted.spec, wanted.terminal, wanted.inputIsNamed});
}

}  // namespace airlock::cli
