// SPDX-License-Identifier: Apache-2.0
// What is remembered of downloads, so that an image is not fetched again without need.  CLI only.
// One small JSON file per request beside the file that is being downloaded; both are the caller's
// own, and nothing in them is trusted: a record only says which image of the store an earlier
// answer became.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::cli {

struct CacheRecord {
  std::string url;                // where the bytes came from
  std::string tag;                // ETag or Last-Modified
  std::int64_t maxAge = 0;        // seconds
  std::int64_t downloadedAt = 0;  // seconds since 1970: of the last answer, 304 included
  std::string image;              // "sha512-…", whole
};
std::string encode(const CacheRecord& record);
// std::nullopt: not of ours; the download is then made as if there were none.
std::optional<CacheRecord> decodeCacheRecord(std::string_view text);

// How an answer from the cache stands: `now` is seconds since 1970.
enum class Freshness {
  Unknown,  // nothing remembered: download
  Fresh,    // within max-age: no network
  Stale,    // ask with If-None-Match
};
// A clock that went backwards makes everything stale.
Freshness freshnessOf(const std::optional<CacheRecord>& record, std::int64_t now);

// One request's place in the cache.  Its bytes go when it is destroyed: they are in the store by
// then, or nothing can be made of them (a broken download has no tag to go on from).
class Download {
 public:
  Download(Download&&) = default;
  Download& operator=(Download&&) = delete;
  ~Download();

  // `request` is the reference as text, or the URL.  Waits, saying so once, while another process
  // downloads the same.
  static Result<Download> open(FdRef cache, std::string_view request);

  const std::optional<CacheRecord>& record() const { return record_; }
  FdRef file() const { return file_; }
  Result<void> remember(const CacheRecord& record);

 private:
  Download(Fd dir, std::string key, Fd file, std::optional<CacheRecord> record)
      : dir_(std::move(dir)),
        key_(std::move(key)),
        file_(std::move(file)),
        record_(std::move(record)) {}
  Fd dir_;
  std::string key_;
  Fd file_;
  std::optional<CacheRecord> record_;
};

}  // namespace airlock::cli
