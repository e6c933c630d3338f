// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/download.h"

#include <unistd.h>

#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::fetch {
namespace {

constexpr std::string_view kImageLabel = "Downloading ACI";

Result<void> writeAt(FdRef file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written =
        ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failErrno("write the image");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

Result<void> cut(FdRef file, std::uint64_t length) {
  if (::ftruncate(file.get(), static_cast<off_t>(length)) != 0)
    return failErrno("cut the image file");
  return {};
}

// The file of an image as it grows, over several requests.
class Partial {
 public:
  Partial(const ImageDownload& job, FdRef file, Events& events)
      : job_(job), file_(file), events_(events) {}

  // What the next request must ask for.
  std::vector<std::string> requestHeaders() const;
  // The answer's header: false when its body is not wanted.
  Result<bool> begin(const Response& response);
  Result<void> take(std::string_view bytes);
  Result<void> finish();

  void startAt(std::uint64_t offset, std::string tag) {
    position_ = offset;
    tag_ = std::move(tag);
  }
  bool mustRestart() const { return mustRestart_; }
  void restart() {
    mustRestart_ = false;
    startAt(0, "");
  }
  // Whether what has come can be gone on with by another request.
  bool canResume() const { return position_ > 0 && ranges_ && isStrongTag(tag_); }
  bool notModified() const { return notModified_; }

  std::uint64_t position() const { return position_; }
  const std::string& tag() const { return tag_; }
  std::int64_t age() const { return maxAge_; }

 private:
  Result<bool> beginWhole(const Response& response);
  Result<bool> beginRest(const Response& response);
  // From now on a break leaves something that a later job can go on with.
  Result<void> announceTag();
  std::unexpected<Error> tooLarge() const;

  const ImageDownload& job_;
  FdRef file_;
  Events& events_;
  std::uint64_t position_ = 0;
  std::optional<std::uint64_t> total_;
  std::string tag_;  // of the version that the bytes before position_ are of
  std::int64_t maxAge_ = 0;
  bool ranges_ = false;       // the server said that it can send parts
  bool mustRestart_ = false;  // the part that we have is of no use
  bool notModified_ = false;
};

std::vector<std::string> Partial::requestHeaders() const {
  std::vector<std::string> headers;
  if (isTag(job_.cachedTag)) {
    headers.push_back((isEntityTag(job_.cachedTag) ? "If-None-Match: " : "If-Modified-Since: ") +
                      job_.cachedTag);
  }
  if (position_ > 0) {
    headers.push_back("Range: bytes=" + std::to_string(position_) + "-");
    headers.push_back("If-Range: " + tag_);  // another version comes whole, from its first byte
  }
  return headers;
}

std::unexpected<Error> Partial::tooLarge() const {
  return refuse(ErrorKind::Invalid, "E_LIMIT",
                "the image at " + quoted(job_.from.url.text()) + " is larger than " +
                    std::to_string(job_.mostBytes) + " bytes",
                "allow more if you trust the server");
}

Result<bool> Partial::begin(const Response& response) {
  switch (response.status) {
    case 200:
      return beginWhole(response);
    case 206:
      return beginRest(response);
    case 304:
      if (!isTag(job_.cachedTag)) return badStatus(response);
      notModified_ = true;
      maxAge_ = maxAge(response.headers);
      return false;
    case 416:  // the part that we have is longer than the whole, or is the whole
      if (position_ == 0) return badStatus(response);
      mustRestart_ = true;
      return false;
    default:
      return badStatus(response);
  }
}

Result<bool> Partial::beginWhole(const Response& response) {
  startAt(0, versionTag(response.headers));
  ranges_ = response.headers.find("accept-ranges").value_or("") == "bytes";
  maxAge_ = maxAge(response.headers);
  total_ = TRY(bodyLength(response.headers));
  if (total_.value_or(0) > job_.mostBytes) return tooLarge();
  TRY(cut(file_, 0));
  TRY(announceTag());
  return true;
}

Result<bool> Partial::beginRest(const Response& response) {
  if (position_ == 0) {
    return refuse(ErrorKind::Invalid, "E_RANGE",
                  quoted(response.url.text()) + " sent a part of the image, unasked");
  }
  const ContentRange range = TRY(contentRange(response.headers));
  const std::string tag = versionTag(response.headers);
  // A date need not be repeated in a 206, an ETag must be (RFC 9110, 15.3.7).
  const bool sameVersion = tag == tag_ || (tag.empty() && !isEntityTag(tag_));
  if (!sameVersion || (total_ && *total_ != range.total)) {
    mustRestart_ = true;
    return false;
  }
  if (range.first != position_) {
    return refuse(ErrorKind::Invalid, "E_RANGE",
                  quoted(response.url.text()) + " sent the image from byte " +
                      std::to_string(range.first) + " on, not from " + std::to_string(position_));
  }
  if (range.total > job_.mostBytes) return tooLarge();
  ranges_ = true;
  maxAge_ = maxAge(response.headers);
  total_ = range.total;
  TRY(cut(file_, position_));
  TRY(announceTag());
  return true;
}

Result<void> Partial::announceTag() {
  return events_.send(
      ipc::FetchFound{.url = job_.from.url.text(), .signatureUrl = job_.signatureUrl, .tag = tag_});
}

Result<void> Partial::take(std::string_view bytes) {
  // libcurl's own limit would not stop a stream that names no length (test F07).
  const std::string_view allowed = bytes.substr(0, job_.mostBytes - position_);
  TRY(writeAt(file_, allowed, position_));
  position_ += allowed.size();
  if (allowed.size() < bytes.size()) return tooLarge();
  return events_.progress(kImageLabel, position_, total_.value_or(0), false);
}

Result<void> Partial::finish() {
  if (total_ && position_ != *total_) {
    return refuse(ErrorKind::Failed, "E_SHORT",
                  quoted(job_.from.url.text()) + " ended after " + std::to_string(position_) +
                      " of " + std::to_string(*total_) + " bytes");
  }
  TRY(cut(file_, position_));
  return events_.progress(kImageLabel, position_, position_, true);
}

// A part can only be gone on with when the file holds it.
bool holdsPart(const ImageDownload& job, const struct stat& status) {
  return job.resumeFrom > 0 && job.resumeFrom <= job.mostBytes && isStrongTag(job.resumeTag) &&
         static_cast<std::uint64_t>(status.st_size) >= job.resumeFrom;
}

}  // namespace

Result<Downloaded> downloadImage(Client& client, const ImageDownload& job, FdRef file,
                                 Events& events) {
  Partial partial(job, file, events);
  if (holdsPart(job, TRY(sys::status(file)))) partial.startAt(job.resumeFrom, job.resumeTag);
  const Body body{.begin = [&](const Response& response) { return partial.begin(response); },
                  .take = [&](std::string_view bytes) { return partial.take(bytes); }};
  bool restarted = false;
  bool resumed = false;
  for (;;) {
    const Result<Response> response = client.get({.url = job.from.url,
                                                  .namedBy = job.from.by,
                                                  .headers = partial.requestHeaders(),
                                                  .large = true},
                                                 body);
    if (!response) {
      const bool again = response.error().code() == "E_SHORT" && partial.canResume() &&
                         !std::exchange(resumed, true);
      if (!again) return fail(response.error());
      TRY(events.note("connection lost after " + std::to_string(partial.position()) +
                      " bytes, resuming"));
      continue;
    }
    if (partial.notModified())
      return Downloaded{.tag = job.cachedTag, .maxAge = partial.age(), .notModified = true};
    if (!partial.mustRestart()) break;
    if (std::exchange(restarted, true)) {
      return refuse(ErrorKind::Invalid, "E_RANGE",
                    quoted(job.from.url.text()) + " keeps changing while it is fetched");
    }
    TRY(events.note("cannot use cached partial download, resource updated"));
    partial.restart();
  }
  TRY(partial.finish());
  return Downloaded{.tag = partial.tag(), .maxAge = partial.age(), .bytes = partial.position()};
}

Result<SmallFile> downloadSmall(Client& client, const Named& from, std::size_t mostBytes,
                                FdRef file) {
  const Document document =
      TRY(getDocument(client, {.url = from.url, .namedBy = from.by}, mostBytes));
  if (document.response.status == 202) return SmallFile{.deferred = true};
  if (document.response.status != 200) return badStatus(document.response);
  TRY(sys::writeAll(file, document.text));
  return SmallFile{.bytes = document.text.size()};
}

}  // namespace airlock::fetch
