// SPDX-License-Identifier: Apache-2.0
#include "audit/page.h"

#include "audit/page_style.h"
#include "base/log.h"

namespace airlock::audit::page {

std::string text(std::string_view text) {
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

std::string code(std::string_view words) { return "<code>" + text(words) + "</code>"; }

std::string soft(std::string_view words) {
  return "<span class=\"soft\">" + text(words) + "</span>";
}

std::string tag(Tag kind, std::string_view words) {
  const char* name = kind == Tag::Good ? "good" : kind == Tag::Warn ? "warn" : "bad";
  return std::string("<span class=\"tag ") + name + "\">" + text(words) + "</span>";
}

std::string list(const std::vector<std::string>& items) {
  if (items.empty()) return soft("none");
  std::string html = "<ul>";
  for (const std::string& item : items) html += "<li>" + item + "</li>";
  return html + "</ul>";
}

std::string row(const std::vector<std::string>& cells) {
  std::string html = "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i)
    html += (i == 0 ? "<td class=\"time\">" : "<td>") + cells[i] + "</td>";
  return html + "</tr>";
}

std::string table(const std::vector<const char*>& heads, const std::vector<std::string>& rows,
                  const char* nothing) {
  if (rows.empty()) return "<p>" + soft(nothing) + "</p>\n";
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const char* head : heads) html += std::string("<th>") + head + "</th>";
  html += "</tr></thead><tbody>\n";
  for (std::size_t i = 0; i < rows.size() && i < kMostRows; ++i) html += rows[i] + "\n";
  html += "</tbody></table></div>\n";
  if (rows.size() > kMostRows)
    html += "<p>" + soft("and " + std::to_string(rows.size() - kMostRows) + " more") + "</p>\n";
  return html;
}

std::string cards(const std::vector<Card>& cards) {
  std::string html = "<div class=\"cards\">";
  for (const Card& card : cards)
    html += "<div class=\"card\"><b>" + std::to_string(card.count) + "</b>" + text(card.what) +
            "</div>\n";
  return html + "</div>\n";
}

std::string whole(const Whole& page) {
  // The policy of the page itself: nothing is loaded, nothing runs.
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
         "style-src 'unsafe-inline'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
         text(page.title) + "</title>\n<style>" + kStyle + "</style></head>\n<body><main>\n<h1>" +
         text(page.title) + "</h1>\n" + page.below + page.body + "<footer>" + page.footer +
         "</footer>\n</main></body></html>\n";
}

}  // namespace airlock::audit::page
