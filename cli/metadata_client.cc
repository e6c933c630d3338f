// SPDX-License-Identifier: Apache-2.0
#include "cli/metadata_client.h"

#include <sodium.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <charconv>

#include "base/limits.h"
#include "base/local_socket.h"
#include "base/log.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kTokenBytes = 16;
constexpr std::size_t kAnswerBytes = 16 * limits::KiB;
constexpr time_t kPatienceSeconds = 10;

std::unexpected<Error> noService(const std::string& why) {
  return refuse(ErrorKind::Unsupported, "E_METADATA", "no metadata service can be reached: " + why,
                "Start one: airlock metadata-service, or systemctl enable --now "
                "airlock-metadata.socket");
}

Result<Fd> connectTo(const Options& options) {
  auto socket = sys::connectLocal(metadataSocket(options), SOCK_STREAM);
  if (!socket) return noService(socket.error().message());
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(socket->get(), SOL_SOCKET, option, &patience, sizeof patience) != 0)
      return failErrno("setsockopt");
  }
  return socket;
}

struct Answer {
  int status = 0;
  std::string body;  // the service's text: escaped where it is shown
};

// "200" -> 200; nullopt: no number, or too large a one.
std::optional<std::size_t> smallNumber(std::string_view digits) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value > kAnswerBytes)
    return std::nullopt;
  return value;
}

// Of "HTTP/1.1 200 OK\r\n…"; -1: it is none.
int statusOf(std::string_view head) {
  constexpr std::string_view kStart = "HTTP/1.1 ";
  constexpr std::size_t kDigits = 3;
  if (!head.starts_with(kStart)) return -1;
  const auto status = smallNumber(head.substr(kStart.size(), kDigits));
  return status ? static_cast<int>(*status) : -1;
}

std::optional<std::size_t> lengthOf(std::string_view head) {
  constexpr std::string_view kField = "\r\nContent-Length: ";  // as libmicrohttpd writes it
  const std::size_t at = head.find(kField);
  if (at == head.npos) return std::nullopt;
  const std::string_view rest = head.substr(at + kField.size());
  return smallNumber(rest.substr(0, rest.find('\r')));
}

// The connection stays open for the next question.
Result<Answer> ask(FdRef service, const std::string& method, const std::string& target,
                   const std::string& body = "") {
  TRY(sys::writeAll(service, method + " " + target +
                                 " HTTP/1.1\r\nHost: metadata\r\nContent-Length: " +
                                 std::to_string(body.size()) + "\r\n\r\n" + body));
  constexpr std::string_view kEndOfHead = "\r\n\r\n";
  std::string text;
  std::array<std::uint8_t, 4096> piece{};
  while (text.size() < kAnswerBytes) {
    const std::size_t count = TRY(sys::read(service, piece));
    if (count == 0) break;
    text.append(reinterpret_cast<const char*>(piece.data()), count);
    const std::size_t end = text.find(kEndOfHead);
    if (end == text.npos) continue;
    const auto length = lengthOf(std::string_view(text).substr(0, end + 2));
    const int status = statusOf(text);
    if (!length || status < 0) break;
    const std::size_t start = end + kEndOfHead.size();
    if (text.size() - start >= *length) return Answer{status, text.substr(start, *length)};
  }
  return noService("what answers there is no metadata service");
}

constexpr int kOk = 200;

Result<void> put(FdRef service, const std::string& target, const std::string& body) {
  const Answer answer = TRY(ask(service, "PUT", target, body));
  if (answer.status == kOk) return {};
  return refuse(ErrorKind::Failed, "E_METADATA",
                "the metadata service refuses the pod: HTTP status " +
                    std::to_string(answer.status) + ": " +
                    printable(answer.body.substr(0, answer.body.find('\n'))),
                "See its log");
}

}  // namespace

std::string metadataSocket(const Options& options) {
  return store::runtimeDirectoryOf(options.dir) + "/metadata-svc.sock";
}

std::string newMetadataToken() {
  std::array<unsigned char, kTokenBytes> bytes{};
  ::randombytes_buf(bytes.data(), bytes.size());
  std::string text(2 * kTokenBytes + 1, '\0');
  ::sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  text.pop_back();
  return text;
}

Result<std::string> metadataUrl(const Options& options, const std::string& token) {
  const Fd service = TRY(connectTo(options));
  const Answer answer = TRY(ask(service, "GET", "/url"));
  if (answer.status != kOk || !answer.body.starts_with("http://"))
    return noService("it does not say where it listens");
  return answer.body + "/" + token;
}

Result<MetadataRegistration> MetadataRegistration::make(const Options& options, const PodId& pod,
                                                        const MetadataEntry& entry,
                                                        const std::string& podManifest) {
  MetadataRegistration made(TRY(connectTo(options)), pod);
  const std::string target = "/pods/" + pod.text();
  TRY(put(made.connection_, target + "?token=" + entry.token + "&while=connected", podManifest));
  for (const auto& [app, manifest] : entry.apps)
    TRY(put(made.connection_, target + "/" + app, manifest));
  return made;
}

// The end of the connection would do; what is asked is over when this returns.
MetadataRegistration::~MetadataRegistration() {
  if (pod_) static_cast<void>(ask(connection_, "DELETE", "/pods/" + pod_->text()));
}

}  // namespace airlock::cli
