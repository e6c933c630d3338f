// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/fd.h"
#include "base/limits.h"
#include "base/log.h"

namespace airlock::fetch {
namespace {

// Seconds; architecture and rkt agree on the first.
constexpr long kConnectTimeout = 20;
constexpr long kSlowSpeed = 1024;  // bytes per second …
constexpr long kSlowTime = 30;     // … for so long, and it is over (test F08)
constexpr long kSmallTimeout = 120;
// s3 wants to be told that nothing but the request's head is signed.
constexpr const char* kAwsPayload = "x-amz-content-sha256: UNSIGNED-PAYLOAD";
constexpr std::size_t kBufferBytes = 256 * limits::KiB;
// Of a body that nobody wants: reading it is less than another TLS handshake.
constexpr std::uint64_t kDrainBytes = 64 * limits::KiB;

struct EasyDeleter {
  void operator()(CURL* easy) const { ::curl_easy_cleanup(easy); }
};
struct ListDeleter {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, ListDeleter>;

bool isRedirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// What the callbacks of one hop share.  They are called from C: an error is kept here and reported
// when curl returns.
struct Hop {
  CURL* easy = nullptr;
  const Body* body = nullptr;
  Response response;
  Reach namedBy = Reach::Machine;
  bool proxied = false;
  bool firstHost = true;  // that of the request; false: a redirect has led elsewhere
  std::size_t* headerBytes = nullptr;
  bool begun = false;
  bool unwanted = false;       // the rest of the body does not matter
  bool drained = false;        // but it is read, so that the connection can be used again
  std::optional<Error> error;  // of ours: the server broke a rule, or the body's taker failed
  std::optional<Error> refusedAddress;
  std::array<char, CURL_ERROR_SIZE> curlText{};
};

Result<void> fillResponse(Hop& hop) {
  ::curl_easy_getinfo(hop.easy, CURLINFO_RESPONSE_CODE, &hop.response.status);
  if (hop.proxied) {
    hop.response.reach = reachOf(hop.response.url.host());
    return {};
  }
  const char* address = nullptr;
  ::curl_easy_getinfo(hop.easy, CURLINFO_PRIMARY_IP, &address);
  hop.response.reach = reachOf(std::string(address != nullptr ? address : ""));
  return {};
}

void leaveBody(Hop& hop) {
  hop.unwanted = true;
  const auto length = bodyLength(hop.response.headers);
  hop.drained = length && length->value_or(kDrainBytes + 1) <= kDrainBytes;
}

// Before the first byte of a body, or after an answer without one.
Result<void> begin(Hop& hop) {
  hop.begun = true;
  TRY(fillResponse(hop));
  if (isRedirect(hop.response.status)) {
    leaveBody(hop);
    return {};
  }
  if (hop.response.status != 304) {
    TRY(refuseEncodings(hop.response.headers));
    TRY(bodyLength(hop.response.headers));
  }
  if (!TRY(hop.body->begin(hop.response))) leaveBody(hop);
  return {};
}

Result<void> takeBody(Hop& hop, std::string_view bytes) {
  if (!hop.begun) TRY(begin(hop));
  if (hop.unwanted) return {};
  return hop.body->take(bytes);
}

std::size_t onBody(char* bytes, std::size_t, std::size_t count, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  Result<void> taken = takeBody(hop, std::string_view(bytes, count));
  if (!taken) hop.error = std::move(taken.error());
  const bool goesOn = taken && (!hop.unwanted || hop.drained);
  return goesOn ? count : 0;  // anything but `count` ends the transfer
}

std::size_t onHeader(char* bytes, std::size_t, std::size_t count, void* user) {
  Hop& hop = *static_cast<Hop*>(user);
  *hop.headerBytes += count;
  if (*hop.headerBytes > limits::kHeaderBytes) {
    constexpr std::size_t kMost = limits::kHeaderBytes / limits::KiB;
    hop.error = Error(ErrorKind::Invalid,
                      "the server sent more than " + std::to_string(kMost) + " KiB of header")
                    .withCode("E_LIMIT");
    return 0;
  }
  hop.response.headers.add(std::string_view(bytes, count));
  return count;
}

// Judges the address that is about to be connected to: the last moment, after all name look-ups
// (test F12).
curl_socket_t onSocket(void* user, curlsocktype, curl_sockaddr* address) {
  Hop& hop = *static_cast<Hop*>(user);
  const Reach reach = hop.proxied ? reachOf(hop.response.url.host()) : reachOf(address->addr);
  if (reach < hop.namedBy) {
    hop.refusedAddress = Error(ErrorKind::Denied,
                               "a server on " + text(hop.namedBy) + " sends us to " +
                                   quoted(hop.response.url.host()) + ", which is on " + text(reach))
                             .withCode("E_ADDRESS")
                             .withHint("if you trust that address, fetch from it by its own URL");
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::string host(const Hop& hop) { return quoted(hop.response.url.host()); }

// The sentence for an error of curl's; its own text may hold what the server sent.
Error curlError(const Hop& hop, CURLcode code) {
  const std::string detail =
      printable(hop.curlText[0] != '\0' ? hop.curlText.data() : ::curl_easy_strerror(code))
          .substr(0, 256);
  const auto error = [&](ErrorKind kind, std::string_view symbol, const std::string& what) {
    return Error(kind, what + ": " + detail).withCode(symbol);
  };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
      return error(ErrorKind::Failed, "E_CONNECT", "no connection to " + host(hop));
    case CURLE_OPERATION_TIMEDOUT:
      return error(ErrorKind::Failed, "E_TIMEOUT", host(hop) + " is too slow");
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_USE_SSL_FAILED:
      return error(ErrorKind::Denied, "E_TLS", "no trustworthy TLS connection to " + host(hop))
          .withHint("if the server has a certificate of your own authority, name its CA file");
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
      // With TLS 1.3 a server says only after the handshake that it wants to know its client.
      if (detail.contains("alert") && detail.contains("certificate")) {
        return error(ErrorKind::Denied, "E_TLS", host(hop) + " does not take us for its client")
            .withHint(
                "if it wants a client certificate, put it into certs.d: see "
                "airlock-config(5)");
      }
      [[fallthrough]];
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
      return error(ErrorKind::Failed, "E_SHORT",
                   "the connection to " + host(hop) + " ended before the answer did");
    case CURLE_OUT_OF_MEMORY:  // curl's answer to one header line of more than 100 KB, too
    case CURLE_FILESIZE_EXCEEDED:
      return error(ErrorKind::Invalid, "E_LIMIT", "the answer of " + host(hop) + " is too large");
    case CURLE_BAD_CONTENT_ENCODING:
      return error(ErrorKind::Invalid, "E_ENCODING", "the answer of " + host(hop) + " is encoded");
    default:
      return error(ErrorKind::Failed, "E_HTTP",
                   "the answer of " + host(hop) + " is not understood");
  }
}

std::optional<Error> failureOf(Hop& hop, CURLcode code) {
  if (hop.error) return std::move(hop.error);
  if (code == CURLE_OK || hop.drained || (code == CURLE_WRITE_ERROR && hop.unwanted))
    return std::nullopt;
  if (code == CURLE_COULDNT_CONNECT && hop.refusedAddress) return std::move(hop.refusedAddress);
  return curlError(hop, code);
}

}  // namespace

struct Client::State {
  ClientOptions options;
  std::unique_ptr<CURL, EasyDeleter> easy;

