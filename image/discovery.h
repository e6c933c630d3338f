// SPDX-License-Identifier: Apache-2.0
// Meta discovery of appc (spec, "App Container Image Discovery") without its network and HTML: what
// to ask, and what the answers mean.  Pure; the fetcher uses it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"

namespace airlock::image {

// A <meta> tag of a page, as found: nothing of it is trusted.
struct MetaTag {
  std::string name;
  std::string content;
};

struct ImageEndpoint {
  std::string aci;        // URL of the image
  std::string signature;  // URL of its detached signature
  bool operator==(const ImageEndpoint&) const = default;
};

// The pages to ask for `name`, in order: "https://a.b/c/d?ac-discovery=1", "…/c?…",
// "https://a.b?ac-discovery=1". `scheme` is "https"; "http" only where the administrator allows it.
// For keys of a prefix the same pages are asked.
std::vector<std::string> discoveryUrls(const ImageName& name, std::string_view scheme);

// Splits "PREFIX TEMPLATE" at the first white space; both are trimmed.  std::nullopt: not of that
// form.
struct MetaContent {
  std::string prefix;
  std::string urlTemplate;
};
std::optional<MetaContent> parseMetaContent(std::string_view content);

// Fills {name}, {ext} and one {label} per label ({version} is "latest" when no label says it);
// values are escaped for a URL, {name} keeps its slashes.  One pass: a value is never looked at
// again.  std::nullopt, and so the tag is skipped: a variable is left over, a value is "." or "..",
// or the result is no clean http(s) URL without credentials.
std::optional<std::string> renderTemplate(std::string_view urlTemplate, const ImageName& name,
                                          const std::vector<Label>& labels, std::string_view ext);

// The endpoints that "ac-discovery" tags give for this image, in the order of the page.  A tag
// counts when its prefix covers the name by whole components ("example.com/app" does not cover
// "example.com/application", S21; rkt compared strings).  Empty: go on with the next page of
// discoveryUrls.
std::vector<ImageEndpoint> imageEndpoints(const std::vector<MetaTag>& tags, const ImageName& name,
                                          const std::vector<Label>& labels);
// The URLs of "ac-discovery-pubkeys" tags for this name, without repetition.
std::vector<std::string> keyUrls(const std::vector<MetaTag>& tags, const ImageName& name);

}  // namespace airlock::image
