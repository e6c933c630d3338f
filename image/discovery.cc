// SPDX-License-Identifier: Apache-2.0
#include "image/discovery.h"

#include <algorithm>

#include "base/limits.h"
#include "base/path.h"

namespace airlock::image {

namespace {
constexpr std::string_view kSpace = " \t\r\n\f";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// RFC 3986 percent-encoding of all but the unreserved characters and those of `kept`.
std::string escaped(std::string_view text, std::string_view kept) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~").contains(c) || kept.contains(c);
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4U];
      out += digits[byte & 0xfU];
    }
  }
  return out;
}

// The value of a template's variable, or std::nullopt where there is none that a URL can hold.
std::optional<std::string> valueOf(std::string_view variable, const ImageName& name,
                                   const std::vector<Label>& labels, std::string_view ext) {
  if (variable == "name") return escaped(name.text(), "/");
  if (variable == "ext") return escaped(ext, "");
  std::string_view value = labelValue(labels, variable);
  if (value.empty() && variable == "version") value = "latest";
  if (value.empty() || value == "." || value == "..") return std::nullopt;
  return escaped(value, "");
}

bool isCleanUrl(std::string_view url) {
  const auto colon = url.find("://");
  if (colon == url.npos || url.size() > limits::kTextBytes) return false;
  const std::string_view scheme = url.substr(0, colon);
  if (scheme != "https" && scheme != "http") return false;
  const bool printableOnly = std::ranges::all_of(url, [](char c) {
    return c > 0x20 && c < 0x7f && !std::string_view("\"<>\\^`{|}").contains(c);
  });
  const std::string_view rest = url.substr(colon + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  return printableOnly && !authority.empty() && authority.find('@') == authority.npos;
}

// The second part of each tag `kind` whose prefix covers `name`.
std::vector<std::string> contentsFor(const std::vector<MetaTag>& tags, std::string_view kind,
                                     const ImageName& name) {
  std::vector<std::string> contents;
  for (const MetaTag& tag : tags) {
    if (tag.name != kind) continue;
    std::optional<MetaContent> content = parseMetaContent(tag.content);
    if (content && coversPath(content->prefix, name.text())) {
      contents.push_back(std::move(content->urlTemplate));
    }
  }
  return contents;
}
}  // namespace

std::vector<std::string> discoveryUrls(const ImageName& name, std::string_view scheme) {
  std::vector<std::string> urls;
  for (std::string_view rest = name.text(); !rest.empty();) {
    urls.push_back(std::string(scheme) + "://" + std::string(rest) + "?ac-discovery=1");
    const auto slash = rest.rfind('/');
    rest = slash == rest.npos ? std::string_view() : rest.substr(0, slash);
  }
  return urls;
}

std::optional<MetaContent> parseMetaContent(std::string_view content) {
  content = trimmed(content);
  const auto space = content.find_first_of(kSpace);
  if (space == content.npos) return std::nullopt;
  std::string_view prefix = content.substr(0, space);
  if (prefix.ends_with('/')) prefix.remove_suffix(1);  // "example.com/" and "example.com" are one
  if (prefix.empty()) return std::nullopt;
  return MetaContent{.prefix = std::string(prefix),
                     .urlTemplate = std::string(trimmed(content.substr(space)))};
}

std::optional<std::string> renderTemplate(std::string_view urlTemplate, const ImageName& name,
                                          const std::vector<Label>& labels, std::string_view ext) {
  std::string url;
  while (!urlTemplate.empty()) {
    const auto open = std::min(urlTemplate.find('{'), urlTemplate.size());
    url += urlTemplate.substr(0, open);
    urlTemplate.remove_prefix(open);
    if (urlTemplate.empty()) break;
    const auto close = urlTemplate.find('}');
    if (close == urlTemplate.npos) return std::nullopt;
    const auto value = valueOf(urlTemplate.substr(1, close - 1), name, labels, ext);
    if (!value) return std::nullopt;
    url += *value;
    if (url.size() > limits::kTextBytes) return std::nullopt;
    urlTemplate.remove_prefix(close + 1);
  }
  if (!isCleanUrl(url)) return std::nullopt;
  return url;
}

std::vector<ImageEndpoint> imageEndpoints(const std::vector<MetaTag>& tags, const ImageName& name,
                                          const std::vector<Label>& labels) {
  std::vector<ImageEndpoint> endpoints;
  for (const std::string& urlTemplate : contentsFor(tags, "ac-discovery", name)) {
    auto aci = renderTemplate(urlTemplate, name, labels, "aci");
    auto signature = renderTemplate(urlTemplate, name, labels, "aci.asc");
    if (aci && signature) {
      endpoints.push_back({.aci = std::move(*aci), .signature = std::move(*signature)});
    }
  }
  return endpoints;
}

std::vector<std::string> keyUrls(const std::vector<MetaTag>& tags, const ImageName& name) {
  std::vector<std::string> urls;
  for (const std::string& url : contentsFor(tags, "ac-discovery-pubkeys", name)) {
    if (isCleanUrl(url) && std::ranges::find(urls, url) == urls.end()) urls.push_back(url);
  }
  return urls;
}

}  // namespace airlock::image
