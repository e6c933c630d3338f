// SPDX-License-Identifier: Apache-2.0
#include "tpm/measure.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/syscall.h"
#include "tpm/canonical.h"
#include "tpm/event.h"
#include "tpm/event_log.h"
#include "tpm/fault.h"
#include "tpm/tpm.h"
#include "tpm/transport.h"

namespace airlock::tpm {

namespace {

using ipc::MeasureJob;
using ipc::MeasureMode;

// 0-7 belong to the firmware, 8-9 to the boot loader, 10 to IMA, 11-12 to systemd-stub; 16 and 23
// can be reset by anyone, 17-22 cannot be extended from Linux (M06).
constexpr std::uint32_t kFirstRegister = 13;
constexpr std::uint32_t kLastRegister = 15;

// The register that we extend, in every bank.
struct Register {
  Tpm tpm;
  std::uint32_t pcr;
  std::vector<std::uint16_t> banks;
  Banks value;

  Result<void> read() {
    value = TRY(tpm.read(pcr, banks));
    return {};
  }
};

Result<void> checkJob(const MeasureJob& job) {
  if (job.pcr < kFirstRegister || job.pcr > kLastRegister) {
    return refuse(ErrorKind::Invalid, "E_TPM_REGISTER",
                  "register " + std::to_string(job.pcr) + " is not ours to extend",
                  "the policy may say: measure pcr=13, 14 or 15");
  }
  const std::string& boot = job.engine.bootId;
  const bool plain = std::ranges::all_of(
      boot, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-'; });
  if (boot.empty() || boot.size() > 64 || !plain) {
    return refuse(ErrorKind::Invalid, "E_REQUEST", "the boot id is malformed");
  }
  return {};
}

Result<Register> openRegister(const MeasureJob& job, Fd device) {
  if (!job.hasTpm || !device.valid()) {
    return refuse(ErrorKind::Missing, "E_TPM_ABSENT", "this host has no TPM that we could reach",
                  "switch it on in the firmware, or let the policy say \"measure log\"");
  }
  Tpm tpm = TRY(Tpm::open(std::move(device)));
  std::vector<std::uint16_t> banks = TRY(tpm.activeBanks(job.pcr));
  return Register{std::move(tpm), job.pcr, std::move(banks), {}};
}

// Waits for its turn, which may take longer than a TPM may: its time runs from when the start
// began, or from the last record that another start got done meanwhile.  So a TPM that hangs is
// given up by all who wait for it at once, and one that works by nobody.
Result<EventLog> awaitTurn(FdRef directory, Register* reg, std::int64_t began) {
  EventLog log = TRY(EventLog::lock(directory));
  if (reg == nullptr) return log;
  const auto age = TRY(log.age());
  const std::int64_t progress = age ? std::max(began, sys::now() - *age) : began;
  reg->tpm.until(progress + kAnswerMilliseconds);
  return log;
}

// A quote of a log that is not anchored would prove nothing: it is made in no mode.
bool isRequired(const MeasureJob& job) { return job.mode == MeasureMode::Require || job.attest; }

class Measuring {
 public:
  Measuring(const MeasureJob& job, EventLog log, std::optional<Register> reg, std::string trouble)
      : job_(job), log_(std::move(log)), register_(std::move(reg)), trouble_(std::move(trouble)) {}

  Result<void> prepare();
  Result<void> recordAll();
  Result<ipc::Measured> finish();
  Result<ipc::Measured> report();
  Result<void> attest(FdRef directory, const WhileAnchored& then);

 private:
  bool required() const { return isRequired(job_); }
  Result<void> settleFiles();
  Result<void> recover(const WriteAhead& ahead);
  Result<bool> rollForward(const WriteAhead& ahead, bool present);
  Result<void> decideAnchor();
  Result<void> goOnWithout(std::string_view code, const std::string& reason,
                           const std::string& hint);
  Result<void> poison(const std::string& reason);
  Result<void> goOnPoisoned();
  Result<void> writeCap(const std::string& reason);
  Result<void> record(const Event& event);
  Result<std::string> extendRegister(const Banks& digests);
  Result<std::string> readBack(const Banks& after);
  Result<std::string> onlyIfRequired(Result<void> done) const;
  Result<void> recordEngine();
  Result<Event> makeEngineEvent();
  Result<void> describeTpm(EngineContext& context);
  Result<void> findAnchorName();

  const MeasureJob& job_;
  EventLog log_;
  std::optional<Register> register_;
  std::string trouble_;  // why there is no register, or why it is of no use any more
  LogState state_;
  bool anchored_ = false;   // records from now on extend the register
  std::string anchorName_;  // "hardware" or "software", once known
  Tpm::Identity identity_;
  std::optional<std::string> poisoned_;
  std::string interrupted_;  // the pod whose start a crash cut short after it was measured
};

// The mark comes first: whatever happens after it, this boot is not attested again.
Result<void> Measuring::poison(const std::string& reason) {
  TRY(log_.writePoison({job_.engine.bootId, reason}));
  poisoned_ = reason;
  TRY(log_.dropAhead());  // before the cap: nothing may stand after the record that a note is about
  TRY(writeCap(reason));
  return goOnPoisoned();
}

Result<void> Measuring::goOnPoisoned() {
  return goOnWithout("E_TPM_POISONED",
                     "what ran since boot can no longer be attested: " + *poisoned_,
                     "reboot; `airlock tpm log` shows what was recorded");
}

Result<void> Measuring::writeCap(const std::string& reason) {
  if (state_.chain.records == 0) return {};
  const Event cap = capEvent(reason);
  const Record record{state_.chain.records, state_.chain.pcr,
                      digests(state_.chain.values, preimage(cap)), cap};
  if (register_ && sameShape(register_->value, record.digests)) {
    // An attempt: a quote of this register must not pass for the one that the log once led to.
    static_cast<void>(register_->tpm.extend(register_->pcr, record.digests));
    if (auto read = register_->read(); !read) register_.reset();
  }
  return log_.append(state_, encodeRecord(record));
}

// Mode Log only goes on, and says so in the log.
Result<void> Measuring::goOnWithout(std::string_view code, const std::string& reason,
                                    const std::string& hint) {
  if (required()) return refuse(ErrorKind::Denied, code, reason, hint);
  anchored_ = false;
  trouble_ = reason;
  return {};
}

// Brings the files into the state after the last whole record of this boot.
Result<void> Measuring::settleFiles() {
  const std::string boot = TRY(log_.bootId());
  if (!boot.empty() && boot != job_.engine.bootId) {
    TRY(log_.archive(boot));  // M12
  }
  if (const auto mark = TRY(log_.readPoison()); mark && mark->bootId == job_.engine.bootId) {
    poisoned_ = mark->reason;
  }
  const std::optional<WriteAhead> ahead = TRY(log_.readAhead());
  if (ahead && ahead->bootId != job_.engine.bootId) return damaged("the write-ahead note is old");
  const bool present = ahead ? TRY(log_.settle(*ahead)) : false;
  state_ = TRY(log_.load());
  if (!ahead) return {};
  if (state_.bytes != ahead->offset + (present ? ahead->line.size() : 0)) {
    return damaged("the log goes on after the record that was being written");
  }
  return recover(*ahead);
}

// The recovery table of docs/measurement.md.  False: the register holds neither value.
Result<bool> Measuring::rollForward(const WriteAhead& ahead, bool present) {
  if (register_->value == ahead.after) return true;
  if (register_->value != ahead.before || present) return false;
  const Record record = TRY(parseRecord(ahead.line));
  TRY(register_->tpm.extend(register_->pcr, record.digests));
  TRY(register_->read());
  return register_->value == ahead.after;
}

Result<void> Measuring::recover(const WriteAhead& ahead) {
  const Record record = TRY(parseRecord(ahead.line));
  const bool present = state_.chain.records > record.number;
  std::string wrong;
  if (ahead.anchored && register_ && !poisoned_) {
    auto rolled = rollForward(ahead, present);
    if (!rolled && required()) return std::unexpected(std::move(rolled.error()));
    if (!rolled) wrong = rolled.error().message();
    if (rolled && !*rolled) wrong = "the register changed while a record was being written";
  }
  if (!present) TRY(log_.append(state_, ahead.line));
  const std::string& type = record.event.type;
  if (type == "pod" || type == "enter") interrupted_ = textField(record.event, "pod");
  if (!wrong.empty()) return poison(wrong);
  return log_.dropAhead();
}

Result<void> Measuring::decideAnchor() {
  static constexpr char kReboot[] = "reboot: a boot is attested from its first record on, or not";
  if (poisoned_) return goOnPoisoned();
  if (state_.chain.records == 0) {
    if (!register_) return {};
    if (!isZero(register_->value)) {
      return goOnWithout(
          "E_TPM_PCR_USED",
          "register " + std::to_string(job_.pcr) + " was extended by somebody else before us",
          "set measure.register to one that is zero after boot (13, 14 or 15), and "
          "tell whoever verifies; if our own log was deleted, reboot");
    }
    anchored_ = true;
    return {};
  }
  if (!state_.chain.anchoredFromStart()) {
    if (!register_) return {};  // the reason in the log still is the reason
    return goOnWithout("E_TPM_UNANCHORED", "the log of this boot was begun without the register",
                       kReboot);
  }
  if (!register_) return poison(trouble_);
  if (state_.chain.pcr != job_.pcr) {
    return refuse(ErrorKind::Invalid, "E_TPM_REGISTER",
                  "the log of this boot is about register " + std::to_string(state_.chain.pcr) +
                      ", not " + std::to_string(job_.pcr),
                  "set measure.register back, or reboot");
  }
  if (register_->value != state_.chain.values) {
    state_ = TRY(log_.reload());  // the state file may be what is wrong
  }
  if (register_->value != state_.chain.values) {
    const std::string name = "register " + std::to_string(job_.pcr);
    return poison(isZero(register_->value)
                      ? name + " is zero again: the TPM was reset, and the host was not rebooted"
                      : name + " does not hold what the log leads to");
  }
  anchored_ = true;
  return {};
}

Result<void> Measuring::prepare() {
  if (register_) {
    if (auto read = register_->read(); !read) {
      if (required()) return read;
      trouble_ = read.error().message();
      register_.reset();
    }
  }
  auto settled = settleFiles();
  if (!settled && settled.error().code() != "E_TPM_LOG") return settled;
  if (!settled) {
    // A register that is zero says that nothing of this boot was ever anchored in the damaged log.
    const bool fresh = register_ && isZero(register_->value);
    if (required() && !fresh) return settled;
    const std::string reason = settled.error().message();
    TRY(log_.archive("damaged"));
    state_ = LogState{};
    if (!fresh) TRY(poison(reason));
  }
  return decideAnchor();
}

Result<void> Measuring::findAnchorName() {
  if (!register_ || !anchorName_.empty()) return {};
  const std::string& known = state_.chain.anchor;
  if (job_.softwareTpm) {
    anchorName_ = "software";
  } else if (known == "software" || known == "hardware") {
    anchorName_ = known;
  } else {
    auto identified = register_->tpm.identify();
    if (!identified && required()) return std::unexpected(std::move(identified.error()));
    if (identified) identity_ = std::move(*identified);
    // Of a TPM that does not say what it is, the lesser thing is claimed.
    anchorName_ = !identified || identity_.software ? "software" : "hardware";
  }
  return {};
}

Result<void> Measuring::describeTpm(EngineContext& context) {
  context.before = register_->value;
  if (identity_.manufacturer.empty()) identity_ = TRY(register_->tpm.identify());
  context.tpm = identity_.manufacturer + ' ' + identity_.vendor;
  const Tpm::Counters counters = TRY(register_->tpm.counters());
  context.resets = counters.resets;
  context.restarts = counters.restarts;
  return {};
}

Result<Event> Measuring::makeEngineEvent() {
  EngineContext context;
  context.mode = job_.mode;
  context.anchor = anchored_ ? anchorName_ : "none";
  if (!anchored_) context.anchorReason = trouble_;
  Event event = engineEvent(job_.engine, context);
  if (fingerprint(event) == state_.chain.engine || !register_) return event;
  auto described = describeTpm(context);
  if (!described && required()) return std::unexpected(std::move(described.error()));
  return engineEvent(job_.engine, context);
}

// In mode Log a TPM that fails is a reason for the log; in mode Require it is an error.
Result<std::string> Measuring::onlyIfRequired(Result<void> done) const {
  if (done) return std::string();
  if (required()) return std::unexpected(std::move(done.error()));
  return done.error().message();
}

Result<std::string> Measuring::extendRegister(const Banks& eventDigests) {
  return onlyIfRequired(register_->tpm.extend(register_->pcr, eventDigests));
}

Result<std::string> Measuring::readBack(const Banks& after) {
  std::string wrong = TRY(onlyIfRequired(register_->read()));
  if (wrong.empty() && register_->value != after) {
    wrong = "somebody else extended register " + std::to_string(register_->pcr) +
            " while a record was being written";
  }
  return wrong;
}

// The order of these steps is what makes the log and the register agree after a crash at any of
// them.
Result<void> Measuring::record(const Event& event) {
  Banks before = anchored_ ? register_->value : state_.chain.values;
  if (before.empty()) before = {{kSha256, Bytes(findHash(kSha256)->bytes)}};
  const Banks eventDigests = digests(before, preimage(event));
  const Banks after = extended(before, eventDigests);
  const std::uint32_t pcr = state_.chain.records == 0 ? job_.pcr : state_.chain.pcr;
  const std::string line = encodeRecord(Record{state_.chain.records, pcr, eventDigests, event});
  std::string wrong;

  TRY(EventLog::expectRoom(state_, line.size()));  // never extend what cannot be logged
  TRY(log_.writeAhead({job_.engine.bootId, state_.bytes, anchored_, before, after, line}));
  dieAt("wal");
  if (anchored_) wrong = TRY(extendRegister(eventDigests));
  dieAt("extend");
  TRY(log_.append(state_, line));
  dieAt("log");
  if (anchored_ && wrong.empty()) wrong = TRY(readBack(after));
  dieAt("readback");
  if (!wrong.empty()) TRY(poison(wrong));
  TRY(log_.dropAhead());
  if (register_) register_->tpm.until(sys::now() + kAnswerMilliseconds);  // for the next record
  dieAt("unlink");
  return {};
}

Result<void> Measuring::recordEngine() {
  const Event engine = TRY(makeEngineEvent());
  if (fingerprint(engine) != state_.chain.engine) TRY(record(engine));
  return {};
}

Result<void> Measuring::recordAll() {
  TRY(findAnchorName());
  TRY(recordEngine());
  const Event policy = policyEvent(job_.engine);
  if (fingerprint(policy) != state_.chain.policy) TRY(record(policy));
  const Event trust = trustEvent(job_.engine);
  if (fingerprint(trust) != state_.chain.trust) TRY(record(trust));
  if (!interrupted_.empty()) {
    const std::string pod = std::exchange(interrupted_, {});
    TRY(record(abortEvent(pod, "measured, then interrupted before the start")));
  }
  for (const ipc::ImageFacts& facts : job_.images) {
    const Event image = imageEvent(facts);
    if (!state_.images.contains(fingerprint(image))) TRY(record(image));
  }
  if (job_.event) TRY(record(jobEvent(*job_.event)));
  return recordEngine();  // says so when the register was lost on the way
}

Result<ipc::Measured> Measuring::finish() {
  TRY(log_.saveState(state_));
  dieAt("state");
  ipc::Measured measured;
  measured.records = state_.chain.records;
  if (register_) measured.banks = bankTexts(register_->value);
  measured.anchor = anchored_ ? anchorName_ : "none";
  return measured;
}

Result<void> Measuring::attest(FdRef directory, const WhileAnchored& then) {
  if (!anchored_ || !register_ || register_->value != state_.chain.values) {
    return refuse(ErrorKind::Failed, "E_TPM_UNANCHORED", "the log of this boot is not anchored");
  }
  return then({register_->tpm, register_->pcr, register_->banks, register_->value, anchorName_,
               state_.bytes, directory});
}

// Changes nothing: no recovery, no archive, no mark.
Result<ipc::Measured> Measuring::report() {
  if (register_) {
    if (auto read = register_->read(); !read) return std::unexpected(std::move(read.error()));
  }
  state_ = TRY(log_.load());
  const auto mark = TRY(log_.readPoison());
  const bool poisoned = mark && mark->bootId == job_.engine.bootId;
  const bool ours = register_ && register_->value == state_.chain.values &&
                    state_.chain.bootId == job_.engine.bootId && state_.chain.anchor != "none";
  const bool fresh = register_ && state_.chain.records == 0 && isZero(register_->value);
  if (!poisoned && (ours || fresh)) TRY(findAnchorName());
  ipc::Measured measured;
  measured.records = state_.chain.records;
  if (register_) measured.banks = bankTexts(register_->value);
  measured.anchor = anchorName_.empty() ? "none" : anchorName_;
  return measured;
}

}  // namespace

Result<ipc::Measured> measure(const ipc::MeasureJob& job, FdRef directory, Fd device) {
  TRY(checkJob(job));
  if (job.mode == MeasureMode::Off && !job.readOnly) return ipc::Measured{0, {}, "none"};

  // The first command goes out before the lock is taken.  swtpm serves one connection at a time:
  // who waited for the lock with the only served connection would keep the holder of the lock from
  // ever being answered.
  const std::int64_t began = sys::now();
  auto opened = openRegister(job, std::move(device));
  const bool absent = !opened && opened.error().code() == "E_TPM_ABSENT";
  if (!opened && !(job.readOnly && absent) && (isRequired(job) || job.readOnly)) {
    return std::unexpected(std::move(opened.error()));
  }
  std::optional<Register> reg;
  if (opened) reg = std::move(*opened);
  std::string trouble = opened ? std::string() : opened.error().message();

  EventLog log = TRY(awaitTurn(directory, reg ? &*reg : nullptr, began));
  Measuring measuring(job, std::move(log), std::move(reg), std::move(trouble));
  if (job.readOnly) return measuring.report();
  TRY(measuring.prepare());
  TRY(measuring.recordAll());
  return measuring.finish();
}

Result<void> whileAnchored(const ipc::MeasureJob& job, FdRef directory, Fd device,
                           const WhileAnchored& then) {
  TRY(checkJob(job));
  if (job.mode == MeasureMode::Off) {
    return refuse(ErrorKind::Unsupported, "E_ATTEST_OFF",
                  "nothing is measured on this host, so there is nothing to quote",
                  "let the policy say \"measure mode=log\" or \"mode=require\", and reboot");
  }
  const std::int64_t began = sys::now();
  Register reg = TRY(openRegister(job, std::move(device)));
  EventLog log = TRY(awaitTurn(directory, &reg, began));
  Measuring measuring(job, std::move(log), std::move(reg), {});
  TRY(measuring.prepare());
  TRY(measuring.recordAll());
  TRY(measuring.finish());
  return measuring.attest(directory, then);
}

}  // namespace airlock::tpm
