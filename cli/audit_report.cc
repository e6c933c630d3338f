// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_report.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "audit/page.h"
#include "cli/audit_lines.h"

namespace airlock::cli {

namespace {

using audit::Line;
using audit::page::Tag;
namespace page = audit::page;
using Json = nlohmann::json;

constexpr std::size_t kSecondsOfTime = 19;

std::string timeOf(const Line& line) {
  std::string time = line.word("time").substr(0, kSecondsOfTime);
  if (time.size() == kSecondsOfTime) time[10] = ' ';
  return page::text(time);
}
std::string resultTag(const Line& line) {
  if (line.torn) return page::tag(Tag::Warn, "torn");
  return page::tag(line.refused() ? Tag::Bad : Tag::Good, line.code());
}

// A start, and what came of it.
struct Started {
  const Line* decided;
  const Line* outcome = nullptr;
};

class Report {
 public:
  Report(const ReportHead& head, const std::vector<Line>& lines) : head_(head), lines_(lines) {
    std::map<std::uint64_t, std::size_t> byNumber;
    for (const Line& line : lines) {
      if (line.torn) continue;
      if (line.refused()) ++refused_;
      const bool start = line.fields["subject"].contains("apps") && line.word("op") != "prepare" &&
                         line.word("op") != "app-add";
      if (start && line.code() == "allowed") {
        byNumber[line.number] = started_.size();
        started_.push_back({&line});
      }
      if (!line.fields.contains("of")) continue;
      const auto of = byNumber.find(line.fields["of"].get<std::uint64_t>());
      if (of != byNumber.end()) started_[of->second].outcome = &line;
    }
  }

  std::string write() const {
    return page::whole(
        {.title = "Audit of " + head_.host,
         .below = below(),
         .body = counts() + strip() + ran() + signers() + notEnforced() + refusals() + timeline(),
         .footer = footer()});
  }

 private:
  std::string below() const {
    return "<p class=\"soft\">What ran here, who signed it, and what was not enforced" +
           (head_.range.empty() ? "" : " · " + page::text(head_.range)) + " · made " +
           page::text(head_.made) + "</p>\n";
  }

  std::string counts() const {
    std::set<std::string> images;
    std::set<std::string> keys;
    std::set<std::string> users;
    std::size_t missing = 0;
    for (const Started& start : started_) {
      for (const auto& [id, name] : imagesOf(*start.decided)) images.insert(id);
      for (const std::string& key : signersOf(*start.decided)) keys.insert(key);
      users.insert(userOf(*start.decided));
      if (start.outcome != nullptr && !missingLayers(*start.outcome).empty()) ++missing;
    }
    return page::cards({{started_.size(), "starts allowed"},
                        {images.size(), "images"},
                        {keys.size(), "signing keys"},
                        {users.size(), "users"},
                        {missing, "starts with a layer missing"},
                        {refused_, "refused or failed"}});
  }

  // A stroke for each line, in its time.
  std::string strip() const {
    if (lines_.size() < 2) return {};
    const auto place = [](const Line& line) {
      return line.torn ? 0.0 : static_cast<double>(line.fields["boottime"].get<std::uint64_t>());
    };
    std::string boot;
    double least = 0;
    double most = 0;
    for (const Line& line : lines_) {  // one clock: that of the last boot
      if (line.torn) continue;
      if (line.word("boot") != boot) least = place(line);
      boot = line.word("boot");
      most = place(line);
    }
    if (most <= least) return {};
    std::string html =
        "<h2>This boot</h2>\n<svg viewBox=\"0 0 1000 56\" preserveAspectRatio=\"none\" "
        "role=\"img\" "
        "aria-label=\"each decision of the latest boot in its time\">\n";
    std::size_t drawn = 0;
    for (const Line& line : lines_) {
      if (line.torn || line.word("boot") != boot || ++drawn > page::kMostRows) continue;
      const bool change = line.word("op") == "policy" || line.word("op") == "trust";
      const auto x =
          std::to_string(10 + static_cast<int>(980 * (place(line) - least) / (most - least)));
      html += "<line class=\"" +
              std::string(line.refused() ? "t-bad"
                          : change       ? "t-warn"
                                         : "t-good") +
              "\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" + (line.refused() ? "8" : "20") +
              "\" y2=\"48\"><title>" + timeOf(line) + " " +
              page::text(line.word("op") + " " + line.code()) + "</title></line>\n";
    }
    return html + "</svg>\n<p class=\"soft\">" + page::tag(Tag::Good, "decided") + " " +
           page::tag(Tag::Warn, "policy or trust changed") + " " +
           page::tag(Tag::Bad, "refused or failed") + "</p>\n";
  }

