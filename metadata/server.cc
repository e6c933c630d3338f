// SPDX-License-Identifier: Apache-2.0
#include "metadata/server.h"

#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <string>

#include "base/accounts.h"
#include "metadata/bounds.h"

namespace airlock::metadata {

namespace {

constexpr std::size_t kHeaderBytes = 32 * limits::KiB;  // of one request, all its lines

struct DaemonDeleter {
  void operator()(MHD_Daemon* daemon) const { ::MHD_stop_daemon(daemon); }
};
struct ResponseDeleter {
  void operator()(MHD_Response* response) const { ::MHD_destroy_response(response); }
};

// One listening socket with what answers there.
struct Door {
  Fd socket;
  unsigned connections = limits::kMetadataConnections;
  std::function<Answer(const Request&, MHD_Connection*)> answer;
  std::function<void(std::uint64_t)> closed;          // a connection has ended, by its number
  std::uint64_t count = 0;                            // of connections so far
  std::unique_ptr<MHD_Daemon, DaemonDeleter> daemon;  // before the socket goes

  int epoll() const {
    return ::MHD_get_daemon_info(daemon.get(), MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  }
};

// Of one request while its body comes.
struct Incoming {
  std::string body;
};

std::string textOf(const char* text) { return text == nullptr ? "" : text; }

MHD_Result send(MHD_Connection* connection, const Answer& answer) {
  const std::unique_ptr<MHD_Response, ResponseDeleter> response(::MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY));
  if (!response) return MHD_NO;
  ::MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, answer.type);
  ::MHD_add_response_header(response.get(), "Metadata-Flavor", "AppContainer");
  if (answer.allow != nullptr)
    ::MHD_add_response_header(response.get(), MHD_HTTP_HEADER_ALLOW, answer.allow);
  return ::MHD_queue_response(connection, answer.status, response.get());
}

// A body that is announced as too large is not waited for.
bool announcesTooMuch(MHD_Connection* connection) {
  const std::string length =
      textOf(::MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length"));
  if (length.empty()) return false;
  const auto number = parseNumber(length);
  return !number || *number > limits::kMetadataBodyBytes;
}

// Each connection has a number of its own, never 0, where libmicrohttpd keeps a pointer of ours.
void onConnection(void* user, MHD_Connection*, void** context,
                  MHD_ConnectionNotificationCode what) {
  auto& door = *static_cast<Door*>(user);
  if (what == MHD_CONNECTION_NOTIFY_STARTED) {
    *context = reinterpret_cast<void*>(static_cast<std::uintptr_t>(++door.count));
  } else if (door.closed) {
    door.closed(reinterpret_cast<std::uintptr_t>(*context));
  }
}

std::uint64_t numberOf(MHD_Connection* connection) {
  return reinterpret_cast<std::uintptr_t>(
      ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context);
}

MHD_Result onRequest(void* user, MHD_Connection* connection, const char* url, const char* method,
                     const char*, const char* data, std::size_t* size, void** context) {
  const Door& door = *static_cast<const Door*>(user);
  auto* incoming = static_cast<Incoming*>(*context);
  if (incoming == nullptr) {
    *context = new Incoming;
    if (announcesTooMuch(connection))
      return send(connection, {.status = MHD_HTTP_CONTENT_TOO_LARGE, .body = "too large\n"});
    return MHD_YES;
  }
  if (*size > 0) {
    // In pieces, without a length: the connection is cut.
    if (*size > limits::kMetadataBodyBytes - incoming->body.size()) return MHD_NO;
    incoming->body.append(data, *size);
    *size = 0;
    return MHD_YES;
  }
  const Request request{
      .method = textOf(method),
      .path = textOf(url),
      .token = textOf(::MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "token")),
      .body = std::move(incoming->body),
      .heldBy = textOf(::MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "while")) ==
                        "connected"
                    ? numberOf(connection)
                    : 0};
  return send(connection, door.answer(request, connection));
}

