// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/url.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::fetch {
namespace {

struct CurlUrlDeleter {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};
using CurlUrl = std::unique_ptr<CURLU, CurlUrlDeleter>;

struct CurlTextDeleter {
  void operator()(char* text) const { ::curl_free(text); }
};

std::optional<std::string> part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (::curl_url_get(url, which, &text, 0) != CURLUE_OK) return std::nullopt;
  const std::unique_ptr<char, CurlTextDeleter> owner(text);
  return std::string(text);
}

std::string lowerCase(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool printableAscii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::unexpected<Error> notAUrl(std::string_view text, std::string_view why) {
  return refuse(ErrorKind::Invalid, "E_URL",
                quoted(text) + " is no URL to fetch from: " + std::string(why));
}

}  // namespace

Result<Url> Url::parse(std::string_view text, bool allowHttp) {
  if (text.size() > limits::kUrlBytes) return notAUrl(text, "it is too long");
  if (!printableAscii(text)) return notAUrl(text, "it has a character that is not printable ASCII");
  const CurlUrl parsed(::curl_url());
  if (!parsed) return fail(ErrorKind::Failed, "no memory for a URL");
  Url url;
  url.text_ = text;
  const CURLUcode code =
      ::curl_url_set(parsed.get(), CURLUPART_URL, url.text_.c_str(), CURLU_NON_SUPPORT_SCHEME);
  if (code != CURLUE_OK) return notAUrl(text, ::curl_url_strerror(code));
  const std::string scheme = lowerCase(part(parsed.get(), CURLUPART_SCHEME).value_or(""));
  if (scheme != "https" && scheme != "http") {
    return refuse(ErrorKind::Invalid, "E_SCHEME",
                  quoted(text) + " has the scheme " + quoted(scheme) + ": only https is fetched");
  }
  if (scheme == "http" && !allowHttp) {
    return refuse(ErrorKind::Denied, "E_SCHEME",
                  quoted(text) + " is plain http, which anyone on the way can change",
                  "use https, or allow it with --insecure-options=http");
  }
  if (part(parsed.get(), CURLUPART_USER) || part(parsed.get(), CURLUPART_PASSWORD)) {
    return refuse(ErrorKind::Invalid, "E_CREDENTIALS",
                  "a URL of host " + quoted(part(parsed.get(), CURLUPART_HOST).value_or("")) +
                      " has a user name or password in it",
                  "leave out what stands before the @");
  }
  url.https_ = scheme == "https";
  url.host_ = lowerCase(part(parsed.get(), CURLUPART_HOST).value_or(""));
  if (url.host_.starts_with('[') && url.host_.ends_with(']'))
    url.host_ = url.host_.substr(1, url.host_.size() - 2);
  if (url.host_.empty()) return notAUrl(text, "it names no host");
  url.path_ = part(parsed.get(), CURLUPART_PATH).value_or("/");
  return url;
}

Result<Url> Url::ofSignature() const {
  if (!path_.ends_with(".aci")) {
    return refuse(ErrorKind::Invalid, "E_URL",
                  quoted(text_) + " does not end in .aci, so where its signature lies is unknown",
                  "name it with --signature=URL");
  }
  const std::size_t end = text_.find_first_of("?#");
  return parse(text_.substr(0, end) + ".asc", !https_);
}

bool bypassesProxy(std::string_view host, std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = list.find_first_of(", \t");
    std::string entry = lowerCase(list.substr(0, end));
    list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
    if (entry.starts_with('.')) entry.erase(0, 1);
    if (entry.empty()) continue;
    if (entry == "*" || host == entry || host.ends_with("." + entry)) return true;
  }
  return false;
}

}  // namespace airlock::fetch
