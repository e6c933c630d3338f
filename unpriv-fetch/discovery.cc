// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/discovery.h"

#include <functional>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/discovery.h"
#include "unpriv-fetch/page.h"

namespace airlock::fetch {
namespace {

// The host cannot be talked to at all: its other pages fail alike, each after the same wait.
bool concernsTheHost(const Error& error) {
  return error.code() == "E_TLS" || error.code() == "E_CONNECT" || error.code() == "E_TIMEOUT";
}

struct Page {
  std::vector<image::MetaTag> tags;
  Reach reach = Reach::Machine;
};

Result<Page> getPage(Client& client, const std::string& address) {
  const Url url = TRY(Url::parse(address, client.options().allowHttp));
  const Document document = TRY(getDocument(client, {.url = url}, limits::kDiscoveryPageBytes));
  if (document.response.status != 200) return badStatus(document.response);
  return Page{metaTags(document.text), document.response.reach};
}

// The walk.  `use` takes what it needs from a page; false: the page has nothing for us.
class Walk {
 public:
  Walk(Client& client, const ImageName& name, std::string_view tagName)
      : client_(client), name_(name), tagName_(tagName) {}

  Result<void> run(const std::function<Result<bool>(const Page&)>& use) {
    const std::vector<std::string> pages = image::discoveryUrls(name_, "https");
    const std::vector<std::string> plainPages = image::discoveryUrls(name_, "http");
    for (std::size_t level = 0; level < pages.size(); ++level) {
      if (TRY(ask(pages[level], use))) return {};
      bool hostFails = lastConcernedTheHost_;
      if (client_.options().allowHttp) {
        if (TRY(ask(plainPages[level], use))) return {};
        hostFails = hostFails && lastConcernedTheHost_;
      }
      if (hostFails) return failed(hostError_->code(), hostError_->kind());
    }
    return failed("E_DISCOVERY", ErrorKind::Missing);
  }

 private:
  Result<bool> ask(const std::string& address,
                   const std::function<Result<bool>(const Page&)>& use) {
    lastConcernedTheHost_ = false;
    Result<Page> page = getPage(client_, address);
    if (page) {
      if (TRY(use(*page))) return true;
      reasons_ +=
          (reasons_.empty() ? "" : "; ") + address + " has no " + tagName_ + " meta tag for it";
      return false;
    }
    reasons_ += (reasons_.empty() ? "" : "; ") + page.error().message();
    lastConcernedTheHost_ = concernsTheHost(page.error());
    if (lastConcernedTheHost_) hostError_ = std::move(page.error());
    return false;
  }

  std::unexpected<Error> failed(std::string_view code, ErrorKind kind) const {
    constexpr std::size_t kMostReasons = 2 * limits::KiB;
    return refuse(
        kind, code,
        "discovery failed for \"" + name_.text() + "\": " + reasons_.substr(0, kMostReasons),
        "check the name and the server, or give a URL that ends in .aci");
  }

  Client& client_;
  const ImageName& name_;
  std::string tagName_;
  std::string reasons_;
  bool lastConcernedTheHost_ = false;
  std::optional<Error> hostError_;
};

}  // namespace

Result<Endpoint> discoverImage(Client& client, const ImageName& name,
                               const std::vector<Label>& labels) {
  std::optional<Endpoint> found;
  const bool allowHttp = client.options().allowHttp;
  const auto use = [&](const Page& page) -> Result<bool> {
    const std::vector<image::ImageEndpoint> endpoints =
        image::imageEndpoints(page.tags, name, labels);
    if (endpoints.empty()) return false;
    found = Endpoint{
        .image = {TRY(Url::parse(endpoints.front().aci, allowHttp)), page.reach},
        .signature = {TRY(Url::parse(endpoints.front().signature, allowHttp)), page.reach}};
    return true;
  };
  TRY(Walk(client, name, "ac-discovery").run(use));
  return std::move(*found);
}

Result<std::vector<Named>> discoverKeys(Client& client, const ImageName& prefix) {
  std::vector<Named> found;
  const auto use = [&](const Page& page) -> Result<bool> {
    const std::vector<std::string> urls = image::keyUrls(page.tags, prefix);
    if (urls.size() > limits::kKeyUrls) {
      return refuse(ErrorKind::Invalid, "E_LIMIT",
                    "the discovery page for \"" + prefix.text() + "\" names " +
                        std::to_string(urls.size()) + " keys");
    }
    for (const std::string& url : urls) {
      found.push_back({TRY(Url::parse(url, client.options().allowHttp)), page.reach});
    }
    return !urls.empty();
  };
  TRY(Walk(client, prefix, "ac-discovery-pubkeys").run(use));
  return found;
}

}  // namespace airlock::fetch
