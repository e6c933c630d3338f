// SPDX-License-Identifier: Apache-2.0
#include "cli/fetch_client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <span>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"
#include "base/syscall.h"
#include "cli/configuration.h"
#include "cli/progress.h"
#include "cli/text_output.h"
#include "ipc/channel.h"

namespace airlock::cli {

namespace {

constexpr int kSilenceMilliseconds =
    120'000;  // without any event: the fetcher has its own, shorter limits
constexpr int kExitMilliseconds = 5'000;

std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = ::secure_getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

// The caller's CA bundle, when the environment names one (as OpenSSL reads it).
Result<std::optional<Fd>> callersBundle() {
  const std::string path = environment({"SSL_CERT_FILE"});
  if (path.empty()) return std::nullopt;
  return std::optional(TRY(inContext(sys::openPath(path, O_RDONLY), "SSL_CERT_FILE")));
}

class Fetcher {
 public:
  static Result<Fetcher> start(const ipc::FetchJob& job, std::span<const FdRef> fds) {
    const Fd program = TRY(openSibling("airlock-fetch"));
    std::optional<Identity> identity;
    if (::geteuid() == 0) {
      const Account account = TRY(requireUser(kFetchUser));
      identity = Identity{account.uid, account.gid, {}};
    }
    sys::SocketPair pair = TRY(sys::socketPair());
    Child child = TRY(spawn(
        {.executable = program,
         .arguments = {"airlock-fetch"},
         .environment = {},
         .descriptors = {{pair.second, ipc::kChannelFd}, {FdRef(STDERR_FILENO), STDERR_FILENO}},
         .identity = identity,
         .limits = {{RLIMIT_CORE, 0}}}));
    ipc::Channel channel(std::move(pair.first));
    TRY(channel.send(TRY(ipc::encode(job)), fds));
    return Fetcher(std::move(child), std::move(channel));
  }

  // The event that ends the job, once the process has ended too.
  Result<ipc::FetchEvent> finish(const OnFound& found = {}, const std::string& keysText = {}) {
    auto last = listen(found, keysText);
    // Destroying the child kills it; here it gets the time to end by itself.
    const auto status = TRY(child_.wait(kExitMilliseconds));
    if (!status) {
      TRY(child_.signal(SIGKILL));
      TRY(child_.wait());
    }
    if (!last && status && last.error().code() == "E_FETCH") {
      return refuse(ErrorKind::Failed, "E_FETCH",
                    "the fetcher ended without an answer: " + status->text(),
                    "Nothing was kept; try again");
    }
    return last;
  }

 private:
  Fetcher(Child child, ipc::Channel channel)
      : child_(std::move(child)), channel_(std::move(channel)) {}

  Result<ipc::FetchEvent> listen(const OnFound& found, std::string keysText) {
    Progress progress;
    for (;;) {
      auto message = TRY(channel_.receive(kSilenceMilliseconds));
      if (!message)
        return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher ended without an answer");
      TRY(message->fds.expect(0));
      ipc::FetchEvent event = TRY(ipc::decodeFetchEvent(message->bytes));
      if (auto* failure = std::get_if<ipc::Failure>(&event))
        return std::unexpected(std::move(failure->error));
      if (const auto* text = std::get_if<ipc::FetchNote>(&event)) {
        progress.finish();
        if (text->text.starts_with("downloading signature")) note(std::exchange(keysText, ""));
        inform(printable(text->text));
      } else if (const auto* step = std::get_if<ipc::FetchProgress>(&event)) {
        progress.show(step->label, step->done, step->total);
      } else if (const auto* place = std::get_if<ipc::FetchFound>(&event)) {
        if (found) found(*place);
      } else {
        return event;
      }
    }
  }

  Child child_;
  ipc::Channel channel_;
};

}  // namespace

Result<Fd> memoryFile(const char* name) {
  Fd file = Fd::own(::memfd_create(name, MFD_CLOEXEC));
  if (!file.valid()) return failErrno("memfd_create");
  return file;
}

Result<ipc::FetchOptions> fetchOptions(const Options& options) {
  return ipc::FetchOptions{
      .allowHttp = options.insecure.http,
      .skipTlsCheck = options.insecure.tls,
      .proxy = environment({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}),
      .noProxy = environment({"no_proxy", "NO_PROXY"}),
      .mostBytes = limits::kImageBytes,
      .credentials = TRY(configuredCredentials(options))};
}

Result<ipc::FetchedImage> fetchImage(ipc::FetchImageJob job, FdRef image, FdRef signature,
                                     const OnFound& found, const std::string& keysText) {
  const std::optional<Fd> bundle = TRY(callersBundle());
  std::vector<FdRef> fds = {image, signature};
  job.hasCaBundle = bundle.has_value();
  if (bundle) fds.push_back(*bundle);
  Fetcher fetcher = TRY(Fetcher::start(job, fds));
  ipc::FetchEvent last = TRY(fetcher.finish(found, keysText));
  if (auto* fetched = std::get_if<ipc::FetchedImage>(&last)) return std::move(*fetched);
  return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher answered another question");
}

Result<std::vector<FetchedKey>> fetchKeys(ipc::FetchKeysJob job) {
  const std::optional<Fd> bundle = TRY(callersBundle());
  const Fd file = TRY(memoryFile("keys"));
  std::vector<FdRef> fds = {file};
  job.hasCaBundle = bundle.has_value();
  if (bundle) fds.push_back(*bundle);
  Fetcher fetcher = TRY(Fetcher::start(job, fds));
  ipc::FetchEvent last = TRY(fetcher.finish());
  const auto* fetched = std::get_if<ipc::FetchedKeys>(&last);
  if (fetched == nullptr)
    return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher answered another question");
  const std::string all = TRY(sys::readAll(file, limits::kFetchedKeys * limits::kKeyFileBytes));
  std::vector<FetchedKey> keys;
  std::size_t position = 0;
  for (const auto& [url, bytes] : fetched->keys) {
    if (bytes > limits::kKeyFileBytes || bytes > all.size() - position) {
      return refuse(ErrorKind::Invalid, "E_FETCH",
                    "the fetcher named more key bytes than it wrote");
    }
    keys.push_back({url, all.substr(position, static_cast<std::size_t>(bytes))});
    position += static_cast<std::size_t>(bytes);
  }
  return keys;
}

}  // namespace airlock::cli
