// SPDX-License-Identifier: Apache-2.0
#include "tpm/event_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/digest.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "tpm/canonical.h"
#include "tpm/fault.h"

namespace airlock::tpm {

namespace {

constexpr char kLog[] = "events.cel";
constexpr char kLock[] = "lock";
constexpr char kAhead[] = "wal";
constexpr char kState[] = "state";
constexpr char kPoison[] = "poisoned";
constexpr mode_t kFileMode = 0640;
constexpr std::size_t kDepth = 4;

std::unexpected<Error> full() {
  return refuse(ErrorKind::Failed, "E_TPM_LOG_FULL", "the measurement log of this boot is full",
                "reboot; until then nothing more can be measured");
}

Component component(std::string_view name) { return *Component::parse(name); }

template <class T>
Result<std::optional<T>> orMissing(Result<T> result) {
  if (result) return std::optional<T>(std::move(*result));
  if (result.error().number() == ENOENT) return std::optional<T>();
  return std::unexpected(std::move(result.error()));
}

Json banksJson(const Banks& banks) {
  Json object = Json::object();
  for (const BankValue& bank : banks) {
    object[std::string(findHash(bank.algorithm)->name)] = toHex(bank.value);
  }
  return object;
}

Result<Banks> parseBanks(const Json& object) {
  Banks banks;
  if (!object.is_object()) return damaged("a file beside the log has no banks");
  for (const auto& [name, hex] : object.items()) {
    const HashAlgorithm* algorithm = findHash(std::string_view(name));
    BankValue bank;
    if (algorithm != nullptr && hex.is_string()) {
      bank = {algorithm->id, Bytes(algorithm->bytes)};
    }
    if (bank.value.empty() || !fromHex(hex.get_ref<const std::string&>(), bank.value)) {
      return damaged("a file beside the log has a malformed register");
    }
    banks.push_back(std::move(bank));
  }
  // Keys are sorted by name, banks by the algorithm's id.
  std::ranges::sort(banks, {}, &BankValue::algorithm);
  return banks;
}

// Members of an object that we wrote; `wrong` is set when one is not there or of another type.
class Members {
 public:
  explicit Members(const Json& object) : object_(object), wrong_(!object.is_object()) {}
  std::string text(const char* name) {
    const Json* member = find(name);
    if (member != nullptr && member->is_string()) return member->get<std::string>();
    wrong_ = true;
    return {};
  }
  std::uint64_t number(const char* name) {
    const Json* member = find(name);
    if (member != nullptr && member->is_number_unsigned()) return member->get<std::uint64_t>();
    wrong_ = true;
    return 0;
  }
  bool flag(const char* name) {
    const Json* member = find(name);
    if (member != nullptr && member->is_boolean()) return member->get<bool>();
    wrong_ = true;
    return false;
  }
  Banks banks(const char* name) {
    const Json* member = find(name);
    if (member == nullptr) return {};
    auto banks = parseBanks(*member);
    if (banks) return std::move(*banks);
    wrong_ = true;
    return {};
  }
  const Json* find(const char* name) {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(name);
    if (found != object_.end()) return &*found;
    wrong_ = true;
    return nullptr;
  }
  bool wrong() const { return wrong_; }

