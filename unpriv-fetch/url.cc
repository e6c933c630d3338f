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

// The scheme of an absolute URL in lower case (RFC 3986, 3.1), or "".
std::string schemeOf(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return "";
  const std::string_view scheme = text.substr(0, colon);
  const bool wellFormed = std::ranges::all_of(
      scheme, [](unsigned char c) { return std::isalnum(c) || c == '+' || c == '-' || c == '.'; });
  return wellFormed ? lowerCase(scheme) : "";
}

Result<void> checkText(std::string_view text) {
  if (text.size() > limits::kUrlBytes) return notAUrl(text, "it is too long");
  if (!printableAscii(text)) return notAUrl(text, "it has a character that is not printable ASCII");
  return {};
}

Result<void> checkScheme(std::string_view text, const std::string& scheme, bool allowHttp) {
  if (scheme == "https" || (scheme == "http" && allowHttp)) return {};
  if (scheme.empty()) return notAUrl(text, "it has no scheme");
  if (scheme == "http") {
    return refuse(ErrorKind::Denied, "E_SCHEME",
                  quoted(text) + " is plain http, which anyone on the way can change",
                  "use https, or allow it with --insecure-options=http");
  }
  return refuse(ErrorKind::Invalid, "E_SCHEME",
                quoted(text) + " has the scheme " + quoted(scheme) + ": only https is fetched");
}

Result<CurlUrl> newCurlUrl() {
  CurlUrl url(::curl_url());
  if (!url) return fail(ErrorKind::Failed, "no memory for a URL");
  return url;
}

}  // namespace

Result<Url> Url::parse(std::string_view text, bool allowHttp) {
  TRY(checkText(text));
  const std::string scheme = schemeOf(text);
  TRY(checkScheme(text, scheme, allowHttp));
  const CurlUrl parsed = TRY(newCurlUrl());
  Url url;
  url.text_ = text;
  const CURLUcode code = ::curl_url_set(parsed.get(), CURLUPART_URL, url.text_.c_str(), 0);
  if (code != CURLUE_OK) return notAUrl(text, ::curl_url_strerror(code));
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
  url.port_ = part(parsed.get(), CURLUPART_PORT).value_or("");
  if (url.port_ == (url.https_ ? "443" : "80")) url.port_.clear();
  url.path_ = part(parsed.get(), CURLUPART_PATH).value_or("/");
  return url;
}

Result<Url> Url::resolve(std::string_view location, bool allowHttp) const {
  TRY(checkText(location));
  if (!schemeOf(location).empty()) return parse(location, allowHttp);
  const CurlUrl base = TRY(newCurlUrl());
  CURLUcode code = ::curl_url_set(base.get(), CURLUPART_URL, text_.c_str(), 0);
  if (code == CURLUE_OK) {
    code = ::curl_url_set(base.get(), CURLUPART_URL, std::string(location).c_str(), 0);
  }
  const std::optional<std::string> target = part(base.get(), CURLUPART_URL);
  if (code != CURLUE_OK || !target) return notAUrl(location, ::curl_url_strerror(code));
  return parse(*target, allowHttp);
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
