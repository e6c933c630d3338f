// SPDX-License-Identifier: Apache-2.0
// One HTTP request, with every rule about what a server may answer: the only user of libcurl.  The
// fetcher only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipc/fetch_messages.h"
#include "unpriv-fetch/headers.h"
#include "unpriv-fetch/reach.h"
#include "unpriv-fetch/url.h"

namespace airlock::fetch {

struct ClientOptions {
  bool allowHttp = false;
  bool skipTlsCheck = false;
  std::string proxy;  // URL or host:port; empty: none, whatever the environment says
  std::string noProxy;
  std::string caBundle;  // PEM; the only certificates that are trusted
  // PEM, of a TLS client; shown to `certificateHost` ("example.com:8443") and nobody else.
  std::string clientCertificate;
  std::string clientKey;
  std::string certificateHost;
  std::vector<ipc::Credential> credentials;
};

struct Request {
  Url url;
  Reach namedBy =
      Reach::Machine;  // how far the server that named the URL reaches; Machine: the user named it
  std::vector<std::string> headers;  // "Name: value"; also sent to where a redirect leads
  // Value of the Authorization header, in place of a configured credential; goes where that would
  // go.  A token that anybody can have may go to the same host without TLS, too.
  std::string authorization;
  bool openAuthorization = false;
  std::string form;  // application/x-www-form-urlencoded: makes it a POST, which no redirect moves
  bool large = false;  // no limit on the whole time, only on slowness
};

struct Response {
  long status = 0;
  Headers headers;
  Url url;                       // after redirects
  Reach reach = Reach::Machine;  // of the server that answered
  bool identified = false;       // it was shown a credential
};

// Who takes the body.  `begin` is called once, before the first byte of the last answer (not of a
// redirect), also when there is no body; false: the body is not wanted; the connection is cut
// there, unless the rest is short.  An error of either ends the transfer and is its result.
struct Body {
  std::function<Result<bool>(const Response&)> begin;
  std::function<Result<void>(std::string_view)> take;
};

class Client {
 public:
  static Result<Client> make(ClientOptions options);
  Client(Client&&) noexcept;
  ~Client();

  // Follows at most limits::kRedirects redirects, each checked as a URL (never from https to http
  // without allowHttp) and as an address (reach.h); asks for no encoding and keeps no cookies.  A
  // credential goes to the host that the request names, over TLS that was checked; a redirect to
  // another host gets none, not even its own: the server that redirects would choose what we ask
  // for in our name.  E_SCHEME E_CREDENTIALS E_URL E_REDIRECT: where it was to go.  E_CONNECT E_TLS
  // E_TIMEOUT: how it went there. E_HTTP: the answer is no HTTP.  E_LIMIT: more than
  // limits::kHeaderBytes of header, all redirects together. E_SHORT: the body ended early, or its
  // length contradicts itself.  E_ENCODING: an encoded body. E_ADDRESS: the address is nearer than
  // the server that named it. A status of 400 and more is a Response, not an error.
  Result<Response> get(const Request& request, const Body& body);  // or POST, with a form

  const ClientOptions& options() const;

 private:
  struct State;
  explicit Client(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The error for a status that is none of those that the caller can use: "bad HTTP status code: 404
// …".
std::unexpected<Error> badStatus(const Response& response);

// A body of at most `most` bytes in memory; for any status but 200 it is left out.  E_LIMIT when it
// is longer.
struct Document {
  Response response;
  std::string text;
};
Result<Document> getDocument(Client& client, const Request& request, std::size_t most);

}  // namespace airlock::fetch
