// SPDX-License-Identifier: Apache-2.0
// The system bus: calls to systemd and machined, each within one deadline for all.  airlock-systemd
// only.
#pragma once

#include <systemd/sd-bus.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::systemd {

// A service on the bus, one of its objects, and the interface that is meant.
struct Target {
  const char* service;
  std::string object;
  const char* interface;
};

struct MessageDeleter {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};
using Message = std::unique_ptr<sd_bus_message, MessageDeleter>;

// The connection to the bus, of this process: to be made before it is confined.
Result<Fd> connectToBus();

class Bus {
 public:
  // Over `connection`; everything together takes at most `milliseconds`.
  static Result<Bus> over(Fd connection, int milliseconds);

  Result<Message> makeCall(const Target& target, const char* method);
  // What the other side answers, or its refusal as an error.
  Result<Message> call(const Message& message);
  Result<std::string> text(const Target& target, const char* property);
  Result<std::uint32_t> number(const Target& target, const char* property);
  // Waits until systemd has done with a job; `job` is its object.  The result: "done" or why not.
  Result<std::string> waitForJob(const std::string& job);
  // Before the call that makes the job.
  Result<void> watchJobs();

 private:
  struct Deleter {
    void operator()(sd_bus* bus) const { sd_bus_close_unref(bus); }
  };
  struct Finished {
    std::string job;
    std::string result;
  };
  Bus(sd_bus* bus, std::int64_t deadline)
      : bus_(bus), finished_(std::make_unique<std::vector<Finished>>()), deadline_(deadline) {}
  std::uint64_t microsecondsLeft() const;
  Result<void> turn();  // works on what has come, or waits for more
  static int jobRemoved(sd_bus_message* message, void* finished, sd_bus_error* error);

  std::unique_ptr<sd_bus, Deleter> bus_;
  std::unique_ptr<std::vector<Finished>> finished_;  // stays where it is: sd-bus points to it
  std::int64_t deadline_;                            // sys::now()
};

// `number` is what a function of sd-bus has answered, negative.
std::unexpected<Error> failBus(int number, std::string what);

}  // namespace airlock::systemd
