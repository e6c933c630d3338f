// SPDX-License-Identifier: Apache-2.0
// One repository of one registry: requests with identity, patience and plain words.  The fetcher
// only.  (distribution spec 1.1)
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/client.h"
#include "unpriv-fetch/registry_token.h"

namespace airlock::fetch {

class Registry {
 public:
  // `client` has the endpoint's certificates, and no credentials: `credential` is the only one.
  static Result<Registry> make(const ipc::OciEndpoint& endpoint, ClientOptions client,
                               std::optional<ipc::Credential> credential);
  // For another thread: with connections of its own and the same identity.
  Result<Registry> another() const;

  // GET /v2/REPOSITORY/PATH.  `body` sees no answer that says "later" or "who are you": those are
  // answered here, and asked again a few times with growing pauses, or after the Retry-After that
  // the server names; so are connections that fail before `body` has begun.  E_AUTH: not with what
  // we have.  E_RATE: too many requests for now.  Else as Client::get; other statuses of 400 and
  // more go to `body`.
  Result<Response> get(const std::string& path, const std::vector<std::string>& headers,
                       const Body& body, bool large);
  // A body of at most `most` bytes for status 200, as getDocument().
  Result<Document> document(const std::string& path, const std::vector<std::string>& headers,
                            std::size_t most);

  const std::string& host() const { return endpoint_.host; }

 private:
  Registry(ipc::OciEndpoint endpoint, Client client, std::shared_ptr<RegistryIdentity> identity);
  Result<Response> attempt(const Request& request, const Body& body, bool& begun);
  Result<Url> url(const std::string& path) const;

  ipc::OciEndpoint endpoint_;
  Client client_;
  std::shared_ptr<RegistryIdentity> identity_;
  bool plain_ = false;     // http: https was not to be had, and http is allowed
  bool answered_ = false;  // by this scheme
};

}  // namespace airlock::fetch