  Result<void> prepare(const Request& request, Hop& hop, const List& headers);
  const ipc::Credential* credentialFor(const Request& request, const Hop& hop) const;
  bool mayAuthorise(const Request& request, const Hop& hop) const;
  Result<List> headerList(const Request& request, const Hop& hop) const;
  Result<void> perform(const Request& request, Hop& hop);
  Result<Url> redirectTarget(const Hop& hop) const;
};

namespace {

// curl_easy_setopt fails only for an option that the library was built without; then nothing may go
// out.
class Options {
 public:
  explicit Options(CURL* easy) : easy_(easy) {}
  template <class T>
  void set(CURLoption option, T value) {
    if (code_ == CURLE_OK) code_ = ::curl_easy_setopt(easy_, option, value);
  }
  Result<void> done() const {
    if (code_ == CURLE_OK) return {};
    return fail(ErrorKind::Unsupported,
                std::string("this libcurl lacks an option: ") + ::curl_easy_strerror(code_));
  }

 private:
  CURL* easy_;
  CURLcode code_ = CURLE_OK;
};

void setTls(Options& options, const ClientOptions& client) {
  options.set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  options.set(CURLOPT_PROXY_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const long check = client.skipTlsCheck ? 0 : 1;
  options.set(CURLOPT_SSL_VERIFYPEER, check);
  options.set(CURLOPT_SSL_VERIFYHOST, 2 * check);
  options.set(CURLOPT_PROXY_SSL_VERIFYPEER, check);
  options.set(CURLOPT_PROXY_SSL_VERIFYHOST, 2 * check);
  curl_blob bundle{const_cast<char*>(client.caBundle.data()), client.caBundle.size(),
                   CURL_BLOB_COPY};
  options.set(CURLOPT_CAINFO_BLOB, &bundle);
  options.set(CURLOPT_PROXY_CAINFO_BLOB, &bundle);
  // The directory that the library was built with would be trusted beside the bundle.
  const char* const none = nullptr;
  options.set(CURLOPT_CAINFO, none);
  options.set(CURLOPT_CAPATH, none);
  options.set(CURLOPT_PROXY_CAINFO, none);
  options.set(CURLOPT_PROXY_CAPATH, none);
}

void setClientCertificate(Options& options, const ClientOptions& client) {
  const auto blob = [](const std::string& text) {
    return curl_blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
  };
  curl_blob certificate = blob(client.clientCertificate);
  curl_blob key = blob(client.clientKey);
  options.set(CURLOPT_SSLCERT_BLOB, &certificate);
  options.set(CURLOPT_SSLKEY_BLOB, &key);
}

void setHttp(Options& options, bool allowHttp) {
  const char* const schemes = allowHttp ? "http,https" : "https";
  options.set(CURLOPT_PROTOCOLS_STR, schemes);
  options.set(CURLOPT_REDIR_PROTOCOLS_STR, schemes);
  options.set(CURLOPT_FOLLOWLOCATION, 0L);  // each redirect is ours to judge
  options.set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  options.set(CURLOPT_HTTP_VERSION,
              static_cast<long>(CURL_HTTP_VERSION_1_1));  // one parser less than with h2
  options.set(CURLOPT_HTTP09_ALLOWED, 0L);
  options.set(CURLOPT_HTTPGET, 1L);
  options.set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  options.set(CURLOPT_UNRESTRICTED_AUTH, 0L);
  options.set(CURLOPT_USERAGENT, "airlock/" AIRLOCK_VERSION);
}

void setLimits(Options& options, bool large) {
  options.set(CURLOPT_NOSIGNAL, 1L);
  options.set(CURLOPT_CONNECTTIMEOUT, kConnectTimeout);
  options.set(CURLOPT_LOW_SPEED_LIMIT, kSlowSpeed);
  options.set(CURLOPT_LOW_SPEED_TIME, kSlowTime);
  options.set(CURLOPT_TIMEOUT, large ? 0L : kSmallTimeout);
  options.set(CURLOPT_BUFFERSIZE, static_cast<long>(kBufferBytes));
}

// Sent with the first request, unasked: a server that wants one may answer 404 without.
void setCredential(Options& options, const ipc::Credential& credential) {
  switch (credential.kind) {
    case ipc::Credential::Kind::Basic:
      options.set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
      options.set(CURLOPT_USERNAME, credential.user.c_str());
      options.set(CURLOPT_PASSWORD, credential.secret.c_str());
      return;
    case ipc::Credential::Kind::Bearer:
      options.set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
      options.set(CURLOPT_XOAUTH2_BEARER, credential.secret.c_str());
      return;
    case ipc::Credential::Kind::Identity:
      return;  // only token servers are told (registry_token.h)
    case ipc::Credential::Kind::Aws:
      options.set(CURLOPT_AWS_SIGV4, ("aws:amz:" + credential.region + ":s3").c_str());
      options.set(CURLOPT_USERNAME, credential.user.c_str());
      options.set(CURLOPT_PASSWORD, credential.secret.c_str());
      return;
  }
}

}  // namespace

const ipc::Credential* Client::State::credentialFor(const Request& request, const Hop& hop) const {
  // Without a check of the certificate anybody on the way would be told.
  if (!hop.response.url.https() || options.skipTlsCheck || !hop.firstHost) return nullptr;
  if (!request.authorization.empty()) return nullptr;
  const auto found =
      std::ranges::find(options.credentials, hop.response.url.authority(), &ipc::Credential::host);
  return found == options.credentials.end() ? nullptr : &*found;
}

bool Client::State::mayAuthorise(const Request& request, const Hop& hop) const {
  if (request.authorization.empty() || !hop.firstHost) return false;
  return request.openAuthorization || (hop.response.url.https() && !options.skipTlsCheck);
}

Result<void> Client::State::prepare(const Request& request, Hop& hop, const List& headers) {
  ::curl_easy_reset(easy.get());
  Options set(easy.get());
  set.set(CURLOPT_URL, hop.response.url.text().c_str());
  setHttp(set, options.allowHttp);
  setTls(set, options);
  setLimits(set, request.large);
  hop.proxied = !options.proxy.empty() && !bypassesProxy(hop.response.url.host(), options.noProxy);
  set.set(CURLOPT_PROXY,
          hop.proxied ? options.proxy.c_str() : "");  // "": not what the environment says
  set.set(CURLOPT_NOPROXY, "");                       // decided above
  // An address is judged when it is connected to: what a server has named gets no connection that
  // was made for somebody else.
  set.set(CURLOPT_FRESH_CONNECT, request.namedBy > Reach::Machine || !hop.firstHost ? 1L : 0L);
  set.set(CURLOPT_HTTPHEADER, headers.get());
  set.set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));  // none of them to a proxy
  if (const ipc::Credential* credential = credentialFor(request, hop)) {
    setCredential(set, *credential);
    hop.response.identified = true;
  }
  if (mayAuthorise(request, hop)) hop.response.identified = !request.openAuthorization;
  if (!request.form.empty()) {
    set.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.form.size()));
    set.set(CURLOPT_POSTFIELDS, request.form.c_str());
  }
  if (hop.response.url.authority() == options.certificateHost && hop.response.url.https())
    setClientCertificate(set, options);
  set.set(CURLOPT_ERRORBUFFER, hop.curlText.data());
  set.set(CURLOPT_WRITEFUNCTION, &onBody);
  set.set(CURLOPT_WRITEDATA, &hop);
  set.set(CURLOPT_HEADERFUNCTION, &onHeader);
  set.set(CURLOPT_HEADERDATA, &hop);
  set.set(CURLOPT_OPENSOCKETFUNCTION, &onSocket);
  set.set(CURLOPT_OPENSOCKETDATA, &hop);
  return set.done();
}

