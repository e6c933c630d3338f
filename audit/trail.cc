// SPDX-License-Identifier: Apache-2.0
#include "audit/trail.h"

#include "audit/journal.h"
#include "audit/linux_audit.h"

namespace airlock::audit {

namespace {
constexpr const char* kForRootAlone = "for root alone: there is no group airlock-audit";

std::unexpected<Error> notWritable(const std::string& problem) {
  return refuse(ErrorKind::Unsupported, "E_AUDIT",
                "policy requires audit, and the record cannot be written: " + problem,
                "Nothing was done. Make room, or mend the directory audit of the data directory");
}
}  // namespace

void Trail::govern(InForce inForce, bool required) {
  required_ = required;
  entry.policy = inForce.policy.text();
  entry.trust = inForce.trust.text();
  inForce_ = std::move(inForce);
}

// The content is kept before the line that names it.
Result<void> Trail::noteChanges(Record& record) {
  const auto note = [&](const char* op, const ContentDigest& before, const ContentDigest& now,
                        const std::string& content) -> Result<void> {
    TRY(record.keep(now, content));
    Entry change{.op = op, .subject = {}, .policy = entry.policy, .trust = entry.trust};
    change.subject.text("digest", now.text());
    if (!before.isZero()) change.subject.text("before", before.text());
    change.code = kDone;
    const Written written = TRY(record.append(change, Durable::Now));
    tellJournal(change, written);
    return {};
  };
  const ContentDigest policy = record.end().policy;
  if (policy != inForce_->policy) {
    record.setPolicy(inForce_->policy);
    TRY(note("policy", policy, inForce_->policy, inForce_->policyContent));
  }
  const ContentDigest trust = record.end().trust;
  if (trust != inForce_->trust) {
    record.setTrust(inForce_->trust);
    TRY(note("trust", trust, inForce_->trust, inForce_->trustContent));
  }
  return {};
}

Result<Written> Trail::write(Durable durable) {
  const auto written = [&]() -> Result<Written> {
    Record record = TRY(Record::open(top_));
    if (inForce_) TRY(noteChanges(record));
    Written line = TRY(record.append(entry, durable));
    detail_ = "line " + std::to_string(line.sequence);
    if (!record.readable()) detail_ += std::string(", ") + kForRootAlone;
    if (record.cut()) detail_ += "; lines before it have been taken away";
    return line;
  }();
  problem_ = written ? std::string() : written.error().text();
  if (!written) return written;
  tellJournal(entry, *written);
  tellKernel(entry);
  return written;
}

Result<void> Trail::probe() {
  const auto record = Record::open(top_);
  problem_ = record ? std::string() : record.error().text();
  if (record && !record->readable()) detail_ = kForRootAlone;
  if (record || !required_) return {};
  return notWritable(problem_);
}

Result<std::string> Trail::allow() {
  entry.code = kAllowed;
  const auto written = write(Durable::Now);
  if (written) {
    decided_ = written->sequence;
    return written->digest.text();
  }
  if (!required_) return std::string();
  return notWritable(problem_);
}

void Trail::close(const Error* error) {
  const Error lacking =
      Error(ErrorKind::Missing, "other images are needed first").withCode("E_DEPENDENCIES");
  if (error == nullptr && entry.lacks) error = &lacking;
  const bool more = !entry.layers.empty() || !entry.measure.empty();
  if (error == nullptr && (quiet_ || (decided_ && !more))) return;
  entry.of = decided_;
  entry.code = error == nullptr        ? std::string(kDone)
               : error->code().empty() ? std::string(kNoCode)
                                       : error->code();
  entry.text = error == nullptr ? std::string() : error->message();
  // A line of its own must last; one that adds to another lasts with the next.
  static_cast<void>(write(decided_ || error != nullptr ? Durable::WithTheNext : Durable::Now));
}

ipc::Layer Trail::layer() const {
  if (problem_.empty())
    return {"audit", true, detail_.empty() ? "each decision is recorded" : detail_};
  return {"audit", false, problem_};
}

}  // namespace airlock::audit
