// SPDX-License-Identifier: Apache-2.0
#include "systemd/bus.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::systemd {

namespace {

constexpr char kSocket[] = "/run/dbus/system_bus_socket";
constexpr std::uint64_t kMicro = 1000;

struct BusError {
  sd_bus_error value = SD_BUS_ERROR_NULL;
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&value); }
};

std::string shortened(const char* text) {
  return text == nullptr ? std::string() : std::string(text).substr(0, limits::kTextBytes / 2);
}

}  // namespace

int Bus::jobRemoved(sd_bus_message* message, void* finished, sd_bus_error*) {
  std::uint32_t id = 0;
  const char* job = nullptr;
  const char* unit = nullptr;
  const char* result = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) < 0) return 0;
  static_cast<std::vector<Finished>*>(finished)->push_back({shortened(job), shortened(result)});
  return 0;
}

std::unexpected<Error> failBus(int number, std::string what) {
  return std::unexpected(Error::fromErrno(-number, what));
}

Result<Fd> connectToBus() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  static_assert(sizeof kSocket <= sizeof address.sun_path);
  std::memcpy(address.sun_path, kSocket, sizeof kSocket);
  // Non-blocking, as sd-bus wants it: a bus whose queue is full is EAGAIN, and no hang.
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return failErrno("socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failErrno("connect to the system bus");
  return socket;
}

Result<Bus> Bus::over(Fd connection, int milliseconds) {
  sd_bus* raw = nullptr;
  if (const int made = sd_bus_new(&raw); made < 0) return failBus(made, "make a bus object");
  Bus bus(raw, sys::now() + milliseconds);
  const int number = connection.release();  // its owner from here on
  if (const int set = sd_bus_set_fd(raw, number, number); set < 0)
    return failBus(set, "use the bus");
  if (const int set = sd_bus_set_bus_client(raw, 1); set < 0) return failBus(set, "use the bus");
  if (const int started = sd_bus_start(raw); started < 0)
    return failBus(started, "talk to the system bus");
  // Here, not in the first call: sd-bus would give a bus that is silent a minute and a half.
  while (sd_bus_is_ready(raw) == 0) TRY(bus.turn());
  return bus;
}

Result<void> Bus::turn() {
  const int worked = sd_bus_process(bus_.get(), nullptr);
  if (worked < 0) return failBus(worked, "talk to the system bus");
  if (worked > 0) return {};
  if (sys::now() >= deadline_) return fail(ErrorKind::Failed, "the system bus takes too long");
  const int waited = sd_bus_wait(bus_.get(), microsecondsLeft());
  if (waited < 0 && waited != -EINTR) return failBus(waited, "wait for the system bus");
  return {};
}

std::uint64_t Bus::microsecondsLeft() const {
  // 0 would mean the default of 25 seconds.
  return static_cast<std::uint64_t>(std::max<std::int64_t>(deadline_ - sys::now(), 1)) * kMicro;
}

Result<Message> Bus::makeCall(const Target& target, const char* method) {
  sd_bus_message* raw = nullptr;
  const int made = sd_bus_message_new_method_call(bus_.get(), &raw, target.service,
                                                  target.object.c_str(), target.interface, method);
  if (made < 0) return failBus(made, std::string("make a call of ") + method);
  return Message(raw);
}

Result<Message> Bus::call(const Message& message) {
  BusError error;
  sd_bus_message* reply = nullptr;
  const int called =
      sd_bus_call(bus_.get(), message.get(), microsecondsLeft(), &error.value, &reply);
  if (called >= 0) return Message(reply);
  const std::string method = shortened(sd_bus_message_get_member(message.get()));
  if (sd_bus_error_is_set(&error.value) != 0 && error.value.message != nullptr)
    return fail(ErrorKind::Failed, method + ": " + shortened(error.value.message));
  return failBus(called, method);
}

Result<std::string> Bus::text(const Target& target, const char* property) {
  BusError error;
  char* value = nullptr;
  const int got = sd_bus_get_property_string(bus_.get(), target.service, target.object.c_str(),
                                             target.interface, property, &error.value, &value);
  if (got < 0) return failBus(got, std::string("read ") + property);
  const std::unique_ptr<char, decltype(&std::free)> owner(value, &std::free);
  return shortened(value);
}

Result<std::uint32_t> Bus::number(const Target& target, const char* property) {
  BusError error;
  std::uint32_t value = 0;
  const int got =
      sd_bus_get_property_trivial(bus_.get(), target.service, target.object.c_str(),
                                  target.interface, property, &error.value, 'u', &value);
  if (got < 0) return failBus(got, std::string("read ") + property);
  return value;
}

Result<void> Bus::watchJobs() {
  const int matched = sd_bus_match_signal(
      bus_.get(), nullptr, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
      "org.freedesktop.systemd1.Manager", "JobRemoved", jobRemoved, finished_.get());
  if (matched < 0) return failBus(matched, "watch systemd's jobs");
  return {};
}

Result<std::string> Bus::waitForJob(const std::string& job) {
  for (;;) {
    const auto over = std::ranges::find(*finished_, job, &Finished::job);
    if (over != finished_->end()) return over->result;
    TRY(turn());
  }
}

}  // namespace airlock::systemd