Result<List> Client::State::headerList(const Request& request, const Hop& hop) const {
  std::vector<std::string> lines = request.headers;
  const ipc::Credential* credential = credentialFor(request, hop);
  if (credential != nullptr && credential->kind == ipc::Credential::Kind::Aws)
    lines.emplace_back(kAwsPayload);
  if (mayAuthorise(request, hop)) lines.push_back("Authorization: " + request.authorization);
  List headers;
  for (const std::string& line : lines) {
    curl_slist* longer = ::curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr) return fail(ErrorKind::Failed, "no memory for a header");
    static_cast<void>(headers.release());
    headers.reset(longer);
  }
  return headers;
}

Result<void> Client::State::perform(const Request& request, Hop& hop) {
  if (hop.response.url.https() && !options.skipTlsCheck && options.caBundle.empty()) {
    return refuse(ErrorKind::Missing, "E_TLS",
                  "this system has no certificate authorities to check " + host(hop) + " with",
                  "install ca-certificates, or name a CA file");
  }
  const List headers = TRY(headerList(request, hop));
  hop.easy = easy.get();
  TRY(prepare(request, hop, headers));
  const CURLcode code = ::curl_easy_perform(easy.get());
  std::optional<Error> error = failureOf(hop, code);
  if (!error && !hop.begun) {
    Result<void> begun = begin(hop);
    if (!begun) error = std::move(begun.error());
  }
  if (error) return fail(std::move(*error));
  return {};
}

