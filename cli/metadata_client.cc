// SPDX-License-Identifier: Apache-2.0
#include "cli/metadata_client.h"

#include <sodium.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <cstring>

#include "base/limits.h"
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

Result<Fd> connectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorKind::Invalid, path + " is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return failErrno("socket");
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(socket.get(), SOL_SOCKET, option, &patience, sizeof patience) != 0)
      return failErrno("setsockopt");
  }
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return noService(Error::fromErrno(errno, path).message());
  return socket;
}

// The status of the answer; its text is the service's, and escaped where it is shown.
Result<int> ask(const Options& options, const std::string& method, const std::string& target,
                const std::string& body) {
  const Fd socket = TRY(connectTo(metadataSocket(options)));
  TRY(sys::writeAll(socket,
                    method + " " + target +
                        " HTTP/1.1\r\nHost: metadata\r\nConnection: close\r\nContent-Length: " +
                        std::to_string(body.size()) + "\r\n\r\n" + body));
  const std::string answer = TRY(sys::readAll(socket, kAnswerBytes));
  constexpr std::string_view kStart = "HTTP/1.1 ";
  constexpr std::size_t kDigits = 3;
  if (!answer.starts_with(kStart) || answer.size() < kStart.size() + kDigits)
    return noService("what answers there is no metadata service");
  int status = 0;
  for (const char c : answer.substr(kStart.size(), kDigits)) {
    if (c < '0' || c > '9') return noService("what answers there is no metadata service");
    status = 10 * status + (c - '0');
  }
  return status;
}

Result<void> put(const Options& options, const std::string& target, const std::string& body) {
  constexpr int kOk = 200;
  const int status = TRY(ask(options, "PUT", target, body));
  if (status == kOk) return {};
  return refuse(ErrorKind::Failed, "E_METADATA",
                "the metadata service refuses the pod: HTTP status " + std::to_string(status),
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

std::string metadataUrl(const std::string& token) {
  return "http://127.0.0.1:" + std::to_string(kMetadataPort) + "/" + token;
}

Result<void> registerPod(const Options& options, const PodId& pod, const std::string& token,
                         const std::string& podManifest, const std::vector<AppManifest>& apps) {
  const std::string target = "/pods/" + pod.text();
  TRY(put(options, target + "?token=" + token, podManifest));
  for (const auto& [app, manifest] : apps) {
    auto done = put(options, target + "/" + app, manifest);
    if (done) continue;
    static_cast<void>(unregisterPod(options, pod));
    return done;
  }
  return {};
}

Result<void> unregisterPod(const Options& options, const PodId& pod) {
  constexpr int kOk = 200;
  constexpr int kNotFound = 404;
  const int status = TRY(ask(options, "DELETE", "/pods/" + pod.text(), ""));
  if (status == kOk || status == kNotFound) return {};
  return refuse(ErrorKind::Failed, "E_METADATA",
                "the metadata service keeps the pod: HTTP status " + std::to_string(status));
}

Result<MetadataRegistration> MetadataRegistration::make(const Options& options, const PodId& pod,
                                                        const MetadataEntry& entry,
                                                        const std::string& podManifest) {
  TRY(registerPod(options, pod, entry.token, podManifest, entry.apps));
  return MetadataRegistration(options, pod);
}

}  // namespace airlock::cli
