// SPDX-License-Identifier: Apache-2.0
#include "cli/fetch_process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/accounts.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {
constexpr int kSilenceMilliseconds =
    120'000;  // without any event: the fetcher has its own, shorter limits
constexpr int kExitMilliseconds = 5'000;
}  // namespace

Result<std::optional<Fd>> callersBundle() {
  const char* path = ::secure_getenv("SSL_CERT_FILE");
  if (path == nullptr || *path == '\0') return std::nullopt;
  return std::optional(TRY(inContext(sys::openPath(path, O_RDONLY), "SSL_CERT_FILE")));
}

Result<FetchProcess> FetchProcess::start(const ipc::FetchJob& job, std::span<const FdRef> fds) {
  const Fd program = TRY(openSibling("airlock-fetch"));
  std::optional<Identity> identity;
  if (::geteuid() == 0) {
    const Account account = TRY(requireUser(kFetchUser));
    identity = Identity{account.uid, account.gid, {}};
  }
  sys::SocketPair pair = TRY(sys::socketPair());
  Child child = TRY(
      spawn({.executable = program,
             .arguments = {"airlock-fetch"},
             .environment = {},
             .descriptors = {{pair.second, ipc::kChannelFd}, {FdRef(STDERR_FILENO), STDERR_FILENO}},
             .identity = identity,
             .limits = {{RLIMIT_CORE, 0}}}));
  ipc::Channel channel(std::move(pair.first));
  TRY(channel.send(TRY(ipc::encode(job)), fds));
  return FetchProcess(std::move(child), std::move(channel));
}

Result<void> FetchProcess::send(std::string_view bytes, std::span<const FdRef> fds) {
  return channel_.send(bytes, fds);
}

Result<ipc::FetchEvent> FetchProcess::next(const OnFound& found, std::string& keysText) {
  for (;;) {
    auto message = TRY(channel_.receive(kSilenceMilliseconds));
    if (!message)
      return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher ended without an answer");
    TRY(message->fds.expect(0));
    ipc::FetchEvent event = TRY(ipc::decodeFetchEvent(message->bytes));
    if (auto* failure = std::get_if<ipc::Failure>(&event)) {
      progress_->finish();
      return std::unexpected(std::move(failure->error));
    }
    if (const auto* text = std::get_if<ipc::FetchNote>(&event)) {
      progress_->finish();
      if (text->text.starts_with("downloading signature")) note(std::exchange(keysText, ""));
      inform(printable(text->text));
    } else if (const auto* step = std::get_if<ipc::FetchProgress>(&event)) {
      progress_->show(step->label, step->done, step->total);
    } else if (const auto* place = std::get_if<ipc::FetchFound>(&event)) {
      if (found) found(*place);
    } else {
      return event;
    }
  }
}

Result<std::optional<ExitStatus>> FetchProcess::end() {
  progress_->finish();
  // Destroying the child kills it; here it gets the time to end by itself.
  auto status = TRY(child_.wait(kExitMilliseconds));
  if (!status) {
    TRY(child_.signal(SIGKILL));
    TRY(child_.wait());
  }
  return status;
}

std::unexpected<Error> endedSilently(const std::optional<ExitStatus>& status, Error error) {
  if (!status || error.code() != "E_FETCH") return std::unexpected(std::move(error));
  return refuse(ErrorKind::Failed, "E_FETCH",
                "the fetcher ended without an answer: " + status->text(),
                "Nothing was kept; try again");
}

}  // namespace airlock::cli
