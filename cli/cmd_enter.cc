// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstdlib>
#include <optional>

#include "cli/attach.h"
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/options.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/stream_relay.h"
#include "cli/terminal.h"
#include "ipc/pod_spec.h"

namespace airlock::cli {

namespace {

struct EnterArguments {
  std::string app;
  std::string pod;
  std::vector<std::string> command;
};

// Flags end with the pod: everything after it is the command's.
Result<EnterArguments> parse(const std::vector<std::string>& arguments) {
  EnterArguments parsed;
  FlagSet flags;
  flags.value("app", [&](const std::string& value) -> Result<void> {
    parsed.app = value;
    return {};
  });
  std::string uuidFile;
  flags.value("uuid-file", [&](const std::string& value) -> Result<void> {
    uuidFile = value;
    return {};
  });
  std::size_t next = TRY(flags.parse(arguments, 0));
  std::vector<std::string> pod;
  if (uuidFile.empty() && next < arguments.size() && !arguments[next].starts_with("--"))
    pod.push_back(arguments[next++]);
  parsed.pod = TRY(podOperands(std::move(pod), uuidFile)).front();
  if (next < arguments.size() && arguments[next] == "--") ++next;
  parsed.command.assign(arguments.begin() + static_cast<std::ptrdiff_t>(next), arguments.end());
  return parsed;
}

}  // namespace

Result<int> enter(const Options& options, const std::vector<std::string>& arguments) {
  StreamRelay::leaveCategories();
  EnterArguments wanted = TRY(parse(arguments));
  const store::Pod pod = TRY(inMessage(findPod(options, wanted.pod), "problem retrieving pod"));
  TRY(requireRunning(pod));
  const AppName app = TRY(chooseApp(pod, wanted.app, "enter"));
  if (wanted.command.empty()) {
    complain("enter", "no command specified, assuming \"/bin/bash\"");
    wanted.command = {"/bin/bash"};
  }
  const FdRef input(0);
  ipc::EnterSpec spec{.app = app,
                      .exec = std::move(wanted.command),
                      .environment = {},
                      .terminal = isTerminal(input)};
  // A terminal's kind is the only thing of the caller's environment that goes in.
  const char* kind = std::getenv("TERM");
  if (spec.terminal && kind != nullptr) spec.environment.emplace_back("TERM", kind);

  const bool terminal = spec.terminal;
  std::optional<StreamRelay> relay = TRY(StreamRelay::make({FdRef(0), FdRef(1), FdRef(2)}));
  HelperAnswer answer =
      TRY(askHelper(options, ipc::EnterRequest{pod.record.pod, std::move(spec)}, relay->streams()));
  if (!std::holds_alternative<ipc::Entered>(answer.reply) || answer.fds.size() != 2) {
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  }
  relay->handedOver();
  const StopSignals signals = TRY(StopSignals::block());
  ipc::Channel leash(std::move(answer.fds[1]));
  const Attachment attachment{.process = answer.fds[0],
                              .signals = signals.fd(),
                              .input = input,
                              .output = FdRef(1),
                              .terminal = terminal};
  const Ending ending = TRY(holdLeash(attachment, leash));
  relay.reset();
  return exitAs(ending);
}

}  // namespace airlock::cli