// Location is read here and not asked of curl: the body of a redirect is cut off, and curl tells of
// the target only at its end.
Result<Url> Client::State::redirectTarget(const Hop& hop) const {
  const Url& from = hop.response.url;
  const std::vector<std::string_view> locations = hop.response.headers.all("location");
  if (locations.size() != 1) {
    return refuse(ErrorKind::Invalid, "E_REDIRECT",
                  quoted(from.text()) + " redirects to " +
                      (locations.empty() ? "nowhere" : "several places at once"));
  }
  return inContext(from.resolve(locations.front(), options.allowHttp),
                   "redirect of " + quoted(from.text()));
}

Client::Client(std::unique_ptr<State> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client::~Client() = default;

const ClientOptions& Client::options() const { return state_->options; }

Result<Client> Client::make(ClientOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  state->easy.reset(::curl_easy_init());
  if (!state->easy) return fail(ErrorKind::Failed, "libcurl does not start");
  return Client(std::move(state));
}

Result<Response> Client::get(const Request& request, const Body& body) {
  std::size_t headerBytes = 0;
  Url url = request.url;
  Reach namedBy = request.namedBy;
  bool firstHost = true;
  for (long redirects = 0; redirects <= limits::kRedirects; ++redirects) {
    Hop hop{.body = &body,
            .response = {.url = url},
            .namedBy = namedBy,
            .firstHost = firstHost,
            .headerBytes = &headerBytes};
    TRY(state_->perform(request, hop));
    if (!isRedirect(hop.response.status)) return std::move(hop.response);
    if (!request.form.empty()) {
      return refuse(ErrorKind::Invalid, "E_REDIRECT",
                    quoted(url.text()) + " redirects what it was to be told");
    }
    url = TRY(state_->redirectTarget(hop));
    // For good: the way back to the first host has been chosen by another.
    firstHost = firstHost && url.https() && url.authority() == request.url.authority();
    namedBy = std::max(namedBy, hop.response.reach);
  }
  return refuse(ErrorKind::Invalid, "E_REDIRECT",
                quoted(request.url.text()) + " redirects more than " +
                    std::to_string(limits::kRedirects) + " times");
}

std::unexpected<Error> badStatus(const Response& response) {
  const ErrorKind kind =
      response.status == 404 || response.status == 410 ? ErrorKind::Missing : ErrorKind::Failed;
  const bool unidentified = response.status == 401 || response.status == 403;
  std::string hint;
  if (unidentified && response.identified) {
    hint = "the credential that is configured for " + printable(response.url.authority()) +
           " does not open it";
  } else if (unidentified) {
    hint = "if " + printable(response.url.authority()) +
           " wants a user or a token, configure it in auth.d: see airlock-config(5)";
  }
  return refuse(kind, "E_HTTP",
                "bad HTTP status code: " + std::to_string(response.status) + " from " +
                    quoted(response.url.text()),
                std::move(hint));
}

Result<Document> getDocument(Client& client, const Request& request, std::size_t most) {
  std::string text;
  const auto tooLong = [&] {
    return refuse(
        ErrorKind::Invalid, "E_LIMIT",
        quoted(request.url.text()) + " is longer than " + std::to_string(most) + " bytes");
  };
  const Body body{.begin = [&](const Response& response) -> Result<bool> {
                    if (response.status != 200) return false;
                    if (TRY(bodyLength(response.headers)).value_or(0) > most) return tooLong();
                    return true;
                  },
                  .take = [&](std::string_view bytes) -> Result<void> {
                    if (bytes.size() > most - text.size()) return tooLong();
                    text += bytes;
                    return {};
                  }};
  Response response = TRY(client.get(request, body));
  return Document{std::move(response), std::move(text)};
}

}  // namespace airlock::fetch
