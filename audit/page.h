// SPDX-License-Identifier: Apache-2.0
// The parts of a page for a browser, on which stands what nobody vouches for: no script, nothing
// from a network, every text escaped.  `airlock audit report` and airlock-attest write such pages.
// Functions take text, unless they say that they take HTML; all return HTML.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace airlock::audit::page {

inline constexpr std::size_t kMostRows = 5000;  // of one table: a browser shows more only slowly

// "&" and the like as entities; controls as visible escapes.
std::string text(std::string_view text);
std::string code(std::string_view text);
std::string soft(std::string_view text);
enum class Tag { Good, Warn, Bad };
std::string tag(Tag kind, std::string_view text);

// Each of `items` is HTML.
std::string list(const std::vector<std::string>& items);
// The cells are HTML; the first is not wrapped.
std::string row(const std::vector<std::string>& cells);
// `rows` are of row(); `nothing` is said instead of a table without any.
std::string table(const std::vector<const char*>& heads, const std::vector<std::string>& rows,
                  const char* nothing);
struct Card {
  std::size_t count;
  const char* what;
};
std::string cards(const std::vector<Card>& cards);

// The whole page.  `below`, `body` and `footer` are HTML: what stands below the title, its
// sections, and what the reader is to know of the page itself.
struct Whole {
  std::string title;
  std::string below;
  std::string body;
  std::string footer;
};
std::string whole(const Whole& page);

}  // namespace airlock::audit::page
