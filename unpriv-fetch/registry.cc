// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/registry.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"

namespace airlock::fetch {
namespace {

// Before the second, third and fourth try.
constexpr std::array<std::chrono::milliseconds, 3> kPauses{std::chrono::milliseconds(250),
                                                           std::chrono::milliseconds(1000),
                                                           std::chrono::milliseconds(3000)};
constexpr std::uint64_t kLongestWait = 60;  // seconds that a server can make us wait

// Not E_TIMEOUT: that was long enough.
bool isTransient(const Error& error) {
  return error.code() == "E_CONNECT" || error.code() == "E_SHORT";
}
bool saysLater(long status) { return status == 429 || status >= 500; }

// What the server asks for, in whole seconds; a date is not worth a clock that may be wrong.
std::optional<std::uint64_t> retryAfter(const Response& response) {
  return decimal(response.headers.find("retry-after").value_or(""));
}

std::unexpected<Error> tooManyRequests(const Response& response) {
  const std::string host = printable(response.url.authority());
  return refuse(
      ErrorKind::Busy, "E_RATE", host + " answers no more requests for now (429 Too Many Requests)",
      response.identified ? "wait, or use a mirror: see registries.d in airlock-config(5)"
                          : "log in: a registry allows known users more; or wait, or use a mirror");
}

std::unexpected<Error> stillUnknown(const Response& response) {
  return std::unexpected(std::move(badStatus(response).error()).withCode("E_AUTH"));
}

}  // namespace

Registry::Registry(ipc::OciEndpoint endpoint, Client client,
                   std::shared_ptr<RegistryIdentity> identity)
    : endpoint_(std::move(endpoint)), client_(std::move(client)), identity_(std::move(identity)) {}

Result<Registry> Registry::make(const ipc::OciEndpoint& endpoint, ClientOptions client,
                                std::optional<ipc::Credential> credential) {
  client.credentials.clear();
  client.allowHttp = endpoint.allowHttp;
  client.skipTlsCheck = endpoint.skipTlsCheck;
  Client http = TRY(Client::make(std::move(client)));
  return Registry(endpoint, std::move(http),
                  std::make_shared<RegistryIdentity>(endpoint.repository, std::move(credential)));
}

Result<Registry> Registry::another() const {
  Registry copy(endpoint_, TRY(Client::make(client_.options())), identity_);
  copy.plain_ = plain_;
  copy.answered_ = answered_;
  return copy;
}

Result<Url> Registry::url(const std::string& path) const {
  return Url::parse((plain_ ? "http://" : "https://") + endpoint_.host + "/v2/" +
                        endpoint_.repository + "/" + path,
                    endpoint_.allowHttp);
}

// One request, and a second one when the first was to say who asks.
Result<Response> Registry::attempt(const Request& request, const Body& body, bool& begun) {
  const Body asked{.begin = [&](const Response& response) -> Result<bool> {
                     if (response.status == 401 || saysLater(response.status)) return false;
                     begun = true;
                     return body.begin(response);
                   },
                   .take = body.take};
  Request identified = request;
  for (int answers = 0;; ++answers) {
    const Authorization authorization = identity_->current();
    identified.authorization = authorization.value;
    identified.openAuthorization = authorization.open;
    Response response = TRY(client_.get(identified, asked));
    answered_ = true;
    if (response.status != 401) return response;
    // Whom a redirect led to is not who we would tell (test F04).
    const bool itself = response.url.authority() == request.url.authority();
    if (!itself || answers == 2) return stillUnknown(response);
    TRY(identity_->renew(client_, response, authorization));
  }
}

Result<Response> Registry::get(const std::string& path, const std::vector<std::string>& headers,
                               const Body& body, bool large) {
  for (std::size_t tries = 0;; ++tries) {
    bool begun = false;
    const Request request{.url = TRY(url(path)), .headers = headers, .large = large};
    Result<Response> response = attempt(request, body, begun);
    if (!response) {
      const bool noTls =
          response.error().code() == "E_TLS" || response.error().code() == "E_CONNECT";
      if (noTls && endpoint_.allowHttp && !plain_ && !answered_) {
        plain_ = true;
        continue;
      }
      if (begun || !isTransient(response.error()) || tries == kPauses.size()) return response;
    } else if (!saysLater(response->status)) {
      return response;
    } else if (const auto wait = retryAfter(*response); wait && *wait > kLongestWait) {
      return response->status == 429 ? tooManyRequests(*response) : badStatus(*response);
    } else if (tries == kPauses.size()) {
      return response->status == 429 ? tooManyRequests(*response) : badStatus(*response);
    } else if (wait) {
      std::this_thread::sleep_for(std::chrono::seconds(*wait));
      continue;
    }
    std::this_thread::sleep_for(kPauses[tries]);
  }
}

Result<Document> Registry::document(const std::string& path,
                                    const std::vector<std::string>& headers, std::size_t most) {
  std::string text;
  const auto tooLong = [&] {
    return refuse(ErrorKind::Invalid, "E_LIMIT",
                  quoted(path) + " of " + quoted(endpoint_.host) + " is longer than " +
                      std::to_string(most) + " bytes");
  };
  const Body body{.begin = [&](const Response& response) -> Result<bool> {
                    text.clear();
                    if (response.status != 200) return false;
                    if (TRY(bodyLength(response.headers)).value_or(0) > most) return tooLong();
                    return true;
                  },
                  .take = [&](std::string_view bytes) -> Result<void> {
                    if (bytes.size() > most - text.size()) return tooLong();
                    text += bytes;
                    return {};
                  }};
  Response response = TRY(get(path, headers, body, false));
  return Document{std::move(response), std::move(text)};
}

}  // namespace airlock::fetch