 private:
  const Json& object_;
  bool wrong_;
};

}  // namespace

Result<void> LogState::add(const Record& record, std::size_t size) {
  TRY(chain.add(record));
  if (record.event.type == "image") images.insert(fingerprint(record.event));
  bytes += size;
  return {};
}

Result<EventLog> EventLog::lock(FdRef directory) {
  Fd own = TRY(sys::duplicate(directory));
  Fd file = TRY(sys::openBeneath(own, component(kLock), O_RDWR | O_CREAT, kFileMode));
  while (::flock(file.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failErrno("lock the measurement log");
  }
  return EventLog(std::move(own), std::move(file));
}

Result<std::optional<std::int64_t>> EventLog::age() {
  constexpr std::int64_t kNanoseconds = 1'000'000;  // in a millisecond
  const auto log = TRY(openLog(O_RDONLY));
  if (!log) return std::optional<std::int64_t>();
  const timespec changed = TRY(sys::status(*log)).st_mtim;
  const std::int64_t since = sys::wallClock() / kNanoseconds -
                             (std::int64_t{changed.tv_sec} * 1000 + changed.tv_nsec / kNanoseconds);
  return since < 0 ? std::nullopt : std::optional(since);
}

Result<std::optional<std::string>> EventLog::readOptional(const char* name, std::size_t limit) {
  return inContext(orMissing(sys::readFile(directory_, component(name), limit)), name);
}

Result<void> EventLog::replace(const char* name, const std::string& content) {
  return sys::replaceFile(directory_, component(name), content, kFileMode);
}

Result<void> EventLog::remove(const char* name) {
  auto removed = sys::unlink(directory_, component(name));
  if (!removed && removed.error().number() != ENOENT) return removed;
  return {};
}

Result<std::optional<Fd>> EventLog::openLog(int flags) {
  return orMissing(sys::openBeneath(directory_, component(kLog), flags, kFileMode));
}

Result<std::uint64_t> EventLog::length() {
  const std::optional<Fd> file = TRY(openLog(O_RDONLY));
  if (!file) return std::uint64_t{0};
  return static_cast<std::uint64_t>(TRY(sys::status(*file)).st_size);
}

Result<bool> EventLog::settle(const WriteAhead& ahead) {
  const std::optional<Fd> file = TRY(openLog(O_RDWR));
  if (!file) {
    if (ahead.offset != 0) return damaged("the log is gone");
    return false;
  }
  const std::string text = TRY(sys::readAll(*file, limits::kEventLogBytes));
  if (text.size() < ahead.offset) return damaged("the log is shorter than it was");
  const std::string_view tail = std::string_view(text).substr(ahead.offset);
  if (tail == ahead.line) return true;
  if (!std::string_view(ahead.line).starts_with(tail)) {
    return damaged("the log ends with something else than the record that was being written");
  }
  if (tail.empty()) return false;
  if (::ftruncate(file->get(), static_cast<off_t>(ahead.offset)) != 0) {
    return failErrno("cut off a torn record");
  }
  TRY(sys::sync(*file));
  return false;
}

Result<std::string> EventLog::bootId() {
  if (const auto state = readState()) return state->chain.bootId;
  if (const auto ahead = readAhead(); ahead && *ahead) return (*ahead)->bootId;
  const std::optional<Fd> file = TRY(openLog(O_RDONLY));
  if (!file) return std::string();
  const std::string text = TRY(sys::readAll(*file, limits::kEventLogBytes));
  const auto first = parseRecord(std::string_view(text).substr(0, text.find('\n') + 1));
  return first ? textField(first->event, "boot_id") : std::string();
}

std::optional<LogState> EventLog::readState() {
  const auto text = readOptional(kState, limits::kEventStateBytes);
  if (!text || !*text) return std::nullopt;
  const auto json = parseCanonical(**text, kDepth, "the state");
  if (!json) return std::nullopt;
  Members members(*json);
  LogState state;
  state.bytes = members.number("bytes");
  state.chain = Chain{.records = members.number("records"),
                      .pcr = static_cast<std::uint32_t>(members.number("pcr") & 0xff),
                      .values = members.banks("values"),
                      .bootId = members.text("boot_id"),
                      .firstAnchor = members.text("first_anchor"),
                      .anchor = members.text("anchor"),
                      .engine = members.text("engine"),
                      .policy = members.text("policy"),
                      .trust = members.text("trust")};
  const Json* images = members.find("images");
  if (images == nullptr || !images->is_array() || members.wrong()) return std::nullopt;
  for (const Json& image : *images) {
    if (!image.is_string()) return std::nullopt;
    state.images.insert(image.get<std::string>());
  }
  return state;
}

Result<LogState> EventLog::load() {
  const std::uint64_t bytes = TRY(length());
  if (bytes == 0) return LogState{};
  if (auto state = readState(); state && state->bytes == bytes) return std::move(*state);
  return reload();
}

Result<LogState> EventLog::reload() {
  sweep();
  LogState state;
  const std::optional<Fd> file = TRY(openLog(O_RDONLY));
  if (!file) return state;
  const std::string text = TRY(sys::readAll(*file, limits::kEventLogBytes));
  auto added = forEachElement(text, [&](std::string_view element) -> Result<void> {
    const Record record =
        TRY(inContext(parseRecord(element), "record " + std::to_string(state.chain.records)));
    return state.add(record, element.size());
  });
  if (!added) return std::unexpected(std::move(added.error()));
  return state;
}

// Removes the temporary files of processes that died between creating and renaming one.
void EventLog::sweep() {
  const auto names = sys::list(directory_);
  if (!names) return;
  for (const std::string& name : *names) {
    for (const char* of : {kState, kAhead, kPoison}) {
      if (name.starts_with(std::string(".") + of + ".")) static_cast<void>(remove(name.c_str()));
    }
  }
}

Result<void> EventLog::saveState(const LogState& state) {
  return replace(kState, canonical({{"anchor", state.chain.anchor},
                                    {"boot_id", state.chain.bootId},
                                    {"bytes", state.bytes},
                                    {"engine", state.chain.engine},
                                    {"first_anchor", state.chain.firstAnchor},
                                    {"images", Json(state.images)},
                                    {"pcr", state.chain.pcr},
                                    {"policy", state.chain.policy},
                                    {"records", state.chain.records},
                                    {"trust", state.chain.trust},
                                    {"values", banksJson(state.chain.values)}}));
}

Result<std::optional<WriteAhead>> EventLog::readAhead() {
  const auto text = TRY(readOptional(kAhead, 2 * limits::kEventRecordBytes));
  if (!text) return std::nullopt;
  const Json json = TRY(parseCanonical(*text, kDepth, "the write-ahead note"));
  Members members(json);
  WriteAhead ahead{.bootId = members.text("boot_id"),
                   .offset = members.number("offset"),
                   .anchored = members.flag("anchored"),
                   .before = members.banks("before"),
                   .after = members.banks("after"),
                   .line = members.text("line")};
  if (members.wrong()) return damaged("the write-ahead note is not ours");
  const Record record = TRY(inContext(parseRecord(ahead.line), "the write-ahead note"));
  if (!sameShape(ahead.before, record.digests) ||
      extended(ahead.before, record.digests) != ahead.after) {
    return damaged("the write-ahead note does not agree with itself");
  }
  return ahead;
}

Result<void> EventLog::writeAhead(const WriteAhead& ahead) {
  return replace(kAhead, canonical({{"after", banksJson(ahead.after)},
                                    {"anchored", ahead.anchored},
                                    {"before", banksJson(ahead.before)},
                                    {"boot_id", ahead.bootId},
                                    {"line", ahead.line},
                                    {"offset", ahead.offset}}));
}

Result<void> EventLog::dropAhead() { return remove(kAhead); }

Result<std::optional<Poison>> EventLog::readPoison() {
  const auto text = TRY(readOptional(kPoison, limits::KiB * 64));
  if (!text) return std::nullopt;
  const Json json = TRY(parseCanonical(*text, kDepth, "the poison mark"));
  Members members(json);
  Poison poison{members.text("boot_id"), members.text("reason")};
  if (members.wrong()) return damaged("the poison mark is not ours");
  return poison;
}

Result<void> EventLog::writePoison(const Poison& poison) {
  return replace(kPoison, canonical({{"boot_id", poison.bootId}, {"reason", poison.reason}}));
}

Result<void> EventLog::expectRoom(const LogState& state, std::size_t size) {
  if (state.bytes + size + limits::kEventRecordBytes <= limits::kEventLogBytes) return {};
  return full();
}

Result<void> EventLog::append(LogState& state, const std::string& line) {
  const Record record = TRY(parseRecord(line));
  if (state.bytes + line.size() > limits::kEventLogBytes) return full();
  TRY(state.add(record, line.size()));
  const Fd file =
      TRY(sys::openBeneath(directory_, component(kLog), O_WRONLY | O_APPEND | O_CREAT, kFileMode));
  if (state.bytes == line.size() && ::fchmod(file.get(), kFileMode) != 0) {
    return failErrno("make the measurement log readable to its group");  // whatever the umask was
  }
  if (isFaultPoint("torn")) {
    TRY(sys::writeAll(file, std::string_view(line).substr(0, line.size() / 2)));
    dieAt("torn");
  }
  TRY(sys::writeAll(file, line));
  return sys::sync(file);
}

Result<void> EventLog::archive(const std::string& suffix) {
  const Component log = component(kLog);
  for (std::size_t number = 0; number < limits::kEventLogArchives; ++number) {
    const std::string name =
        "events-" + suffix + (number == 0 ? "" : "." + std::to_string(number)) + ".cel";
    auto renamed =
        sys::rename(directory_, log, directory_, TRY(Component::parse(name)), RENAME_NOREPLACE);
    if (!renamed && renamed.error().number() == EEXIST) continue;
    if (!renamed && renamed.error().number() != ENOENT) return renamed;
    TRY(remove(kAhead));
    TRY(remove(kState));
    TRY(remove(kPoison));
    sweep();
    return {};
  }
  return fail(ErrorKind::Failed, "too many old measurement logs: move them elsewhere");
}

}  // namespace airlock::tpm
