// SPDX-License-Identifier: Apache-2.0
// meta_tags: any bytes as a discovery page; and as the header and the redirect of an answer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "unpriv-fetch/headers.h"
#include "unpriv-fetch/page.h"
#include "unpriv-fetch/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const image::MetaTag& tag : fetch::metaTags(bytes)) {
    if (!tag.name.starts_with("ac-")) std::abort();
  }
  fetch::Headers headers;
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    headers.add(rest.substr(0, end + 1));
    rest.remove_prefix(end + 1);
  }
  static_cast<void>(fetch::refuseEncodings(headers));
  static_cast<void>(fetch::bodyLength(headers));
  const auto range = fetch::contentRange(headers);
  if (range && range->first >= range->total) std::abort();
  if (fetch::maxAge(headers) < 0) std::abort();
  const std::string tag = fetch::versionTag(headers);
  if (!tag.empty() && !fetch::isTag(tag)) std::abort();
  const auto base = fetch::Url::parse("https://example.com/a/b?c", false);
  const auto target = base->resolve(headers.find("location").value_or(bytes), false);
  if (target && (!target->https() || target->text().contains('\n'))) std::abort();
  return 0;
}