  std::string ran() const {
    std::vector<std::string> rows;
    for (const Started& start : started_) {
      std::vector<std::string> images;
      for (const Json& app : start.decided->fields["subject"]["apps"]) {
        std::string keys;
        if (app.contains("signers")) {
          for (const Json& signer : app["signers"])
            keys += " " + page::code(signer["fingerprint"].get<std::string>());
        }
        images.push_back(page::text(app["image_name"].get<std::string>()) + "<br>" +
                         page::code(app["image"].get<std::string>()) + "<br>" +
                         (app["verified"].get<bool>() ? "signed by" + keys
                                                      : page::tag(Tag::Bad, "not verified")));
      }
      std::vector<std::string> weak;
      for (const std::string& each : weakeningsOf(*start.decided))
        weak.push_back(page::tag(Tag::Warn, each));
      const Line& result = start.outcome != nullptr ? *start.outcome : *start.decided;
      const std::string pod = start.decided->subject("pod");
      rows.push_back(page::row(
          {timeOf(*start.decided),
           "<code class=\"id\">" + page::text(pod) + "</code><br>" +
               page::text(start.decided->word("op")) + ", asked by " +
               page::text(userOf(*start.decided)) + "<br><span class=\"soft\">allowed by</span> " +
               page::code(start.decided->word("rule")),
           page::list(images), page::list(weak), measured(result),
           start.outcome != nullptr ? resultTag(result) : page::tag(Tag::Warn, "no outcome")}));
    }
    return "<h2>What ran</h2>\n" + page::table({"time (UTC)", "pod", "images and signers",
                                                "weaker than usual", "measured", "result"},
                                               rows, "Nothing was started.");
  }

  static std::string measured(const Line& line) {
    if (!line.fields.contains("measure")) return page::tag(Tag::Warn, "no");
    const Json& measure = line.fields["measure"];
    const std::string anchor = measure.value("anchor", "none");
    const std::string words = anchor == "hardware"   ? "hardware TPM"
                              : anchor == "software" ? "software TPM"
                                                     : "logged only";
    return page::tag(anchor == "hardware" ? Tag::Good : Tag::Warn, words) + "<br>record " +
           measure["records"].dump();
  }

  std::string signers() const {
    struct Key {
      std::string user;
      std::string kind;
      std::set<std::string> images;
      std::size_t starts = 0;
    };
    std::map<std::string, Key> keys;
    const auto add = [&](const Json& list, const std::string& image, bool start) {
      for (const Json& signer : list) {
        const auto fingerprint = signer["fingerprint"].get<std::string>();
        Key& key = keys[fingerprint];
        key.user = signer.value("user", key.user);
        // Told of OCI images alone: of an ACI the name of the key tells.
        key.kind =
            signer.value("kind", fingerprint.starts_with("minisign-") ? "minisign" : "openpgp");
        key.images.insert(image);
        key.starts += start ? 1 : 0;
      }
    };
    for (const Line& line : lines_) {
      if (line.torn || line.code() != "allowed") continue;
      const Json& subject = line.fields["subject"];
      if (subject.contains("signers")) add(subject["signers"], line.subject("name"), false);
      if (!subject.contains("apps")) continue;
      for (const Json& app : subject["apps"]) {
        if (app.contains("signers"))
          add(app["signers"], app["image_name"].get<std::string>(), true);
      }
    }
    std::vector<std::string> rows;
    for (const auto& [fingerprint, key] : keys) {
      std::vector<std::string> images;
      for (const std::string& image : key.images) images.push_back(page::text(image));
      rows.push_back(page::row({page::code(fingerprint), page::text(key.user), page::text(key.kind),
                                page::list(images), std::to_string(key.starts)}));
    }
    return "<h2>Who signed</h2>\n" +
           page::table({"key", "says to be of", "kind", "images", "starts"}, rows,
                       "No signature was accepted.");
  }