void onCompleted(void*, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
  delete static_cast<Incoming*>(*context);
  *context = nullptr;
}

Result<void> open(Door& door) {
  // No Date: the C library would open the time zone's file for it.
  door.daemon.reset(::MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_SUPPRESS_DATE_NO_CLOCK, 0, nullptr, nullptr, &onRequest, &door,
      MHD_OPTION_LISTEN_SOCKET, door.socket.get(), MHD_OPTION_CONNECTION_LIMIT, door.connections,
      MHD_OPTION_CONNECTION_TIMEOUT, limits::kMetadataSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      kHeaderBytes, MHD_OPTION_NOTIFY_COMPLETED, &onCompleted, nullptr,
      MHD_OPTION_NOTIFY_CONNECTION, &onConnection, &door, MHD_OPTION_END));
  if (!door.daemon) return fail(ErrorKind::Failed, "libmicrohttpd does not start");
  return {};
}

// -1: for ever.
int timeoutOf(const Door& door) {
  MHD_UNSIGNED_LONG_LONG milliseconds = 0;
  if (::MHD_get_timeout(door.daemon.get(), &milliseconds) != MHD_YES) return -1;
  return static_cast<int>(std::min<MHD_UNSIGNED_LONG_LONG>(milliseconds, 60'000));
}

int sooner(int one, int other) {
  if (one < 0 || other < 0) return std::max(one, other);
  return std::min(one, other);
}

}  // namespace

struct Server::Doors {
  Door pods;
  Door registrations;
};

Server::Server(std::string url) : url_(std::move(url)), doors_(std::make_unique<Doors>()) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::make(Fd pods, Fd registrations, std::string url) {
  std::unique_ptr<Server> server(new Server(std::move(url)));
  Server& self = *server;
  self.doors_->pods.socket = std::move(pods);
  self.doors_->pods.answer = [&self](const Request& request, MHD_Connection*) {
    return answerPod(self.registry_, self.signer_, request);
  };
  self.doors_->registrations.socket = std::move(registrations);
  self.doors_->registrations.answer = [&self](const Request& request, MHD_Connection* connection) {
    const int socket =
        ::MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
      return Answer{.status = MHD_HTTP_FORBIDDEN, .body = "who are you?\n"};
    Answer answer = answerRegistration(self.registry_, self.url_, request, peer.uid);
    // It may be silent for as long as its pod lives.
    if (request.method == "PUT" && request.heldBy != 0 && answer.status == MHD_HTTP_OK)
      ::MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    return answer;
  };
  self.doors_->registrations.connections = limits::kMetadataRegistrations;
  self.doors_->registrations.closed = [&self](std::uint64_t connection) {
    self.registry_.connectionClosed(connection);
  };
  TRY(open(self.doors_->pods));
  TRY(open(self.doors_->registrations));
  return server;
}

std::vector<int> Server::descriptors() const {
  return {doors_->pods.socket.get(), doors_->pods.epoll(), doors_->registrations.socket.get(),
          doors_->registrations.epoll()};
}

Result<void> Server::run() {
  std::array<Door*, 2> doors = {&doors_->pods, &doors_->registrations};
  for (;;) {
    std::array<pollfd, 2> waiting{};
    int timeout = -1;
    for (std::size_t i = 0; i < doors.size(); ++i) {
      waiting[i] = {.fd = doors[i]->epoll(), .events = POLLIN, .revents = 0};
      timeout = sooner(timeout, timeoutOf(*doors[i]));
    }
    if (::poll(waiting.data(), waiting.size(), timeout) < 0 && errno != EINTR)
      return failErrno("poll");
    for (Door* door : doors) {
      if (::MHD_run(door->daemon.get()) != MHD_YES)
        return fail(ErrorKind::Failed, "libmicrohttpd does not run");
    }
  }
}

}  // namespace airlock::metadata
