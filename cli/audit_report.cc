// SPDX-License-Identifier: Apache-2.0
#include "cli/audit_report.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "cli/audit_lines.h"
#include "cli/audit_report_style.h"

namespace airlock::cli {

namespace {

using audit::Line;
using Json = nlohmann::json;

constexpr std::size_t kMostRows = 5000;  // of one table: a browser shows more only slowly
constexpr std::size_t kSecondsOfTime = 19;

std::string tag(const char* kind, const std::string& text) {
  return std::string("<span class=\"tag ") + kind + "\">" + htmlText(text) + "</span>";
}
std::string code(const std::string& text) { return "<code>" + htmlText(text) + "</code>"; }
std::string items(const std::vector<std::string>& each) {
  if (each.empty()) return "<span class=\"soft\">none</span>";
  std::string list = "<ul>";
  for (const std::string& one : each) list += "<li>" + one + "</li>";
  return list + "</ul>";
}
std::string timeOf(const Line& line) {
  std::string time = line.word("time").substr(0, kSecondsOfTime);
  if (time.size() == kSecondsOfTime) time[10] = ' ';
  return htmlText(time);
}
std::string resultTag(const Line& line) {
  if (line.torn) return tag("warn", "torn");
  return tag(line.refused() ? "bad" : "good", line.code());
}

std::string table(const std::vector<const char*>& heads, const std::vector<std::string>& rows,
                  const char* nothing) {
  if (rows.empty()) return std::string("<p class=\"soft\">") + nothing + "</p>\n";
  std::string text = "<div class=\"scroll\"><table><thead><tr>";
  for (const char* head : heads) text += std::string("<th>") + head + "</th>";
  text += "</tr></thead><tbody>\n";
  for (std::size_t i = 0; i < rows.size() && i < kMostRows; ++i) text += rows[i] + "\n";
  text += "</tbody></table></div>\n";
  if (rows.size() > kMostRows)
    text += "<p class=\"soft\">and " + std::to_string(rows.size() - kMostRows) +
            " more: narrow the range</p>\n";
  return text;
}
std::string row(const std::vector<std::string>& cells) {
  std::string text = "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i)
    text += (i == 0 ? "<td class=\"time\">" : "<td>") + cells[i] + "</td>";
  return text + "</tr>";
}

// A start, and what came of it.
struct Started {
  const Line* decided;
  const Line* outcome = nullptr;
};

class Page {
 public:
  Page(const ReportHead& head, const std::vector<Line>& lines) : head_(head), lines_(lines) {
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
    return top() + cards() + strip() + ran() + signers() + notEnforced() + refusals() + timeline() +
           bottom();
  }

 private:
  std::string top() const {
    // The policy of the page itself: nothing is loaded, nothing runs.
    return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
           "style-src 'unsafe-inline'\">\n"
           "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
           "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Audit of " +
           htmlText(head_.host) + "</title>\n<style>" + kReportStyle +
           "</style></head>\n<body><main>\n<h1>Audit of " + htmlText(head_.host) +
           "</h1>\n<p class=\"soft\">What ran here, who signed it, and what was not enforced" +
           (head_.range.empty() ? "" : " · " + htmlText(head_.range)) + " · made " +
           htmlText(head_.made) + "</p>\n";
  }

  std::string cards() const {
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
    const auto card = [](std::size_t count, const char* what) {
      return "<div class=\"card\"><b>" + std::to_string(count) + "</b>" + what + "</div>\n";
    };
    return "<div class=\"cards\">" + card(started_.size(), "starts allowed") +
           card(images.size(), "images") + card(keys.size(), "signing keys") +
           card(users.size(), "users") + card(missing, "starts with a layer missing") +
           card(refused_, "refused or failed") + "</div>\n";
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
    std::string text =
        "<h2>This boot</h2>\n<svg viewBox=\"0 0 1000 56\" preserveAspectRatio=\"none\" "
        "role=\"img\" "
        "aria-label=\"each decision of the latest boot in its time\">\n";
    std::size_t drawn = 0;
    for (const Line& line : lines_) {
      if (line.torn || line.word("boot") != boot || ++drawn > kMostRows) continue;
      const bool change = line.word("op") == "policy" || line.word("op") == "trust";
      const auto x =
          std::to_string(10 + static_cast<int>(980 * (place(line) - least) / (most - least)));
      text += "<line class=\"" +
              std::string(line.refused() ? "t-bad"
                          : change       ? "t-warn"
                                         : "t-good") +
              "\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"" + (line.refused() ? "8" : "20") +
              "\" y2=\"48\"><title>" + timeOf(line) + " " +
              htmlText(line.word("op") + " " + line.code()) + "</title></line>\n";
    }
    return text + "</svg>\n<p class=\"soft\">" + tag("good", "decided") + " " +
           tag("warn", "policy or trust changed") + " " + tag("bad", "refused or failed") +
           "</p>\n";
  }

