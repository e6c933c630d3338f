// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/registry_token.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "image/json_reader.h"

namespace airlock::fetch {
namespace {

// A token server that does not say how long means a minute (distribution spec).
constexpr std::int64_t kUsualSeconds = 60;
constexpr std::int64_t kMostSeconds = 24 * 3600;
constexpr std::int64_t kSlackSeconds = 5;
constexpr std::string_view kClientId = "airlock";

// RFC 3986 unreserved characters stay.
std::string escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kPlain.contains(c)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k <= text.size() ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::string basic(const ipc::Credential& credential) {
  return "Basic " + base64(credential.user + ":" + credential.secret);
}

// A token goes into a header line of ours.
bool isHeaderValue(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

std::unexpected<Error> unauthorised(const Response& response, std::string why, std::string hint) {
  return refuse(ErrorKind::Denied, "E_AUTH",
                "unable to retrieve auth token: " + printable(response.url.authority()) + " " +
                    std::move(why),
                std::move(hint));
}

std::string loginHint(const Response& response) {
  return "log in to " + printable(response.url.authority()) +
         " with a tool that writes auth.json, or configure it in auth.d: see airlock-config(5)";
}

}  // namespace

bool RegistryIdentity::fresh() const {
  return known_ && (expiresAt_ == 0 || sys::now() < expiresAt_);
}

Authorization RegistryIdentity::current() {
  const std::lock_guard lock(mutex_);
  if (fresh()) return *known_;
  // A token of the user's own is shown unasked; a password waits for the question that names who
  // asks for it.
  if (credential_ && credential_->kind == ipc::Credential::Kind::Bearer)
    return {.value = "Bearer " + credential_->secret, .open = false};
  return {};
}

Result<void> RegistryIdentity::renew(Client& client, const Response& refused,
                                     const Authorization& used) {
  const std::lock_guard lock(mutex_);
  if (fresh() && known_->value != used.value) return {};
  known_.reset();
  expiresAt_ = 0;
  Authorization next = TRY(answer(client, refused));
  if (!used.value.empty() && next.value == used.value) {
    return unauthorised(refused,
                        used.open ? "does not let everybody have this"
                                  : "refuses the credential that is configured for it",
                        loginHint(refused));
  }
  known_ = std::move(next);
  return {};
}

Result<Authorization> RegistryIdentity::answer(Client& client, const Response& refused) {
  const std::vector<Challenge> challenges =
      parseChallenges(refused.headers.all("www-authenticate"));
  const auto offers = [&](std::string_view scheme) {
    return std::ranges::find(challenges, scheme, &Challenge::scheme);
  };
  const auto bearer = offers("bearer");
  if (bearer != challenges.end() && !bearer->parameter("realm").empty())
    return token(client, refused, *bearer);
  if (offers("basic") == challenges.end()) {
    return unauthorised(refused, "wants to know who asks, in a way that is not known here", "");
  }
  if (!credential_ || credential_->kind != ipc::Credential::Kind::Basic)
    return unauthorised(refused, "wants a user and a password", loginHint(refused));
  if (!refused.url.https() || client.options().skipTlsCheck) {
    return unauthorised(refused,
                        "wants a password over a connection that anybody could have answered",
                        "have its certificate checked: see certs.d in airlock-config(5)");
  }
  return Authorization{.value = basic(*credential_), .open = false};
}

Result<Authorization> RegistryIdentity::token(Client& client, const Response& refused,
                                              const Challenge& challenge) {
  const std::string realmText = challenge.parameter("realm");
  const Url realm =
      TRY(inContext(Url::parse(realmText, client.options().allowHttp), "token server"));
  const bool trusted = refused.url.https() && realm.https() && !client.options().skipTlsCheck;
  const bool identified = credential_ && trusted;
  std::string query = "service=" + escaped(challenge.parameter("service")) +
                      "&scope=" + escaped("repository:" + repository_ + ":pull");
  Request request{.url = realm, .namedBy = refused.reach};
  if (identified && credential_->kind == ipc::Credential::Kind::Identity) {
    request.form = "grant_type=refresh_token&" + query + "&client_id=" + escaped(kClientId) +
                   "&refresh_token=" + escaped(credential_->secret);
  } else {
    if (identified && credential_->kind == ipc::Credential::Kind::Basic) {
      request.authorization = basic(*credential_);
      query += "&account=" + escaped(credential_->user);
    }
    const char separator = realmText.find('?') == std::string::npos ? '?' : '&';
    request.url = TRY(Url::parse(realmText + separator + query, client.options().allowHttp));
  }
  Document document = TRY(inContext(getDocument(client, request, limits::kTokenBytes),
                                    "token server of " + airlock::quoted(refused.url.authority())));
  return readToken(realm, document, identified);
}

Result<Authorization> RegistryIdentity::readToken(const Url& realm, const Document& answer,
                                                  bool identified) {
  const Response& response = answer.response;
  if (response.status == 401 || response.status == 403) {
    return unauthorised(
        response, std::to_string(response.status) + " unauthorized",
        identified ? "the credential that is configured does not open it" : loginHint(response));
  }
  if (response.status != 200) return badStatus(response);
  const std::string where = "answer of the token server " + airlock::quoted(realm.authority());
  const image::Json document =
      TRY(inContext(image::parseJson(answer.text, limits::kTokenBytes), where));
  const image::ObjectReader reader = TRY(image::ObjectReader::of(document, where));
  std::string token = TRY(reader.text("token"));
  if (token.empty()) token = TRY(reader.text("access_token"));
  if (!isHeaderValue(token))
    return refuse(ErrorKind::Invalid, "E_AUTH", where + " has no token in it");
  const std::int64_t seconds =
      TRY(reader.integer("expires_in", 0, INT64_MAX)).value_or(kUsualSeconds);
  expiresAt_ =
      sys::now() + 1000 * (std::clamp(seconds, kSlackSeconds + 1, kMostSeconds) - kSlackSeconds);
  return Authorization{.value = "Bearer " + token, .open = !identified};
}

}  // namespace airlock::fetch
