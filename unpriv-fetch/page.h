// SPDX-License-Identifier: Apache-2.0
// The meta tags of a discovery page.  The fetcher only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/discovery.h"

namespace airlock::fetch {

// The <meta name="ac-…" content="…"> tags that are children of <head>, in their order; not those in
// comments, scripts, templates or the body (test F13).  `page` is at most
// limits::kDiscoveryPageBytes.
std::vector<image::MetaTag> metaTags(std::string_view page);

// What of a page goes to the HTML parser: tags that belong in a head, up to the first thing that
// does not. The parser's time grows with the square of the nesting, and of the attributes of one
// tag: half a megabyte of "<b>" would keep it busy for minutes.  So comments and elements with
// content of their own (title, style, script …) are left out, and the text ends at the first other
// element, at </head>, at text, and at a tag of more than limits::kHeadTagBytes.  What is lost with
// a strange page is a tag that would have been found, never the reverse.
std::string headOf(std::string_view page);

}  // namespace airlock::fetch
