// SPDX-License-Identifier: Apache-2.0
// Reads the audit record strictly: each line as it is written, each naming the one before.  For
// whoever shows or appraises it; the helper never does.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"

namespace airlock::audit {

// One line.  Its fields are as docs/audit.md has them, and no others.
struct Line {
  std::uint64_t number = 0;
  OciDigest digest;       // SHA-256 of the text
  std::string text;       // without its newline
  bool torn = false;      // what a crash has left of one: it says nothing, and `fields` is null
  nlohmann::json fields;  // an object

  // Of the top, or "" where it has none.
  std::string word(const char* name) const;
  // Of "subject".
  std::string subject(const char* name) const;
  std::string code() const;                  // of "result"
  std::optional<std::uint64_t> uid() const;  // of "who"
  bool refused() const;
};

// Lines in order.  E_AUDIT_LOG on anything that we would not have written: another spelling of the
// same JSON, a key twice, unknown fields or operations, a line that is missing, changed or in
// another place.
class Chain {
 public:
  // Without the newline.  The first line that comes says what it follows; whether that was one is
  // for who calls to say: before().
  Result<Line> add(std::string_view text);
  bool empty() const { return !last_; }
  bool fromTheStart() const { return begin_ == 0; }
  std::uint64_t begin() const { return begin_; }  // number of the first line
  OciDigest before() const { return before_; }    // what the first line follows
  std::optional<OciDigest> last() const { return last_; }
  std::uint64_t next() const { return next_; }

 private:
  Result<void> follow(const Line& line);
  std::optional<OciDigest> last_;
  OciDigest before_;
  std::uint64_t begin_ = 0;
  std::uint64_t next_ = 0;
};

// A text of whole lines, as "audit.jsonl" of evidence is.
Result<Chain> readLines(std::string_view text,
                        const std::function<Result<void>(const Line&)>& each);

struct RecordEnd {
  Chain chain;
  std::size_t unfinished =
      0;  // bytes behind the last newline: of a line that is being written, or torn
};
// All segments of a record's directory, in their order.
Result<RecordEnd> readRecord(FdRef directory, const std::function<Result<void>(const Line&)>& each);

// All that is decided or noticed (docs/audit.md), sorted.
std::span<const std::string_view> operations();

// The refusal of a record that we did not write.
std::unexpected<Error> damagedRecord(std::string what);

}  // namespace airlock::audit
