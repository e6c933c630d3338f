// SPDX-License-Identifier: Apache-2.0
#include "cli/download_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"
#include "cli/text_output.h"
#include "image/json.h"

namespace airlock::cli {

namespace {

std::string text(const image::Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t number(const image::Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

Result<void> lockExclusive(FdRef file) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK) inform("another airlock is downloading this file, waiting...");
  while (::flock(file.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failErrno("lock the download");
  }
  return {};
}

constexpr std::string_view kPart = ".part";
constexpr std::string_view kResume = ".resume";

bool isOld(const struct stat& file) {
  constexpr std::int64_t second = 1'000'000'000;
  return sys::wallClock() / second - file.st_mtim.tv_sec > kPartSeconds;
}

// What nobody came back for.  One that another process has under way is locked, and stays.
void removeOldParts(FdRef cache) {
  const auto names = sys::list(cache);
  if (!names) return;
  for (const std::string& name : *names) {
    if (!name.ends_with(kPart)) continue;
    const auto part = Component::parse(name);
    const auto resume =
        Component::parse(name.substr(0, name.size() - kPart.size()) + std::string(kResume));
    if (!part || !resume) continue;
    const auto file = sys::openBeneath(cache, *part, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!file || ::flock(file->get(), LOCK_EX | LOCK_NB) != 0) continue;
    const auto status = sys::status(*file);
    if (!status || !isOld(*status)) continue;
    static_cast<void>(sys::unlink(cache, *resume));
    static_cast<void>(sys::unlink(cache, *part));
  }
}

Result<void> empty(FdRef file) {
  if (::ftruncate(file.get(), 0) != 0) return failErrno("ftruncate the download");
  return {};
}

}  // namespace

std::string encode(const PartRecord& record) {
  image::Json document;
  document["url"] = record.url;
  document["tag"] = record.tag;
  return image::writeJson(document, image::JsonStyle::Compact) + "\n";
}

std::optional<PartRecord> decodePartRecord(std::string_view content) {
  const auto document = image::parseJson(content, limits::kMessageBytes);
  if (!document || !document->is_object()) return std::nullopt;
  PartRecord record{.url = text(*document, "url"), .tag = text(*document, "tag")};
  if (record.url.empty() || record.tag.empty()) return std::nullopt;
  return record;
}

std::string encode(const CacheRecord& record) {
  image::Json document;
  document["url"] = record.url;
  document["tag"] = record.tag;
  document["maxAge"] = record.maxAge;
  document["downloadedAt"] = record.downloadedAt;
  document["image"] = record.image;
  return image::writeJson(document, image::JsonStyle::Compact) + "\n";
}

std::optional<CacheRecord> decodeCacheRecord(std::string_view content) {
  const auto document = image::parseJson(content, limits::kMessageBytes);
  if (!document || !document->is_object()) return std::nullopt;
  CacheRecord record{.url = text(*document, "url"),
                     .tag = text(*document, "tag"),
                     .maxAge = number(*document, "maxAge"),
                     .downloadedAt = number(*document, "downloadedAt"),
                     .image = text(*document, "image")};
  if (record.url.empty() || record.image.empty()) return std::nullopt;
  return record;
}

Freshness freshnessOf(const std::optional<CacheRecord>& record, std::int64_t now) {
  if (!record) return Freshness::Unknown;
  const std::int64_t age = now - record->downloadedAt;
  return record->maxAge > 0 && age >= 0 && age < record->maxAge ? Freshness::Fresh
                                                                : Freshness::Stale;
}

Result<Download> Download::open(FdRef cache, std::string_view request) {
  const std::string key = digestOf(request).hex();
  removeOldParts(cache);
  const Component name = TRY(Component::parse(key + std::string(kPart)));
  Fd file = TRY(sys::openBeneath(cache, name, O_RDWR | O_CREAT, 0600));
  TRY(lockExclusive(file));
  // Whoever held it may have taken it away at the end.
  while (TRY(sys::status(file)).st_nlink == 0) {
    file = TRY(sys::openBeneath(cache, name, O_RDWR | O_CREAT, 0600));
    TRY(lockExclusive(file));
  }
  std::optional<CacheRecord> record;
  const auto content =
      sys::readFile(cache, TRY(Component::parse(key + ".json")), limits::kMessageBytes);
  if (content) record = decodeCacheRecord(*content);
  std::optional<Part> part;
  const auto resume = sys::readFile(cache, TRY(Component::parse(key + std::string(kResume))),
                                    limits::kMessageBytes);
  const struct stat status = TRY(sys::status(file));
  if (resume && status.st_size > 0 && !isOld(status)) {
    if (auto known = decodePartRecord(*resume))
      part = Part{*std::move(known), static_cast<std::uint64_t>(status.st_size)};
  }
  if (!part) TRY(empty(file));
  return Download(TRY(sys::duplicate(cache)), key, std::move(file), std::move(record),
                  std::move(part));
}

Result<void> Download::begin(const PartRecord& record) {
  if (begun_ && part_ && part_->record.url == record.url && part_->record.tag == record.tag)
    return {};
  TRY(sys::replaceFile(dir_, TRY(Component::parse(key_ + std::string(kResume))), encode(record),
                       0600));
  part_ = Part{record, 0};
  begun_ = true;
  return {};
}

void Download::forget() {
  begun_ = false;
  part_.reset();
  const auto name = Component::parse(key_ + std::string(kResume));
  if (name) static_cast<void>(sys::unlink(dir_, *name));
}

std::uint64_t Download::keep() {
  const auto status = sys::status(file_);
  kept_ = begun_ && status && status->st_size > 0;
  return kept_ ? static_cast<std::uint64_t>(status->st_size) : 0;
}

Result<void> Download::remember(const CacheRecord& record) {
  TRY(sys::replaceFile(dir_, TRY(Component::parse(key_ + ".json")), encode(record), 0600));
  record_ = record;
  return {};
}

Download::~Download() {
  if (!file_.valid() || kept_) return;
  for (const std::string_view ending : {kResume, kPart}) {
    const auto name = Component::parse(key_ + std::string(ending));
    if (name) static_cast<void>(sys::unlink(dir_, *name));
  }
}

}  // namespace airlock::cli
