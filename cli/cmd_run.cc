// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <optional>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/app_streams.h"
#include "cli/attach.h"
#include "cli/detach.h"
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/obtain_image.h"
#include "cli/options.h"
#include "cli/pod_access.h"
#include "cli/pod_arguments.h"
#include "cli/pod_request.h"
#include "cli/service_variables.h"
#include "cli/stream_relay.h"
#include "cli/terminal.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

Result<std::vector<image::EnvironmentVariable>> readEnvironmentFiles(
    const std::vector<std::string>& paths) {
  std::vector<image::EnvironmentVariable> environment;
  for (const std::string& path : paths) {
    const Fd file = TRY(sys::openPath(path, O_RDONLY));
    const std::string text =
        TRY(inMessage(sys::readAll(file, limits::kManifestBytes), printable(path)));
    const auto variables = TRY(inMessage(parseEnvironmentFile(text), printable(path)));
    environment.insert(environment.end(), variables.begin(), variables.end());
  }
  return environment;
}

Result<std::vector<ChosenImage>> obtainImages(const Options& options, const PodArguments& wanted) {
  std::vector<ChosenImage> images;
  for (const AppArguments& app : wanted.apps) {
    ChosenImage chosen{TRY(obtainImage(options, app.image, app.signature, wanted.pullPolicy)), {}};
    const auto store = TRY(store::Store::openForReading(options.dir));
    if (!store)
      return refuse(ErrorKind::Failed, "E_STORE", "the store is gone: " + printable(options.dir));
    chosen.manifest = TRY(store->manifest(chosen.record));
    images.push_back(std::move(chosen));
  }
  return images;
}

// What the apps get for stdin: ours, but no terminal that two would read from.
Result<Fd> inputFor(bool interactive) {
  if (!interactive && isTerminal(FdRef(0))) return sys::openPath("/dev/null", O_RDONLY);
  auto own = sys::duplicate(FdRef(0));
  if (own) return own;
  return sys::openPath("/dev/null", O_RDONLY);  // started without a stdin
}

Result<void> saveUuid(const std::string& path, const PodId& pod) {
  if (path.empty()) return {};
  constexpr mode_t readable = 0644;
  const Fd file = TRY(sys::openPath(path, O_WRONLY | O_CREAT | O_TRUNC, readable));
  return inMessage(sys::writeAll(file, pod.text()), printable(path));
}

void tellLayers(const ipc::Started& started) {
  for (const ipc::Layer& layer : started.layers) {
    complain("run", "stage0: " + printable(layer.name) +
                        (layer.enforced ? ": enforced: " : ": not enforced: ") +
                        printable(layer.detail));
  }
}

}  // namespace

Result<int> run(const Options& options, const std::vector<std::string>& arguments) {
  StreamRelay::leaveCategories();
  // First: the descriptors that it names must not be ours.
  const ServiceVariables service = TRY(takeServiceVariables());
  const PodArguments wanted = TRY(parsePodArguments(arguments));
  TRY(findHelper(options));  // before anything is downloaded
  const Surroundings surroundings{
      .insecure = options.insecure,
      .parentEnvironment = wanted.inheritEnvironment ? environmentOf(environ)
                                                     : std::vector<image::EnvironmentVariable>(),
      .fileEnvironment = TRY(readEnvironmentFiles(wanted.environmentFiles)),
      .sockets = service.sockets,
      .watchdogMicroseconds = service.watchdogMicroseconds};
  const std::vector<ChosenImage> images = TRY(obtainImages(options, wanted));
  PodRequest request = TRY(buildPodRequest(wanted, images, surroundings));
  const std::vector<Fd> streams = TRY(openAppStreams(wanted, service.journalStream, request));
  for (const std::string& warning : request.warnings) complain("run", warning);
  if (options.debug) {
    for (const std::string& line : request.notes) complain("run", line);
  }

  std::optional<DetachedHolder> holder;
  if (wanted.detach) {
    auto here = TRY(detach());
    if (const int* code = std::get_if<int>(&here)) return *code;
    holder = std::get<DetachedHolder>(std::move(here));
  }
  const Fd input = TRY(inputFor(wanted.interactive));
  const FdRef standard(input);
  // Detached: nobody is there, and our input is /dev/null.
  std::optional<StreamRelay> relay = TRY(StreamRelay::make(
      {standard, holder ? standard : FdRef(1), holder ? standard : FdRef(2)}));
  std::vector<FdRef> fds(relay->streams().begin(), relay->streams().end());
  for (const Fd& volume : request.volumes) fds.push_back(volume);
  for (const Sealed& filter : request.filters) fds.push_back(filter.fd());
  for (const std::size_t socket : request.sockets) fds.push_back(service.sockets[socket].fd);
  for (const Fd& stream : streams) fds.push_back(stream);
  HelperAnswer answer = TRY(askHelper(options, request.request, fds));
  const auto* started = std::get_if<ipc::Started>(&answer.reply);
  if (started == nullptr || answer.fds.size() != 2) {
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  }
  relay->handedOver();
  const StopSignals signals = TRY(StopSignals::block());
  ipc::Channel leash(std::move(answer.fds[1]));
  TRY(saveUuid(wanted.uuidFile, started->pod));
  if (options.debug) tellLayers(*started);

  std::vector<std::string> notifying;
  for (const ipc::AppSpec& app : request.request.pod.apps)
    if (app.notify) notifying.push_back(app.name.text());
  Notifier notifier(service.notifySocket, std::move(notifying));
  const Attachment attachment{.process = answer.fds[0],
                              .signals = signals.fd(),
                              .input = FdRef(0),
                              .output = FdRef(1),
                              .terminal = wanted.interactive,
                              .notifier = &notifier,
                              .onReady = [&] {
                                if (holder) holder->podIsReady(started->pod);
                              }};
  const Ending ending = TRY(holdLeash(attachment, leash));
  relay.reset();
  if (ending.killed)
    note("Container " + programName() + "-" + started->pod.text() +
         " terminated by signal KILL.\n");
  return exitAs(ending);
}

}  // namespace airlock::cli
