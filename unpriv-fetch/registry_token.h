// SPDX-License-Identifier: Apache-2.0
// Who we are to one registry: credentials, and the tokens that its token server gives for them. The
// fetcher only.  (distribution: token authentication, OAuth2)
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/challenge.h"
#include "unpriv-fetch/client.h"

namespace airlock::fetch {

// What goes into Authorization.
struct Authorization {
  std::string value;  // "Bearer …"; empty: nothing
  bool open = false;  // anybody can have it: it is no secret
};

// Shared by the threads that download from one endpoint.  Never in an event or an error: values of
// credentials and tokens.
class RegistryIdentity {
 public:
  // `repository` is what the tokens are for; nothing but pulling is asked for.
  RegistryIdentity(std::string repository, std::optional<ipc::Credential> credential)
      : repository_(std::move(repository)), credential_(std::move(credential)) {}

  // For the next request: what was found to be wanted, or what needs no question.
  Authorization current();

  // Learns from an answer 401 of the registry itself.  A token server is asked where the answer
  // names one: over https, or http with allowHttp; it is shown the credential only over TLS, and
  // only when the registry named it over TLS that was checked (test F04).  `used` is what the
  // request had: when another thread has renewed it since, that one counts.  E_AUTH: the registry
  // wants what we do not have, or refused what we showed.
  Result<void> renew(Client& client, const Response& refused, const Authorization& used);

 private:
  bool fresh() const;
  Result<Authorization> answer(Client& client, const Response& refused);
  Result<Authorization> token(Client& client, const Response& refused, const Challenge& challenge);
  Result<Authorization> readToken(const Url& realm, const Document& answer, bool identified);

  const std::string repository_;
  const std::optional<ipc::Credential> credential_;
  std::mutex mutex_;
  std::optional<Authorization> known_;
  std::int64_t expiresAt_ = 0;  // sys::now(); 0: never
};

}  // namespace airlock::fetch
