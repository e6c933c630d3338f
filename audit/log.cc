// SPDX-License-Identifier: Apache-2.0
#include "audit/log.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "audit/line_shape.h"
#include "audit/segment.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"
#include "image/json.h"

namespace airlock::audit {

namespace {

using Json = nlohmann::json;

std::string member(const Json& object, const char* name) {
  if (!object.is_object()) return {};
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The one spelling: what json_line.cc writes.
Result<Json> parseCanonical(std::string_view text) {
  // Depth, doubled keys and the rest first: what comes after may recurse.
  if (!image::parseJson(text, limits::kAuditLineBytes)) return damagedRecord("a line is not JSON");
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded() || value.dump(-1, ' ', true, Json::error_handler_t::replace) != text)
    return damagedRecord("a line is not canonical JSON");
  return value;
}

}  // namespace

std::unexpected<Error> damagedRecord(std::string what) {
  return refuse(
      ErrorKind::Invalid, "E_AUDIT_LOG", std::move(what),
      "Somebody changed the audit record; a copy elsewhere, and the measurement log, say more");
}

std::string Line::word(const char* name) const { return member(fields, name); }
std::string Line::subject(const char* name) const {
  return fields.is_object() ? member(fields["subject"], name) : std::string();
}
std::string Line::code() const {
  return fields.is_object() ? member(fields["result"], "code") : std::string();
}
std::optional<std::uint64_t> Line::uid() const {
  if (!fields.is_object() || !fields.contains("who")) return std::nullopt;
  return fields["who"]["uid"].get<std::uint64_t>();
}
bool Line::refused() const { return !torn && code() != "allowed" && code() != "done"; }

Result<Line> Chain::add(std::string_view text) {
  Line line{.text = std::string(text)};
  line.digest = ociDigestOf(text);
  line.torn = text.ends_with(kTorn);
  if (line.torn && text.find('\n') != text.npos) return damagedRecord("a line is two");
  if (!line.torn) {
    line.fields = TRY(parseCanonical(text));
    TRY(checkLine(line.fields));
    line.number = line.fields["seq"].get<std::uint64_t>();
  } else {
    line.number = next_;
  }
  TRY(follow(line));
  last_ = line.digest;
  next_ = line.number + 1;
  return line;
}

Result<void> Chain::follow(const Line& line) {
  const auto previous = [&] { return OciDigest::parse(line.word("prev")); };
  if (!last_) {
    if (line.torn) return damagedRecord("the first line is torn: what it follows cannot be known");
    before_ = TRY(previous());
    begin_ = line.number;
    if (begin_ == 0 && !before_.isZero())
      return damagedRecord("the first line says that there was one before it");
    return {};
  }
  if (line.torn) return {};  // the next one has its digest
  const std::string number = "line " + std::to_string(line.number);
  if (line.number != next_)
    return damagedRecord(number + " comes where line " + std::to_string(next_) + " must be");
  if (TRY(previous()) != *last_)
    return damagedRecord(number + " does not follow the line before it: one of them was changed");
  return {};
}

Result<Chain> readLines(std::string_view text,
                        const std::function<Result<void>(const Line&)>& each) {
  Chain chain;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == text.npos) return damagedRecord("the last line is not whole");
    TRY(each(TRY(chain.add(text.substr(0, end)))));
    text.remove_prefix(end + 1);
  }
  return chain;
}

Result<RecordEnd> readRecord(FdRef directory,
                             const std::function<Result<void>(const Line&)>& each) {
  RecordEnd result;
  for (const std::string& name : TRY(sys::list(directory))) {
    const auto first = firstOfSegment(name);
    if (!first) continue;
    if (result.unfinished != 0)
      return damagedRecord("a segment that is not the last one ends within a line");
    if (!result.chain.empty() && *first != result.chain.next())
      return damagedRecord("a segment is missing before " + name);
    const Fd file =
        TRY(sys::openBeneath(directory, TRY(Component::parse(name)), O_RDONLY | O_NONBLOCK));
    const std::string text =
        TRY(sys::readAll(file, limits::kAuditSegmentBytes + 4 * limits::kAuditLineBytes));
    std::string_view rest = text;
    for (std::size_t end; (end = rest.find('\n')) != rest.npos; rest.remove_prefix(end + 1)) {
      const Line line = TRY(inContext(result.chain.add(rest.substr(0, end)), name));
      TRY(each(line));
    }
    result.unfinished = rest.size();
  }
  return result;
}

}  // namespace airlock::audit
