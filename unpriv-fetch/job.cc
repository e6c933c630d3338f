// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/job.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/names.h"
#include "base/syscall.h"
#include "unpriv-fetch/discovery.h"
#include "unpriv-fetch/download.h"
#include "unpriv-fetch/job_descriptors.h"

namespace airlock::fetch {
namespace {

constexpr std::string_view kSignatureLabel = "Downloading signature";

Result<void> takeBundle(Work& work, bool inJob, ipc::FdTable& fds, std::size_t index) {
  if (inJob) {
    work.client.caBundle = TRY(takePem(fds, index));
  } else {
    work.client.caBundle = TRY(systemBundle());
  }
  return {};
}

Result<Work> prepare(const ipc::FetchImageJob& job, ipc::FdTable& fds) {
  TRY(fds.expect(job.hasCaBundle ? 3 : 2));
  Work work{.client = clientOptions(job.options)};
  work.output = TRY(takeOutput(fds, 0));
  work.signature = TRY(takeOutput(fds, 1));
  TRY(takeBundle(work, job.hasCaBundle, fds, 2));
  work.largestFile = std::max<std::uint64_t>(job.options.mostBytes, limits::kSignatureBytes);
  return work;
}

Result<Work> prepare(const ipc::FetchKeysJob& job, ipc::FdTable& fds) {
  TRY(fds.expect(job.hasCaBundle ? 2 : 1));
  Work work{.client = clientOptions(job.options)};
  work.output = TRY(takeOutput(fds, 0));
  TRY(takeBundle(work, job.hasCaBundle, fds, 1));
  work.largestFile = limits::kKeyUrls * limits::kKeyFileBytes;
  return work;
}

// A job names one of the two, never both.
Result<void> requireOneOf(std::string_view name, std::string_view url) {
  if (name.empty() != url.empty()) return {};
  return refuse(ErrorKind::Invalid, "E_JOB", "a fetch job must have either a name or a URL");
}

std::vector<Label> withVersion(std::vector<Label> labels) {
  if (labelValue(labels, "version").empty()) {
    std::erase_if(labels, [](const Label& label) { return label.name == "version"; });
    labels.push_back({"version", "latest"});
  }
  return labels;
}

// Where the image of a job lies, and its signature when one is wanted.
struct Places {
  Named image;
  std::optional<Named> signature;
};

Result<Places> discoveredPlaces(const ipc::FetchImageJob& job, Client& client, Events& events) {
  const ImageName name = TRY(ImageName::parse(job.name));
  TRY(events.note("searching for app image " + name.text()));
  Endpoint endpoint = TRY(discoverImage(client, name, withVersion(job.labels)));
  return Places{std::move(endpoint.image), std::move(endpoint.signature)};
}

Result<Places> directPlaces(const ipc::FetchImageJob& job) {
  Places found{.image = {TRY(Url::parse(job.url, job.options.allowHttp))}};
  if (job.wantSignature && job.signatureUrl.empty()) {
    found.signature = Named{TRY(found.image.url.ofSignature())};
  }
  return found;
}

Result<Places> places(const ipc::FetchImageJob& job, Client& client, Events& events) {
  TRY(requireOneOf(job.name, job.url));
  Places found = TRY(job.url.empty() ? discoveredPlaces(job, client, events) : directPlaces(job));
  if (!job.signatureUrl.empty()) {
    found.signature = Named{TRY(Url::parse(job.signatureUrl, job.options.allowHttp))};
  }
  if (!job.wantSignature) found.signature.reset();
  return found;
}

Result<SmallFile> downloadSignature(Client& client, const Named& from, FdRef file, Events& events) {
  TRY(events.note("downloading signature from " + from.url.text()));
  Result<SmallFile> done = downloadSmall(client, from, limits::kSignatureBytes, file);
  if (!done) {
    Error& error = done.error();
    if (error.code() != "E_HTTP" || error.kind() != ErrorKind::Missing) {
      return fail(std::move(error).in("signature"));
    }
    return fail(std::move(error)
                    .in("signature")
                    .withHint("name its place with --signature, or fetch without one with "
                              "--insecure-options=image"));
  }
  if (!done->deferred) TRY(events.progress(kSignatureLabel, done->bytes, done->bytes, true));
  return done;
}

Result<ipc::FetchEvent> fetchImage(const ipc::FetchImageJob& job, const Work& work, Client& client,
                                   Events& events) {
  if (job.options.skipTlsCheck) TRY(events.note("warning: TLS verification has been disabled"));
  const Places from = TRY(places(job, client, events));
  const std::string& url = from.image.url.text();
  const std::string signatureUrl = from.signature ? from.signature->url.text() : "";
  TRY(events.send(ipc::FetchFound{.url = url, .signatureUrl = signatureUrl, .tag = ""}));
  TRY(events.note("remote fetching from URL \"" + url + "\""));
  // The signature first: a reader of the events can stop the job before gigabytes of an image that
  // nobody signed.
  SmallFile signature;
  if (from.signature)
    signature = TRY(downloadSignature(client, *from.signature, work.signature, events));
  if (signature.deferred) TRY(events.note("server requested deferring the signature download"));
  ImageDownload download{
      .from = from.image, .signatureUrl = signatureUrl, .mostBytes = job.options.mostBytes};
  if (job.knownUrl == url) {
    download.resumeFrom = job.resumeFrom;
    download.resumeTag = job.resumeTag;
    download.cachedTag = job.cachedTag;
  }
  const Downloaded image = TRY(downloadImage(client, download, work.output, events));
  if (signature.deferred)
    signature = TRY(downloadSignature(client, *from.signature, work.signature, events));
  if (signature.deferred) {
    return refuse(ErrorKind::Failed, "E_HTTP",
                  "error downloading the signature file: server asked to defer the download again");
  }
  return ipc::FetchedImage{.url = url,
                           .tag = image.tag,
                           .maxAge = image.maxAge,
                           .bytes = image.bytes,
                           .notModified = image.notModified,
                           .hasSignature = from.signature.has_value()};
}

Result<ipc::FetchEvent> fetchKeys(const ipc::FetchKeysJob& job, const Work& work, Client& client,
                                  Events& events) {
  TRY(requireOneOf(job.prefix, job.url));
  if (job.options.skipTlsCheck) TRY(events.note("warning: TLS verification has been disabled"));
  std::vector<Named> urls;
  if (job.url.empty()) {
    const ImageName prefix = TRY(ImageName::parse(job.prefix));
    urls = TRY(discoverKeys(client, prefix));
  } else {
    urls.push_back({TRY(Url::parse(job.url, job.options.allowHttp))});
  }
  ipc::FetchedKeys fetched;
  for (const Named& from : urls) {
    const SmallFile key = TRY(downloadSmall(client, from, limits::kKeyFileBytes, work.output));
    if (key.deferred) {
      return refuse(ErrorKind::Failed, "E_HTTP",
                    "the server of the key " + quoted(from.url.text()) + " has it not yet");
    }
    fetched.keys.emplace_back(from.url.text(), key.bytes);
  }
  return fetched;
}

}  // namespace

std::vector<int> Work::descriptors() const {
  std::vector<int> all;
  for (const Fd* fd : {&output, &signature}) {
    if (fd->valid()) all.push_back(fd->get());
  }
  return all;
}

Result<Work> prepareWork(FileJob job, ipc::FdTable fds) {
  Work work = TRY(std::visit([&](const auto& which) { return prepare(which, fds); }, job));
  work.job = std::move(job);
  return work;
}

Result<ipc::FetchEvent> run(const Work& work, Events& events) {
  Client client = TRY(Client::make(work.client));
  if (const auto* image = std::get_if<ipc::FetchImageJob>(&work.job))
    return fetchImage(*image, work, client, events);
  return fetchKeys(std::get<ipc::FetchKeysJob>(work.job), work, client, events);
}

}  // namespace airlock::fetch
