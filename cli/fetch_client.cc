// SPDX-License-Identifier: Apache-2.0
#include "cli/fetch_client.h"

#include <sys/mman.h>

#include <cstdlib>
#include <optional>

#include "base/limits.h"
#include "base/syscall.h"
#include "cli/configuration.h"
#include "cli/fetch_process.h"

namespace airlock::cli {

namespace {

std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* value = ::secure_getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

// The event that ends the job, once the process has ended too.
Result<ipc::FetchEvent> lastEvent(FetchProcess& fetcher, const OnFound& found,
                                  std::string keysText) {
  auto last = fetcher.next(found, keysText);
  const auto status = TRY(fetcher.end());
  if (!last) return endedSilently(status, std::move(last.error()));
  return last;
}

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
  FetchProcess fetcher = TRY(FetchProcess::start(job, fds));
  ipc::FetchEvent last = TRY(lastEvent(fetcher, found, keysText));
  if (auto* fetched = std::get_if<ipc::FetchedImage>(&last)) return std::move(*fetched);
  return refuse(ErrorKind::Failed, "E_FETCH", "the fetcher answered another question");
}

Result<std::vector<FetchedKey>> fetchKeys(ipc::FetchKeysJob job) {
  const std::optional<Fd> bundle = TRY(callersBundle());
  const Fd file = TRY(memoryFile("keys"));
  std::vector<FdRef> fds = {file};
  job.hasCaBundle = bundle.has_value();
  if (bundle) fds.push_back(*bundle);
  FetchProcess fetcher = TRY(FetchProcess::start(job, fds));
  ipc::FetchEvent last = TRY(lastEvent(fetcher, {}, {}));
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
