// SPDX-License-Identifier: Apache-2.0
#include "ipc/systemd_messages.h"

#include "ipc/capnp.h"
#include "ipc/schema/systemd.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
Result<SystemdJob> readJob(wire::SystemdJob::Reader from) {
  SystemdJob job{.pod = TRY(readPodId(from.getPod(), "pod id")),
                 .leader = from.getLeader(),
                 .caller = from.getCaller(),
                 .asRkt = from.getAsRkt()};
  if (job.leader == 0 || job.caller == 0) return badValue("process", "has no number");
  return job;
}
void writeJob(wire::SystemdJob::Builder to, const SystemdJob& job) {
  to.setPod(raw(job.pod));
  to.setLeader(job.leader);
  to.setCaller(job.caller);
  to.setAsRkt(job.asRkt);
}

Result<Arranged> readArranged(wire::Arranged::Reader from) {
  return Arranged{.unit = TRY(readText(from.getUnit(), "unit")),
                  .machine = TRY(readText(from.getMachine(), "machine")),
                  .why = TRY(readText(from.getWhy(), "why"))};
}
Result<SystemdReply> readReply(wire::SystemdReply::Reader from) {
  switch (from.which()) {
    case wire::SystemdReply::UNSET:
      break;
    case wire::SystemdReply::FAILURE:
      return TRY(readFailure(from.getFailure()));
    case wire::SystemdReply::ARRANGED:
      return TRY(readArranged(from.getArranged()));
  }
  return badValue("systemd reply", "is of an unknown kind");
}
void writeReply(wire::SystemdReply::Builder to, const SystemdReply& reply) {
  std::visit(Overloaded{[&](const Failure& value) { writeFailure(to.initFailure(), value); },
                        [&](const Arranged& value) {
                          auto arranged = to.initArranged();
                          arranged.setUnit(text(value.unit));
                          arranged.setMachine(text(value.machine));
                          arranged.setWhy(text(shown(value.why)));
                        }},
             reply);
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

Result<std::string> encode(const SystemdJob& job) {
  return codec::encode<wire::SystemdJob>(
      limits::kMessageBytes, [&](auto to) { codec::writeJob(to, job); }, decodeSystemdJob);
}
Result<SystemdJob> decodeSystemdJob(std::string_view bytes) {
  return codec::decode<wire::SystemdJob>(bytes, limits::kMessageBytes, codec::readJob);
}

Result<std::string> encode(const SystemdReply& reply) {
  return codec::encode<wire::SystemdReply>(
      limits::kMessageBytes, [&](auto to) { codec::writeReply(to, reply); }, decodeSystemdReply);
}
Result<SystemdReply> decodeSystemdReply(std::string_view bytes) {
  return codec::decode<wire::SystemdReply>(bytes, limits::kMessageBytes, codec::readReply);
}

}  // namespace airlock::ipc
