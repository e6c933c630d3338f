// SPDX-License-Identifier: Apache-2.0
#include "systemd/arrange.h"

#include <string>

#include "base/limits.h"
#include "systemd/bus.h"

namespace airlock::systemd {

namespace {

constexpr int kMilliseconds = 15'000;  // machined may have to be started; the helper waits for 20 s
// systemd kills what is left of a scope; stage1 does so to its apps ten seconds after TERM.
constexpr std::uint64_t kStopMicroseconds = (limits::kStopMilliseconds + 5'000) * 1'000;

const Target kManager = {"org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                         "org.freedesktop.systemd1.Manager"};
const Target kMachined = {"org.freedesktop.machine1", "/org/freedesktop/machine1",
                          "org.freedesktop.machine1.Manager"};

Target unitAs(const std::string& object, const char* interface) {
  return {kManager.service, object, interface};
}

// The caller's unit, as systemd knows it.
struct Unit {
  std::string name;
  std::string ownSlice;  // where the pod's own scope goes; empty: the pod stays in this unit
  bool callers = false;  // a service whose main process the caller is: it ends with the pod
};

Result<std::string> objectOf(Bus& bus, std::uint32_t process) {
  const Message message = TRY(bus.makeCall(kManager, "GetUnitByPID"));
  if (const int put = sd_bus_message_append(message.get(), "u", process); put < 0)
    return failBus(put, "GetUnitByPID");
  const Message reply = TRY(bus.call(message));
  const char* object = nullptr;
  if (const int got = sd_bus_message_read(reply.get(), "o", &object); got < 0)
    return failBus(got, "GetUnitByPID");
  return std::string(object);
}

Result<Unit> unitOf(Bus& bus, std::uint32_t process) {
  const std::string object = TRY(objectOf(bus, process));
  Unit unit{.name = TRY(bus.text(unitAs(object, "org.freedesktop.systemd1.Unit"), "Id")),
            .ownSlice = {},
            .callers = false};
  if (unit.name.ends_with(".service")) {
    unit.callers =
        TRY(bus.number(unitAs(object, "org.freedesktop.systemd1.Service"), "MainPID")) == process;
    return unit;
  }
  // A login session is logind's, and ends when the user leaves; a slice and init.scope are
  // systemd's.  Other scopes were made for what runs in them.
  const bool session = unit.name.starts_with("session-") && unit.name.ends_with(".scope");
  if (session) {
    unit.ownSlice = TRY(bus.text(unitAs(object, "org.freedesktop.systemd1.Scope"), "Slice"));
  } else if (unit.name.ends_with(".slice") && unit.name != "-.slice") {
    unit.ownSlice = unit.name;
  } else if (unit.name == "init.scope" || unit.name == "-.slice") {
    unit.ownSlice = "machine.slice";
  }
  return unit;
}

Result<void> startScope(Bus& bus, const ipc::SystemdJob& job, const std::string& name,
                        const std::string& slice) {
  TRY(bus.watchJobs());
  const Message message = TRY(bus.makeCall(kManager, "StartTransientUnit"));
  const std::string description = "Airlock pod " + job.pod.text();
  // clang-format off: a table
  const int put = sd_bus_message_append(
      message.get(), "ssa(sv)a(sa(sv))", name.c_str(), "fail", 6, "Description", "s",
      description.c_str(), "Slice", "s", slice.c_str(), "PIDs", "au", 1, job.leader, "Delegate",
      "b", 1,                                    // its groups are ours to make
      "CollectMode", "s", "inactive-or-failed",  // nothing of it stays
      "TimeoutStopUSec", "t", kStopMicroseconds, 0);
  // clang-format on
  if (put < 0) return failBus(put, "StartTransientUnit");
  const Message reply = TRY(bus.call(message));
  const char* object = nullptr;
  if (const int got = sd_bus_message_read(reply.get(), "o", &object); got < 0)
    return failBus(got, "StartTransientUnit");
  const std::string result = TRY(bus.waitForJob(object));
  if (result != "done") return fail(ErrorKind::Failed, "systemd's job: " + result);
  return {};
}

// Stopping a machine stops the unit that its leader is in.
Result<void> registerMachine(Bus& bus, const ipc::SystemdJob& job, const std::string& name) {
  const Message message = TRY(bus.makeCall(kMachined, "RegisterMachine"));
  int put = sd_bus_message_append(message.get(), "s", name.c_str());
  if (put >= 0) {
    const auto& id = job.pod.bytes();
    put = sd_bus_message_append_array(message.get(), 'y', id.data(), id.size());
  }
  if (put >= 0)
    put = sd_bus_message_append(message.get(), "ssus", "airlock", "container", job.leader, "");
  if (put < 0) return failBus(put, "RegisterMachine");
  TRY(bus.call(message));
  return {};
}

}  // namespace

Result<ipc::Arranged> arrange(const ipc::SystemdJob& job, Fd connection) {
  Bus bus = TRY(Bus::over(std::move(connection), kMilliseconds));
  Unit unit = TRY(unitOf(bus, job.caller));
  const std::string name = "airlock-" + job.pod.text();
  ipc::Arranged arranged{.unit = unit.name, .machine = {}, .why = {}};
  if (!unit.ownSlice.empty()) {
    if (auto started = startScope(bus, job, name + ".scope", unit.ownSlice); !started) {
      arranged.why = "no scope of its own: " + started.error().text();
      return arranged;
    }
    arranged.unit = name + ".scope";
  } else if (!unit.callers) {
    arranged.why = "its unit is not the pod's alone";
    return arranged;
  }
  const std::string machine = job.asRkt ? "rkt-" + job.pod.text() : name;
  if (auto registered = registerMachine(bus, job, machine); !registered) {
    arranged.why = registered.error().text();
    return arranged;
  }
  arranged.machine = machine;
  return arranged;
}

}  // namespace airlock::systemd