  std::string notEnforced() const {
    std::map<std::string, std::pair<std::size_t, std::string>> layers;  // starts, first of them
    for (const Started& start : started_) {
      if (start.outcome == nullptr) continue;
      for (const std::string& each : missingLayers(*start.outcome)) {
        auto& [count, first] = layers[each];
        if (count++ == 0) first = timeOf(*start.decided);
      }
    }
    std::vector<std::string> rows;
    for (const auto& [layer, facts] : layers) {
      const auto colon = layer.find(": ");
      rows.push_back(page::row({page::tag(Tag::Warn, layer.substr(0, colon)),
                                page::text(layer.substr(colon + 2)), std::to_string(facts.first),
                                facts.second}));
    }
    return "<h2>What was not enforced</h2>\n" +
           page::table({"layer", "why", "starts without it", "first"}, rows,
                       "Every layer held at every start.");
  }

  std::string refusals() const {
    std::vector<std::string> rows;
    for (const Line& line : lines_) {
      if (!line.refused()) continue;
      const Json& result = line.fields["result"];
      rows.push_back(
          page::row({timeOf(line), page::text(line.word("op")), page::text(userOf(line)),
                     subjectOf(line), resultTag(line), page::text(result.value("text", ""))}));
    }
    return "<h2>Refused, or gone wrong</h2>\n" +
           page::table({"time (UTC)", "what", "asked by", "about", "code", "why"}, rows,
                       "Nothing was refused.");
  }

  static std::string subjectOf(const Line& line) {
    std::string html;
    const std::string pod = line.subject("pod");
    if (!pod.empty()) html += page::code(pod) + " ";
    for (const auto& [id, name] : imagesOf(line))
      html += page::text(name.empty() ? id : name) + " ";
    if (!line.subject("app").empty()) html += page::text(line.subject("app"));
    if (!line.subject("digest").empty()) html += page::code(line.subject("digest"));
    return html;
  }

  std::string timeline() const {
    std::vector<std::string> rows;
    for (const Line& line : lines_) {
      rows.push_back(
          page::row({timeOf(line), std::to_string(line.number),
                     page::text(line.torn ? "(a crash has torn this line)" : line.word("op")),
                     page::text(userOf(line)), subjectOf(line), resultTag(line),
                     page::code(line.digest.text())}));
    }
    return "<h2>Timeline</h2>\n" + page::table({"time (UTC)", "line", "what", "asked by", "about",
                                                "result", "digest of the line"},
                                               rows, "There are no lines.");
  }

  std::string footer() const {
    std::string html = "<p>" + std::to_string(lines_.size()) + " line(s)";
    if (!lines_.empty())
      html += ", " + std::to_string(lines_.front().number) + " to " +
              std::to_string(lines_.back().number) + "; the last is " +
              page::code(lines_.back().digest.text());
    return html +
           ".</p><p>The chain of these lines was checked when this page was made. The page itself "
           "proves nothing to somebody who does not trust this host: "
           "<code>airlock audit export</code> does, with a quote, and "
           "<code>airlock audit verify --html</code> makes a page of that.</p>";
  }

  const ReportHead& head_;
  const std::vector<Line>& lines_;
  std::vector<Started> started_;
  std::size_t refused_ = 0;
};

}  // namespace

std::string auditReport(const ReportHead& head, const std::vector<Line>& lines) {
  return Report(head, lines).write();
}

}  // namespace airlock::cli
