// SPDX-License-Identifier: Apache-2.0
// A URL that may be asked for: http or https, no user in it, printable ASCII.  The fetcher only.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::fetch {

class Url {
 public:
  // libcurl's own parser decides, so that what is checked here is what is connected to.
  // E_URL: no URL, too long, or not printable ASCII (a unicode host must come in its xn-- form).
  // E_SCHEME: not https, and not http with `allowHttp` (tests F01, F02).  E_CREDENTIALS: user@
  // (F03).
  static Result<Url> parse(std::string_view text, bool allowHttp);

  const std::string& text() const { return text_; }  // as it was written
  const std::string& host() const { return host_; }  // lower case; an IPv6 address without brackets
  const std::string& port() const { return port_; }  // "" when it is the scheme's
  // "example.com" or "example.com:8443": who is asked.
  std::string authority() const { return port_.empty() ? host_ : host_ + ":" + port_; }
  const std::string& path() const { return path_; }  // starts with '/'
  bool https() const { return https_; }

  // What a Location header of an answer from this URL means (RFC 3986, 5): absolute, or relative to
  // it. Errors as of parse().
  Result<Url> resolve(std::string_view location, bool allowHttp) const;

  // Where the signature of a directly named image lies: the path's .aci becomes .aci.asc and the
  // query goes, as rkt does it.  E_URL when the path does not end in .aci.
  Result<Url> ofSignature() const;

 private:
  Url() = default;
  std::string text_;
  std::string host_;
  std::string port_;
  std::string path_;
  bool https_ = false;
};

// True when `host` is to be reached without the proxy: `list` is a no_proxy list (host names that
// cover their subdomains, a leading dot is ignored, "*" is everything).
bool bypassesProxy(std::string_view host, std::string_view list);

}  // namespace airlock::fetch
