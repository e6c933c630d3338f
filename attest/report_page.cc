// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>
#include <utility>

#include "attest/report.h"
#include "attest/report_words.h"
#include "audit/page.h"

namespace airlock::attest {

namespace {

using audit::page::Tag;
namespace page = audit::page;

constexpr std::size_t kShortId = 19;  // "sha512-" and twelve digits

std::string verdict(const Appraisal& appraisal) {
  if (!appraisal.refusal) {
    return page::tag(Tag::Good, "accepted") + " the evidence is whole and of this key" +
           (isFresh(appraisal) ? ", and answers this nonce" : "");
  }
  return page::tag(Tag::Bad, "refused") + " " + page::text(appraisal.refusal->message()) + " " +
         page::code(appraisal.refusal->code());
}

std::string below(const Appraisal& appraisal) {
  std::string html = "<p>" + verdict(appraisal) + "</p>\n";
  if (appraisal.refusal && !appraisal.refusal->hint().empty())
    html += "<p>" + page::soft(appraisal.refusal->hint()) + "</p>\n";
  if (!appraisal.key.empty()) html += "<p>key " + page::code(appraisal.key) + "</p>\n";
  if (appraisal.history && !appraisal.history->engines.empty())
    html += "<p>boot " + page::code(appraisal.history->engines.front().bootId) + "</p>\n";
  if (appraisal.refusal) return html;
  return html + "<p>TPM " +
         page::tag(appraisal.software ? Tag::Warn : Tag::Good,
                   appraisal.software ? "software" : "hardware") +
         " " + page::text(appraisal.certificate) + "</p>\n<p>" + page::soft(freshness(appraisal)) +
         "</p>\n";
}

std::string counts(const Appraisal& appraisal) {
  const History& history = *appraisal.history;
  std::set<std::string> images;
  std::set<std::string> keys;
  std::set<std::uint64_t> users;
  for (const ImageRecord& image : history.images) {
    images.insert(image.image);
    keys.insert(image.signers.begin(), image.signers.end());
  }
  for (const PodRecord& pod : history.pods) users.insert(pod.callerUid);
  return page::cards({{history.pods.size(), "starts measured"},
                      {images.size(), "images"},
                      {keys.size(), "signing keys"},
                      {users.size(), "users"},
                      {history.enters.size(), "entered"},
                      {appraisal.notes.size(), "things not enforced or not known"}});
}

// By the number of its record.
using Rows = std::map<std::uint64_t, std::string>;

void add(Rows& rows, std::uint64_t number, const char* kind, const std::string& html) {
  rows[number] = page::row({std::to_string(number), page::text(kind), html});
}

std::string describe(const ImageRecord& image, const Appraisal& appraisal) {
  std::string name = image.name;
  for (const auto& [label, value] : image.labels) {
    if (label == "version") name += ':' + value;
  }
  std::string html = page::text(name) + "<br>" + page::code(image.image) + "<br>";
  if (image.insecure) {
    html += page::tag(Tag::Bad, "not verified: no signature was asked for");
  } else {
    html += "signed by";
    for (const std::string& signer : image.signers) html += " " + page::code(signer);
    const bool again = appraisal.verifiedAgain.contains(image.image);
    html += " " + page::tag(again ? Tag::Good : Tag::Warn, signatureOf(image, appraisal));
  }
  if (!image.rule.empty()) html += "<br>" + page::soft("allowed by") + " " + page::code(image.rule);
  html += "<br>" + page::soft("held to its digest by") + " " + page::text(image.content);
  for (const std::string& part : image.dependencies)
    html += "<br>" + page::soft("with") + " " + page::text(part);
  return html;
}

// A line of its own below what was decided.
std::string byWhat(const Decision* decision) {
  if (decision == nullptr || decision->rule.empty()) return {};
  return "<br>" + page::soft("allowed by") + " " + page::code(decision->rule);
}

std::string describe(const PodRecord& pod, const Appraisal& appraisal) {
  const History& history = *appraisal.history;
  const Decision* decision = decisionOf(appraisal, pod.number);
  std::vector<std::string> apps;
  for (const auto& [app, id] : pod.apps) {
    const ImageRecord* image = history.imageBefore(id, pod.number);
    apps.push_back(page::text(app) + " = " +
                   (image != nullptr ? page::text(image->name) + " " : std::string()) +
                   page::code(id.substr(0, kShortId)));
  }
  std::string html = "<code class=\"id\">" + page::text(pod.pod) + "</code><br>started " +
                     byWhom(pod.callerUid, decision) + ", network " + page::text(pod.network) +
                     ", stage1 " + page::text(pod.stage1);
  for (const std::string& volume : pod.volumes) html += ", volume " + page::code(volume);
  return html + byWhat(decision) + "<br>" + page::list(apps);
}

std::string ran(const Appraisal& appraisal) {
  const History& history = *appraisal.history;
  Rows rows;
  for (const EngineRecord& engine : history.engines)
    add(rows, engine.number, "engine",
        page::text("airlock " + engine.version + ", measurement " + engine.mode + ", " +
                   engine.anchor + " TPM (" + engine.tpm + ")"));
  for (const PolicyRecord& policy : history.policies)
    add(rows, policy.number, "policy", page::code(policy.policy));
  for (const TrustRecord& trust : history.trusts) {
    std::vector<std::string> keys;
    for (const auto& [scope, key] : trust.keys)
      keys.push_back(page::code(key) + " " + page::soft(scope.empty() ? "for all names" : scope));
    add(rows, trust.number, "trust", page::list(keys));
  }
  for (const ImageRecord& image : history.images)
    add(rows, image.number, "image", describe(image, appraisal));
  for (const PodRecord& pod : history.pods) add(rows, pod.number, "pod", describe(pod, appraisal));
  for (const EnterRecord& enter : history.enters) {
    const Decision* decision = decisionOf(appraisal, enter.number);
    add(rows, enter.number, "enter",
        "<code class=\"id\">" + page::text(enter.pod) + "</code> " + page::text(enter.app) + " " +
            byWhom(enter.callerUid, decision) + byWhat(decision));
  }
  for (const AbortRecord& abort : history.aborts)
    add(rows, abort.number, "abort",
        "<code class=\"id\">" + page::text(abort.pod) +
            "</code> did not start: " + page::text(abort.reason));
  std::vector<std::string> sorted;
  for (auto& [number, row] : rows) sorted.push_back(std::move(row));
  return std::string(isProved(appraisal)
                         ? "<h2>What ran, in this order</h2>\n"
                         : "<h2>What the log says, which is not to be believed</h2>\n") +
         page::table({"record", "what", "of what"}, sorted, "Nothing was started.");
}

std::string signers(const Appraisal& appraisal) {
  std::map<std::string, std::map<std::string, std::string>> keys;  // key, image name, how known
  for (const ImageRecord& image : appraisal.history->images) {
    for (const std::string& key : image.signers)
      keys[key][image.name] = signatureOf(image, appraisal);
  }
  std::vector<std::string> rows;
  for (const auto& [key, images] : keys) {
    std::vector<std::string> names;
    for (const auto& [name, known] : images)
      names.push_back(page::text(name) + " " + page::soft(known));
    rows.push_back(page::row({page::code(key), page::list(names)}));
  }
  return "<h2>Who signed</h2>\n" + page::table({"key", "images"}, rows, "No image was signed.");
}

std::string notes(const Appraisal& appraisal) {
  std::vector<std::string> rows;
  for (const std::string& note : appraisal.notes)
    rows.push_back("<tr><td>" + page::text(note) + "</td></tr>");
  return "<h2>What was not enforced, or is not known</h2>\n" +
         page::table({"what"}, rows, "Nothing is left open.");
}

std::string checks(const Appraisal& appraisal) {
  std::vector<std::string> rows;
  for (const Check& check : appraisal.checks) {
    const Tag kind = check.outcome == Check::Outcome::Passed   ? Tag::Good
                     : check.outcome == Check::Outcome::Failed ? Tag::Bad
                                                               : Tag::Warn;
    rows.push_back(page::row({page::text(check.name), page::tag(kind, outcomeName(check.outcome)),
                              page::text(check.detail)}));
  }
  return "<h2>Checks, in their order</h2>\n" +
         page::table({"check", "result", "found"}, rows, "None was made.");
}

}  // namespace

std::string pageReport(const Appraisal& appraisal) {
  std::string body;
  if (appraisal.history) body += counts(appraisal) + ran(appraisal) + signers(appraisal);
  body += notes(appraisal) + checks(appraisal);
  return page::whole(
      {.title = "What a host has run",
       .below = below(appraisal),
       .body = body,
       .footer =
           "<p>Whoever made this page has checked the evidence with <code>airlock attest "
           "verify</code> or <code>airlock audit verify</code>. The page itself proves nothing: "
           "the evidence does, and it can be checked again.</p>"});
}

}  // namespace airlock::attest
