// SPDX-License-Identifier: Apache-2.0
// What is remembered of downloads, so that no byte is fetched again without need.  CLI only.
// For each request: KEY.json, which image of the store an earlier answer became; KEY.part, the
// bytes of a download under way or broken off; KEY.resume, what they are a part of.  All are the
// caller's own, and nothing in them is trusted: what was put together from parts is verified as any
// image is.
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

// What the bytes of a download that has not ended are a part of.
struct PartRecord {
  std::string url;
  std::string tag;  // of that version, to ask the server for the rest of
};
std::string encode(const PartRecord& record);
std::optional<PartRecord> decodePartRecord(std::string_view text);

// A part is of use for a day: by then its server most likely has something else.
inline constexpr std::int64_t kPartSeconds = 24 * 60 * 60;

// How an answer from the cache stands: `now` is seconds since 1970.
enum class Freshness {
  Unknown,  // nothing remembered: download
  Fresh,    // within max-age: no network
  Stale,    // ask with If-None-Match
};
// A clock that went backwards makes everything stale.
Freshness freshnessOf(const std::optional<CacheRecord>& record, std::int64_t now);

// One request's place in the cache, locked.  Its bytes go when it is destroyed, unless keep() was
// called: they are in the store by then, or were refused.  Where the process is killed they stay,
// and a later one goes on from them.
class Download {
 public:
  Download(Download&&) = default;
  Download& operator=(Download&&) = delete;
  ~Download();

  // `request` is the reference as text, or the URL.  Waits, saying so once, while another process
  // downloads the same.  Removes the parts of any request that are older than a day.
  static Result<Download> open(FdRef cache, std::string_view request);

  const std::optional<CacheRecord>& record() const { return record_; }
  FdRef file() const { return file_; }

  // Of an earlier process; nullopt when there is nothing to go on from.
  struct Part {
    PartRecord record;
    std::uint64_t bytes = 0;
  };
  const std::optional<Part>& part() const { return part_; }
  // From now on the file's bytes are of this version.
  Result<void> begin(const PartRecord& record);
  // They are of a version that has no name: nobody could go on from them.
  void forget();
  // The file stays for another process, when it is known what its bytes are of: how many there are,
  // else 0.
  std::uint64_t keep();

  Result<void> remember(const CacheRecord& record);

 private:
  Download(Fd dir, std::string key, Fd file, std::optional<CacheRecord> record,
           std::optional<Part> part)
      : dir_(std::move(dir)),
        key_(std::move(key)),
        file_(std::move(file)),
        record_(std::move(record)),
        part_(std::move(part)),
        begun_(part_.has_value()) {}
  Fd dir_;
  std::string key_;
  Fd file_;
  std::optional<CacheRecord> record_;
  std::optional<Part> part_;
  bool begun_ = false;  // KEY.resume tells what the bytes are of
  bool kept_ = false;
};

}  // namespace airlock::cli
