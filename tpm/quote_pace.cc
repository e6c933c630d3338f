// SPDX-License-Identifier: Apache-2.0
#include "tpm/quote_pace.h"

#include <cerrno>
#include <string>

#include "base/limits.h"
#include "base/path.h"
#include "base/syscall.h"
#include "tpm/canonical.h"

namespace airlock::tpm {

namespace {

constexpr char kTurns[] = "quotes";
constexpr mode_t kMode = 0640;

// uid -> milliseconds since boot.  What cannot be read is nobody's turn: the file is for fairness,
// and nothing is proved by it.
Json readTurns(FdRef directory) {
  const auto text = sys::readFile(directory, *Component::parse(kTurns), limits::KiB * 64);
  if (!text) return Json::object();
  auto turns = parseCanonical(*text, 2, "the turns");
  return turns && turns->is_object() ? std::move(*turns) : Json::object();
}

}  // namespace

Result<void> takeTurn(FdRef directory, std::uint32_t uid) {
  const std::int64_t now = sys::now();
  const std::string name = std::to_string(uid);
  Json recent = Json::object();
  const Json turns = readTurns(directory);
  for (const auto& [user, at] : turns.items()) {
    // A time ahead of ours is of another boot.
    if (!at.is_number_integer()) continue;
    const auto then = at.get<std::int64_t>();
    if (then <= now && now - then < kQuoteMilliseconds) recent[user] = then;
  }
  if (recent.contains(name)) {
    return refuse(ErrorKind::Busy, "E_ATTEST_BUSY",
                  "you had a quote less than a second ago, and each user gets one in a second",
                  "try again");
  }
  recent[name] = now;
  return sys::replaceFile(directory, *Component::parse(kTurns), canonical(recent), kMode);
}

}  // namespace airlock::tpm
