// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/page.h"

#include <gumbo.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <optional>
#include <span>

#include "base/limits.h"

namespace airlock::fetch {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f";
constexpr std::array<std::string_view, 4> kEmptyElements{"meta", "link", "base", "!doctype"};
constexpr std::array<std::string_view, 6> kElementsWithContent{"title",    "style",    "script",
                                                               "noscript", "template", "noframes"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

// The name of the tag at the front of `text` ("<meta …" is "meta", "</head>" is "/head"), in lower
// case.
std::string tagName(std::string_view text) {
  std::string name;
  for (const char c : text.substr(1, limits::kHeadTagBytes)) {
    if (kSpace.contains(c) || c == '>' || (c == '/' && !name.empty())) break;
    name += lower(c);
  }
  return name;
}

// Length of the tag at the front of `text`, over quoted values; nullopt when it does not end in
// time.
std::optional<std::size_t> tagLength(std::string_view text) {
  char quote = '\0';
  for (std::size_t i = 0; i < std::min(text.size(), limits::kHeadTagBytes); ++i) {
    const char c = text[i];
    if (quote != '\0') {
      if (c == quote) quote = '\0';
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '>') {
      return i + 1;
    }
  }
  return std::nullopt;
}

// Where "</NAME" stands in `text`, without regard to case.
std::size_t findEnd(std::string_view text, const std::string& name) {
  const std::string wanted = "</" + name;
  const auto found =
      std::ranges::search(text, wanted, [](char a, char b) { return lower(a) == b; });
  return static_cast<std::size_t>(found.begin() - text.begin());
}

// A scan over the front of a page; `kept` is what the parser will see.
struct Scan {
  std::string_view rest;
  std::string kept;
  bool inHtml = false;
  bool inHead = false;

  // Takes the comment or tag at the front; false: the head ends here.
  bool step() {
    if (rest.starts_with("<!--")) return skipPast("-->");
    const std::string name = tagName(rest);
    const std::optional<std::size_t> length = tagLength(rest);
    if (!length) return false;
    if (contains(kElementsWithContent, name)) {
      rest.remove_prefix(*length);
      rest.remove_prefix(findEnd(rest, name));
      return skipPast(">");
    }
    const bool opensHtml = name == "html" && !std::exchange(inHtml, true);
    const bool opensHead = name == "head" && !std::exchange(inHead, true);
    if (!opensHtml && !opensHead && !contains(kEmptyElements, name)) return false;
    kept += rest.substr(0, *length);
    rest.remove_prefix(*length);
    return true;
  }

  bool skipPast(std::string_view end) {
    const std::size_t found = rest.find(end);
    if (found == rest.npos) return false;
    rest.remove_prefix(found + end.size());
    return true;
  }
};

// Everything of one parse, freed at once: gumbo_destroy_output would recurse as deep as the page
// says.
class Arena {
 public:
  static void* allocate(void* user, std::size_t bytes) {
    auto& blocks = static_cast<Arena*>(user)->blocks_;
    blocks.push_back(std::make_unique<std::max_align_t[]>(bytes / sizeof(std::max_align_t) + 1));
    return blocks.back().get();
  }
  static void deallocate(void*, void*) {}

 private:
  std::vector<std::unique_ptr<std::max_align_t[]>> blocks_;
};

std::span<void* const> items(const GumboVector& vector) { return {vector.data, vector.length}; }

const GumboElement* childElement(const GumboVector& children, GumboTag tag) {
  for (void* const item : items(children)) {
    const auto* node = static_cast<const GumboNode*>(item);
    if (node->type == GUMBO_NODE_ELEMENT && node->v.element.tag == tag) return &node->v.element;
  }
  return nullptr;
}

std::string attribute(const GumboElement& element, const char* name) {
  const GumboAttribute* found = ::gumbo_get_attribute(&element.attributes, name);
  return found != nullptr ? std::string(found->value) : std::string();
}

}  // namespace

std::string headOf(std::string_view page) {
  page = page.substr(0, limits::kDiscoveryPageBytes);
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (page.starts_with(kByteOrderMark)) page.remove_prefix(kByteOrderMark.size());
  Scan scan{.rest = page};
  for (;;) {
    scan.rest.remove_prefix(std::min(scan.rest.find_first_not_of(kSpace), scan.rest.size()));
    if (scan.rest.empty() || scan.rest.front() != '<' || !scan.step()) break;
  }
  return std::move(scan.kept);
}

std::vector<image::MetaTag> metaTags(std::string_view page) {
  const std::string head = headOf(page);
  Arena arena;
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = &Arena::allocate;
  options.deallocator = &Arena::deallocate;
  options.userdata = &arena;
  options.max_errors = 0;
  const GumboOutput* output = ::gumbo_parse_with_options(&options, head.data(), head.size());
  std::vector<image::MetaTag> tags;
  if (output == nullptr || output->root == nullptr) return tags;
  const GumboElement* element = childElement(output->root->v.element.children, GUMBO_TAG_HEAD);
  if (element == nullptr) return tags;
  for (void* const item : items(element->children)) {
    const auto* node = static_cast<const GumboNode*>(item);
    if (node->type != GUMBO_NODE_ELEMENT || node->v.element.tag != GUMBO_TAG_META) continue;
    std::string name = attribute(node->v.element, "name");
    if (name.starts_with("ac-"))
      tags.push_back({std::move(name), attribute(node->v.element, "content")});
  }
  return tags;
}

}  // namespace airlock::fetch
