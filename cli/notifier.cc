// SPDX-License-Identifier: Apache-2.0
#include "cli/notifier.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/limits.h"

namespace airlock::cli {

namespace {

constexpr timeval kPatience{5, 0};  // with a manager that does not read

Fd connectTo(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool known = name.size() > 1 && (name[0] == '/' || name[0] == '@');
  if (!known || name.size() >= sizeof address.sun_path) return {};
  std::memcpy(address.sun_path, name.data(), name.size());
  // An abstract name is as long as it is said to be, and a zero byte begins it.  unix(7)
  if (name[0] == '@') address.sun_path[0] = 0;
  const auto size = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '/' ? 1 : 0);
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid() || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                                   static_cast<socklen_t>(size)) != 0) {
    return {};
  }
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  return socket;
}

// PID 1 has escaped it already; whether it has is its own word.
std::string oneLine(std::string text) {
  text.resize(std::min(text.size(), limits::kNotifyStatusBytes));
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, '?');
  return text;
}

}  // namespace

Notifier::Notifier(const std::string& socket, std::vector<std::string> apps)
    : socket_(connectTo(socket)) {
  for (std::string& name : apps) apps_.push_back({std::move(name)});
}

void Notifier::podIsReady() {
  running_ = true;
  tellReady();
}

void Notifier::appSays(const ipc::LeashEvent& event) {
  const auto app = std::ranges::find(apps_, event.app, &App::name);
  if (app == apps_.end()) return;
  if ((event.notify & ipc::kNotifyStatus) != 0)
    tell("STATUS=" + oneLine((apps_.size() > 1 ? event.app + ": " : "") + event.text));
  app->said |= event.notify & ~ipc::kNotifyStatus;
  if ((event.notify & ipc::kNotifyReloading) != 0) {
    app->said &= ~(ipc::kNotifyReady | ipc::kNotifyReloading);
    if (told_) tell("RELOADING=1");
    told_ = false;
  }
  tellReady();
  if (allSaid(ipc::kNotifyStopping)) podStops();
  if (allSaid(ipc::kNotifyWatchdog)) {
    for (App& each : apps_) each.said &= ~ipc::kNotifyWatchdog;
    tell("WATCHDOG=1");
  }
}

void Notifier::podStops() {
  if (!stopping_) tell("STOPPING=1");
  stopping_ = true;
}

bool Notifier::allSaid(std::uint32_t what) const {
  return std::ranges::all_of(apps_, [&](const App& app) { return (app.said & what) != 0; });
}

void Notifier::tellReady() {
  if (told_ || stopping_ || !running_ || !allSaid(ipc::kNotifyReady)) return;
  told_ = true;
  tell("READY=1");
}

void Notifier::tell(std::string_view line) {
  // A manager that is gone or does not listen must not keep a pod from running.
  if (socket_.valid())
    static_cast<void>(::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL));
}

}  // namespace airlock::cli
