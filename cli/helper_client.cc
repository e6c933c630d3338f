// SPDX-License-Identifier: Apache-2.0
#include "cli/helper_client.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/local_socket.h"
#include "base/log.h"
#include "base/syscall.h"
#include "ipc/peer.h"

namespace airlock::cli {

namespace {

constexpr int kAnswerMilliseconds =
    600'000;  // an import of the largest image; the helper has its own, shorter ones

std::string socketPath(const Options& options) {
  return store::runtimeDirectoryOf(options.dir) + "/" + store::kHelperSocketName;
}

Result<Fd> connectTo(const std::string& path) {
  Fd socket = TRY(sys::connectLocal(path, SOCK_SEQPACKET));
  // Whoever else could have put a socket there would see our descriptors: only root may serve it.
  if (TRY(ipc::identifyPeer(socket)).uid != 0) {
    return refuse(ErrorKind::Denied, "E_HELPER", path + " is not served by root");
  }
  return socket;
}

constexpr const char* kStartOne =
    "Ask the administrator to start one (systemctl enable --now airlock-helper.socket, or "
    "airlock-helper --listen), or use sudo";

std::unexpected<Error> noHelper(const std::string& why, const char* hint) {
  return refuse(ErrorKind::Unsupported, "E_HELPER", "no helper can be reached: " + why, hint);
}

struct Connection {
  ipc::Channel channel;
  std::optional<Child> child;
};

Result<Connection> startHelper(const Options& options) {
  const Fd program = TRY(openSibling("airlock-helper"));
  sys::SocketPair pair = TRY(sys::socketPair());
  Child child = TRY(spawn({.executable = program,
                           .arguments = {"airlock-helper", "--child=3", "--dir=" + options.dir,
                                         "--local-config=" + options.localConfig,
                                         "--system-config=" + options.systemConfig},
                           .environment = {},
                           .descriptors = {{pair.second, ipc::kChannelFd}},
                           .limits = {},
                           .noNewPrivileges = false,
                           .dieWithParent = false}));
  return Connection{ipc::Channel(std::move(pair.first)), std::move(child)};
}

Result<Connection> connect(const Options& options) {
  if (::geteuid() == 0) return startHelper(options);
  auto socket = connectTo(socketPath(options));
  if (socket) return Connection{ipc::Channel(*std::move(socket)), std::nullopt};
  if (socket.error().code() == "E_HELPER") return std::unexpected(std::move(socket.error()));
  TRY(findHelper(options));
  return noHelper(socket.error().message(), kStartOne);
}

}  // namespace

Result<void> findHelper(const Options& options) {
  if (::geteuid() == 0) return {};
  const std::string path = socketPath(options);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode))
    return noHelper("there is no socket " + printable(path), kStartOne);
  if (info.st_uid != 0) return noHelper(printable(path) + " is not root's", kStartOne);
  if (::access(path.c_str(), W_OK) != 0) {
    return noHelper("you may not write to " + printable(path),
                    "Have the administrator add you to its group (usermod -aG airlock USER) and "
                    "log in again, or use sudo");
  }
  return {};
}

bool helperReachable(const Options& options) { return findHelper(options).has_value(); }

Result<HelperConversation> HelperConversation::open(const Options& options) {
  Connection connection = TRY(connect(options));
  return HelperConversation(std::move(connection.channel), std::move(connection.child));
}

Result<void> HelperConversation::say(const std::string& bytes, std::span<const FdRef> fds) {
  auto sent = channel_.send(bytes, fds);
  if (sent) return {};
  const auto answer = hear();
  if (!answer) return std::unexpected(answer.error());
  return sent;
}

Result<HelperAnswer> HelperConversation::hear(
    const std::function<void(const ipc::Progress&)>& progress) {
  for (;;) {
    auto message = TRY(channel_.receive(kAnswerMilliseconds));
    if (!message) {
      return refuse(ErrorKind::Failed, "E_HELPER", "the helper ended without an answer",
                    "See its log");
    }
    HelperAnswer answer{TRY(ipc::decodeHelperReply(message->bytes)), {}};
    if (const auto* step = std::get_if<ipc::Progress>(&answer.reply)) {
      if (progress) progress(*step);
      continue;
    }
    if (auto* failure = std::get_if<ipc::Failure>(&answer.reply)) {
      end();
      return std::unexpected(std::move(failure->error));
    }
    for (std::size_t i = 0; i < message->fds.size(); ++i)
      answer.fds.push_back(TRY(message->fds.take(i)));
    return answer;
  }
}

void HelperConversation::end() {
  if (child_) static_cast<void>(child_->wait());
}

Result<HelperAnswer> askHelper(const Options& options, const ipc::HelperRequest& request,
                               std::span<const FdRef> fds,
                               const std::function<void(const ipc::Progress&)>& progress) {
  const std::string bytes = TRY(ipc::encode(request));
  HelperConversation conversation = TRY(HelperConversation::open(options));
  TRY(conversation.say(bytes, fds));
  HelperAnswer answer = TRY(conversation.hear(progress));
  conversation.end();
  return answer;
}

}  // namespace airlock::cli
