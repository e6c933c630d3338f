// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "base/limits.h"
#include "unpriv-fetch/headers.h"
#include "unpriv-fetch/page.h"
#include "unpriv-fetch/reach.h"
#include "unpriv-fetch/url.h"

namespace airlock::fetch {
namespace {

std::string codeOfUrl(std::string_view text, bool allowHttp = false) {
  const Result<Url> url = Url::parse(text, allowHttp);
  return url ? "" : url.error().code();
}

TEST(FetchUrl, F01_OnlyHttpAndHttps) {
  EXPECT_EQ(codeOfUrl("https://example.com/x"), "");
  EXPECT_EQ(codeOfUrl("HTTPS://EXAMPLE.com/x"), "");
  EXPECT_EQ(codeOfUrl("http://example.com/x"), "E_SCHEME");
  EXPECT_EQ(codeOfUrl("http://example.com/x", true), "");
  EXPECT_EQ(codeOfUrl("file:///etc/shadow", true), "E_SCHEME");
  EXPECT_EQ(codeOfUrl("gopher://example.com/", true), "E_SCHEME");
}

TEST(FetchUrl, WhatIsNoUrlIsRefused) {
  for (const char* text :
       {"", "example.com", "https://", "https:// example.com/", "https://ex\xc3\xa4mple.com/",
        "https://example.com/a\nb", "https://example.com:99999/"}) {
    EXPECT_EQ(codeOfUrl(text), "E_URL") << text;
  }
  EXPECT_EQ(codeOfUrl("https://example.com/" + std::string(limits::kUrlBytes, 'a')), "E_URL");
}

TEST(FetchUrl, F03_CredentialsAreRefused) {
  EXPECT_EQ(codeOfUrl("https://user@example.com/"), "E_CREDENTIALS");
  EXPECT_EQ(codeOfUrl("https://user:secret@example.com/"), "E_CREDENTIALS");
}

TEST(FetchUrl, ASignatureLiesBesideItsImage) {
  const auto of = [](const char* text) {
    const Result<Url> signature = Url::parse(text, true).value().ofSignature();
    return signature ? signature->text() : signature.error().code();
  };
  EXPECT_EQ(of("https://example.com/a.aci"), "https://example.com/a.aci.asc");
  EXPECT_EQ(of("http://example.com/a.aci?x=1"), "http://example.com/a.aci.asc");
  EXPECT_EQ(of("https://example.com/a.tar"), "E_URL");
}

TEST(FetchUrl, ALocationMayBeRelative) {
  const Url base = Url::parse("https://example.com:8443/a/b?c", false).value();
  const std::pair<const char*, const char*> table[] = {
      {"/x", "https://example.com:8443/x"},
      {"x", "https://example.com:8443/a/x"},
      {"//other.example/x", "https://other.example/x"},
      {"https://other.example/x", "https://other.example/x"},
      {"?d", "https://example.com:8443/a/b?d"},
  };
  for (const auto& [location, target] : table)
    EXPECT_EQ(base.resolve(location, false).value().text(), target) << location;
  for (const char* location :
       {"http://example.com/", "file:///etc/shadow", "data:text/plain,x", "javascript:x"}) {
    EXPECT_EQ(base.resolve(location, false).error().code(), "E_SCHEME") << location;
  }
  EXPECT_FALSE(base.resolve("a b", false));
  EXPECT_FALSE(base.resolve("//u@other.example/", false));
}

TEST(FetchUrl, NoProxyCoversSubdomains) {
  EXPECT_TRUE(bypassesProxy("example.com", "other.org, .example.com"));
  EXPECT_TRUE(bypassesProxy("a.example.com", "example.com"));
  EXPECT_FALSE(bypassesProxy("badexample.com", "example.com"));
  EXPECT_TRUE(bypassesProxy("anything", "*"));
  EXPECT_FALSE(bypassesProxy("anything", ""));
}

TEST(FetchReach, F12_AddressesAreJudgedByTheirNetwork) {
  const std::pair<const char*, Reach> table[] = {
      {"127.0.0.1", Reach::Machine},
      {"0.0.0.0", Reach::Machine},
      {"2130706433", Reach::Machine},
      {"::1", Reach::Machine},
      {"::", Reach::Machine},
      {"::ffff:127.0.0.1", Reach::Machine},
      {"64:ff9b::7f00:1", Reach::Machine},
      {"2002:7f00:1::", Reach::Machine},
      {"localhost", Reach::Machine},
      {"a.localhost", Reach::Machine},
      {"localhost.", Reach::Machine},
      {"169.254.169.254", Reach::Link},
      {"fe80::1", Reach::Link},
      {"fe80::1%lo", Reach::Link},
      {"224.0.0.1", Reach::Link},
      {"255.255.255.255", Reach::Link},
      {"ff02::1", Reach::Link},
      {"10.0.0.1", Reach::Site},
      {"172.31.255.255", Reach::Site},
      {"192.168.1.1", Reach::Site},
      {"100.64.0.1", Reach::Site},
      {"fd00::1", Reach::Site},
      {"::ffff:10.0.0.1", Reach::Site},
      {"172.32.0.1", Reach::World},
      {"93.184.216.34", Reach::World},
      {"2606:2800::1", Reach::World},
      {"example.com", Reach::World},
  };
  for (const auto& [host, reach] : table) EXPECT_EQ(reachOf(std::string(host)), reach) << host;
}

TEST(FetchReach, F12_SocketAddressesAreJudgedAlike) {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  ::inet_pton(AF_INET, "192.168.0.9", &four.sin_addr);
  EXPECT_EQ(reachOf(reinterpret_cast<const sockaddr&>(four)), Reach::Site);
  sockaddr unknown{};
  unknown.sa_family = AF_UNIX;
  EXPECT_EQ(reachOf(unknown), Reach::Machine);
}

Headers headers(std::initializer_list<std::string_view> lines) {
  Headers all;
  all.add("HTTP/1.1 200 OK\r\n");
  for (const std::string_view line : lines) all.add(line);
  return all;
}

TEST(FetchHeaders, AStatusLineStartsAnew) {
  Headers all = headers({"ETag: \"a\"\r\n"});
  EXPECT_EQ(all.find("etag"), "\"a\"");
  all.add("HTTP/1.1 200 OK\r\n");
  EXPECT_EQ(all.find("etag"), std::nullopt);
}

TEST(FetchHeaders, F06_LengthsMustAgree) {
  EXPECT_EQ(bodyLength(headers({"Content-Length: 5\r\n"})).value(), 5U);
  EXPECT_EQ(bodyLength(headers({"Content-Length: 5\r\n", "Content-Length: 5\r\n"})).value(), 5U);
  EXPECT_EQ(bodyLength(headers({})).value(), std::nullopt);
  for (const char* value : {"5, 6", "-1", "+5", "0x5", "", "99999999999999999999999"}) {
    EXPECT_FALSE(bodyLength(headers({"Content-Length: " + std::string(value)}))) << value;
  }
}

TEST(FetchHeaders, F06_ARangeMustReachTheEnd) {
  EXPECT_EQ(contentRange(headers({"Content-Range: bytes 5-9/10"})).value().first, 5U);
  for (const char* value :
       {"", "bytes 5-9/*", "bytes 5-8/10", "bytes 9-5/10", "bytes */10", "items 5-9/10",
        "bytes 5-9/10 ", "bytes 5-9/10/11", "bytes 5-9", "bytes -9/10", "bytes 0-0/0"}) {
    const Result<ContentRange> range =
        contentRange(headers({"Content-Range: " + std::string(value)}));
    EXPECT_EQ(range.has_value(), std::string_view(value) == "bytes 5-9/10 ") << value;
  }
  EXPECT_FALSE(contentRange(headers({"Content-Range: bytes 5-9/10", "Content-Length: 4"})));
}

TEST(FetchHeaders, TagsAreCheckedBeforeTheyAreUsed) {
  EXPECT_EQ(versionTag(headers({"ETag: \"a\"", "Last-Modified: today"})), "\"a\"");
  EXPECT_EQ(versionTag(headers({"ETag: unquoted", "Last-Modified: today"})), "today");
  EXPECT_FALSE(isTag("\"a\"\r\nX-Injected: 1"));
  EXPECT_FALSE(isTag(std::string(limits::kTagBytes + 1, 'a')));
  EXPECT_FALSE(isStrongTag("W/\"a\""));
  EXPECT_TRUE(isStrongTag("\"a\""));
}

TEST(FetchHeaders, CacheControlIsRead) {
  EXPECT_EQ(maxAge(headers({"Cache-Control: public, max-age=60"})), 60);
  EXPECT_EQ(maxAge(headers({"Cache-Control: max-age=60, no-cache"})), 0);
  EXPECT_EQ(maxAge(headers({"Cache-Control: no-store", "Cache-Control: max-age=60"})), 0);
  EXPECT_EQ(maxAge(headers({"Cache-Control: max-age=99999999999999999999"})), 0);
  EXPECT_EQ(maxAge(headers({"Cache-Control: max-age=9999999999"})), 2147483647);
  EXPECT_EQ(maxAge(headers({})), 0);
}

std::size_t count(std::string_view page) { return metaTags(page).size(); }

TEST(FetchPage, TagsOfTheHeadAreFound) {
  const auto tags = metaTags(
      "\xef\xbb\xbf<!DOCTYPE html>\n<HTML lang=en><Head><title>a <b></title><link rel=x>"
      "<META content='example.com https://a?b&amp;c' NAME=\"ac-discovery\"/></head></html>");
  ASSERT_EQ(tags.size(), 1U);
  EXPECT_EQ(tags[0].name, "ac-discovery");
  EXPECT_EQ(tags[0].content, "example.com https://a?b&c");
  EXPECT_EQ(count("<meta name=ac-discovery content='a b'><meta name=ac-x><meta name=other>"), 2U);
  EXPECT_EQ(
      count("<head><script>if (a<b) '</scriptx'</script><meta name=ac-x content='a <b> c'></head>"),
      1U);
  EXPECT_EQ(count("<head><meta name=ac-x content='a <b> c'></head>"), 1U);
}

TEST(FetchPage, F13_NothingBeyondTheHeadCounts) {
  const std::string meta = "<meta name=ac-discovery content='a b'>";
  for (const std::string& page :
       {"<head></head>" + meta, "<head></head><body>" + meta, "text" + meta, "<p>" + meta,
        "<!--" + meta + "-->", "<script>" + meta + "</script>", "<template>" + meta + "</template>",
        "<noscript>" + meta + "</noscript>", "<title>" + meta, "<head><head>" + meta,
        "<svg>" + meta, "<meta x='" + std::string(5000, 'x') + "'>" + meta, "<!--" + meta,
        "<" + meta, "<?x?>" + meta}) {
    EXPECT_EQ(count(page), 0U) << page.substr(0, 60);
  }
}

}  // namespace
}  // namespace airlock::fetch