  std::string ran() const {
    std::vector<std::string> rows;
    for (const Started& start : started_) {
      std::vector<std::string> images;
      for (const Json& app : start.decided->fields["subject"]["apps"]) {
        std::string keys;
        if (app.contains("signers")) {
          for (const Json& signer : app["signers"])
            keys += " " + code(signer["fingerprint"].get<std::string>());
        }
        images.push_back(
            htmlText(app["image_name"].get<std::string>()) + "<br>" +
            code(app["image"].get<std::string>()) + "<br>" +
            (app["verified"].get<bool>() ? "signed by" + keys : tag("bad", "not verified")));
      }
      std::vector<std::string> weak;
      for (const std::string& each : weakeningsOf(*start.decided))
        weak.push_back(tag("warn", each));
      const Line& result = start.outcome != nullptr ? *start.outcome : *start.decided;
      const std::string pod = start.decided->subject("pod");
      rows.push_back(row(
          {timeOf(*start.decided),
           "<code class=\"id\">" + htmlText(pod) + "</code><br>" +
               htmlText(start.decided->word("op")) + ", asked by " +
               htmlText(userOf(*start.decided)) + "<br><span class=\"soft\">allowed by</span> " +
               code(start.decided->word("rule")),
           items(images), items(weak), measured(result),
           start.outcome != nullptr ? resultTag(result) : tag("warn", "no outcome")}));
    }
    return "<h2>What ran</h2>\n" + table({"time (UTC)", "pod", "images and signers",
                                          "weaker than usual", "measured", "result"},
                                         rows, "Nothing was started.");
  }

  static std::string measured(const Line& line) {
    if (!line.fields.contains("measure")) return tag("warn", "no");
    const Json& measure = line.fields["measure"];
    const std::string anchor = measure.value("anchor", "none");
    const std::string text = anchor == "hardware"   ? "hardware TPM"
                             : anchor == "software" ? "software TPM"
                                                    : "logged only";
    return tag(anchor == "hardware" ? "good" : "warn", text) + "<br>record " +
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
      for (const std::string& image : key.images) images.push_back(htmlText(image));
      rows.push_back(row({code(fingerprint), htmlText(key.user), htmlText(key.kind), items(images),
                          std::to_string(key.starts)}));
    }
    return "<h2>Who signed</h2>\n" + table({"key", "says to be of", "kind", "images", "starts"},
                                           rows, "No signature was accepted.");
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
      rows.push_back(row({tag("warn", layer.substr(0, colon)), htmlText(layer.substr(colon + 2)),
                          std::to_string(facts.first), facts.second}));
    }
    return "<h2>What was not enforced</h2>\n" +
           table({"layer", "why", "starts without it", "first"}, rows,
                 "Every layer held at every start.");
  }

  std::string refusals() const {
    std::vector<std::string> rows;
    for (const Line& line : lines_) {
      if (!line.refused()) continue;
      const Json& result = line.fields["result"];
      rows.push_back(row({timeOf(line), htmlText(line.word("op")), htmlText(userOf(line)),
                          subjectOf(line), resultTag(line), htmlText(result.value("text", ""))}));
    }
    return "<h2>Refused, or gone wrong</h2>\n" +
           table({"time (UTC)", "what", "asked by", "about", "code", "why"}, rows,
                 "Nothing was refused.");
  }

  static std::string subjectOf(const Line& line) {
    std::string text;
    const std::string pod = line.subject("pod");
    if (!pod.empty()) text += code(pod) + " ";
    for (const auto& [id, name] : imagesOf(line)) text += htmlText(name.empty() ? id : name) + " ";
    if (!line.subject("app").empty()) text += htmlText(line.subject("app"));
    if (!line.subject("digest").empty()) text += code(line.subject("digest"));
    return text;
  }

  std::string timeline() const {
    std::vector<std::string> rows;
    for (const Line& line : lines_) {
      rows.push_back(row({timeOf(line), std::to_string(line.number),
                          htmlText(line.torn ? "(a crash has torn this line)" : line.word("op")),
                          htmlText(userOf(line)), subjectOf(line), resultTag(line),
                          code(line.digest.text())}));
    }
    return "<h2>Timeline</h2>\n" + table({"time (UTC)", "line", "what", "asked by", "about",
                                          "result", "digest of the line"},
                                         rows, "There are no lines.");
  }

  std::string bottom() const {
    std::string text = "<footer><p>" + std::to_string(lines_.size()) + " line(s)";
    if (!lines_.empty())
      text += ", " + std::to_string(lines_.front().number) + " to " +
              std::to_string(lines_.back().number) + "; the last is " +
              code(lines_.back().digest.text());
    return text +
           ".</p><p>The chain of these lines was checked when this page was made. The page itself "
           "proves "
           "nothing to somebody who does not trust this host: <code>airlock audit export</code> "
           "does, "
           "with a quote.</p></footer>\n</main></body></html>\n";
  }

  const ReportHead& head_;
  const std::vector<Line>& lines_;
  std::vector<Started> started_;
  std::size_t refused_ = 0;
};

}  // namespace

std::string htmlText(std::string_view text) {
  std::string safe;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string auditReport(const ReportHead& head, const std::vector<Line>& lines) {
  return Page(head, lines).write();
}

}  // namespace airlock::cli
