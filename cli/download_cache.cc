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
  if (errno == EWOULDBLOCK) inform("another airlock instance is downloading this file, waiting...");
  while (::flock(file.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failErrno("lock the download");
  }
  return {};
}

}  // namespace

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
  const Component name = TRY(Component::parse(key + ".part"));
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
  return Download(TRY(sys::duplicate(cache)), key, std::move(file), std::move(record));
}

Result<void> Download::remember(const CacheRecord& record) {
  TRY(sys::replaceFile(dir_, TRY(Component::parse(key_ + ".json")), encode(record), 0600));
  record_ = record;
  return {};
}

Download::~Download() {
  if (!file_.valid()) return;
  const auto name = Component::parse(key_ + ".part");
  if (name) static_cast<void>(sys::unlink(dir_, *name));
}

}  // namespace airlock::cli
