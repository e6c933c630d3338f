// SPDX-License-Identifier: Apache-2.0
#include "ipc/pod_spec.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
using WireEvent = wire::LeashEvent::Kind;
using WireCommand = wire::LeashCommand::Kind;

WireEvent toWire(LeashEvent::Kind kind) {
  switch (kind) {
    case LeashEvent::Kind::Ready:
      return WireEvent::READY;
    case LeashEvent::Kind::Failed:
      return WireEvent::FAILED;
    case LeashEvent::Kind::Terminal:
      return WireEvent::TERMINAL;
    case LeashEvent::Kind::AppExited:
      return WireEvent::APP_EXITED;
    case LeashEvent::Kind::PodExited:
      return WireEvent::POD_EXITED;
    case LeashEvent::Kind::Notify:
      return WireEvent::NOTIFY;
    case LeashEvent::Kind::OomKilled:
      return WireEvent::OOM_KILLED;
    case LeashEvent::Kind::Warning:
      return WireEvent::WARNING;
  }
  return WireEvent::UNSET;
}
Result<LeashEvent::Kind> fromWire(WireEvent kind) {
  switch (kind) {
    case WireEvent::UNSET:
      break;
    case WireEvent::READY:
      return LeashEvent::Kind::Ready;
    case WireEvent::FAILED:
      return LeashEvent::Kind::Failed;
    case WireEvent::TERMINAL:
      return LeashEvent::Kind::Terminal;
    case WireEvent::APP_EXITED:
      return LeashEvent::Kind::AppExited;
    case WireEvent::POD_EXITED:
      return LeashEvent::Kind::PodExited;
    case WireEvent::NOTIFY:
      return LeashEvent::Kind::Notify;
    case WireEvent::OOM_KILLED:
      return LeashEvent::Kind::OomKilled;
    case WireEvent::WARNING:
      return LeashEvent::Kind::Warning;
  }
  return badValue("leash event", "is of an unknown kind");
}

WireCommand toWire(LeashCommand::Kind kind) {
  switch (kind) {
    case LeashCommand::Kind::Stop:
      return WireCommand::STOP;
    case LeashCommand::Kind::Signal:
      return WireCommand::SIGNAL;
  }
  return WireCommand::UNSET;
}
Result<LeashCommand::Kind> fromWire(WireCommand kind) {
  switch (kind) {
    case WireCommand::UNSET:
      break;
    case WireCommand::STOP:
      return LeashCommand::Kind::Stop;
    case WireCommand::SIGNAL:
      return LeashCommand::Kind::Signal;
  }
  return badValue("leash command", "is of an unknown kind");
}

void writeEvent(wire::LeashEvent::Builder to, const LeashEvent& event) {
  to.setKind(toWire(event.kind));
  to.setApp(text(shown(event.app)));
  to.setStatus(event.status);
  to.setText(text(shown(event.text)));
  to.setNotify(event.notify);
}
Result<LeashEvent> readEvent(wire::LeashEvent::Reader from) {
  LeashEvent event{.kind = TRY(fromWire(from.getKind())),
                   .app = TRY(readText(from.getApp(), "leash app")),
                   .status = from.getStatus(),
                   .text = TRY(readText(from.getText(), "leash text")),
                   .notify = from.getNotify()};
  const bool says = event.notify != 0 && (event.notify & ~kNotifyAll) == 0;
  if (event.kind == LeashEvent::Kind::Notify ? !says : event.notify != 0)
    return badValue("leash notification", "says what it cannot");
  return event;
}

void writeCommand(wire::LeashCommand::Builder to, const LeashCommand& command) {
  to.setKind(toWire(command.kind));
  to.setSignal(command.kind == LeashCommand::Kind::Signal ? command.signal : 0);
}
Result<LeashCommand> readCommand(wire::LeashCommand::Reader from) {
  const LeashCommand command{.kind = TRY(fromWire(from.getKind())), .signal = from.getSignal()};
  const bool good = command.kind == LeashCommand::Kind::Signal
                        ? command.signal >= 1 && command.signal <= limits::kSignalMax
                        : command.signal == 0;
  if (!good) return badValue("leash signal", "is not a signal");
  return command;
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

// Both fit whatever their fields are: texts are cut and made valid before they are written.
std::string encode(const LeashEvent& event) {
  return codec::build<wire::LeashEvent>(limits::kMessageBytes,
                                        [&](auto to) { codec::writeEvent(to, event); })
      .value_or(std::string());
}
Result<LeashEvent> decodeLeashEvent(std::string_view bytes) {
  return codec::decode<wire::LeashEvent>(bytes, limits::kMessageBytes, codec::readEvent);
}

std::string encode(const LeashCommand& command) {
  return codec::build<wire::LeashCommand>(limits::kMessageBytes,
                                          [&](auto to) { codec::writeCommand(to, command); })
      .value_or(std::string());
}
Result<LeashCommand> decodeLeashCommand(std::string_view bytes) {
  return codec::decode<wire::LeashCommand>(bytes, limits::kMessageBytes, codec::readCommand);
}

}  // namespace airlock::ipc
