// SPDX-License-Identifier: Apache-2.0
#include "ipc/appraise_messages.h"

#include "ipc/capnp.h"
#include "ipc/schema/appraise.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
Result<VerifyEvidence> readVerify(wire::VerifyEvidence::Reader from) {
  const auto nonce = from.getNonce();
  const bool none = from.getAudit() && nonce.size() == 0;
  if (!none &&
      (nonce.size() < limits::kNonceLeastBytes || nonce.size() > limits::kNonceMostBytes)) {
    return badValue("nonce", "is not 16 to 64 bytes");
  }
  return VerifyEvidence{
      .nonce = std::string(reinterpret_cast<const char*>(nonce.begin()), nonce.size()),
      .hasPolicy = from.getHasPolicy(),
      .hasRoots = from.getHasRoots(),
      .requireHardware = from.getRequireHardware(),
      .json = from.getJson(),
      .audit = from.getAudit(),
      .hasTrust = from.getHasTrust(),
      .hasCrls = from.getHasCrls(),
      .hasRevoked = from.getHasRevoked(),
      .page = from.getPage()};
}
Result<AppraiseJob> readJob(wire::AppraiseJob::Reader from) {
  switch (from.which()) {
    case wire::AppraiseJob::UNSET:
      break;
    case wire::AppraiseJob::VERIFY:
      return TRY(readVerify(from.getVerify()));
    case wire::AppraiseJob::CHALLENGE:
      return MakeChallenge{.hasRoots = from.getChallenge().getHasRoots(),
                           .hasCrls = from.getChallenge().getHasCrls()};
    case wire::AppraiseJob::SIGNATURES:
      return ListSignatures{};
  }
  return badValue("appraise job", "is of an unknown kind");
}
void writeJob(wire::AppraiseJob::Builder to, const AppraiseJob& job) {
  std::visit(Overloaded{[&](const VerifyEvidence& value) {
                          auto verify = to.initVerify();
                          verify.setNonce(raw(value.nonce));
                          verify.setHasPolicy(value.hasPolicy);
                          verify.setHasRoots(value.hasRoots);
                          verify.setRequireHardware(value.requireHardware);
                          verify.setJson(value.json);
                          verify.setAudit(value.audit);
                          verify.setHasTrust(value.hasTrust);
                          verify.setHasCrls(value.hasCrls);
                          verify.setHasRevoked(value.hasRevoked);
                          verify.setPage(value.page);
                        },
                        [&](const MakeChallenge& value) {
                          auto challenge = to.initChallenge();
                          challenge.setHasRoots(value.hasRoots);
                          challenge.setHasCrls(value.hasCrls);
                        },
                        [&](const ListSignatures&) { to.setSignatures(); }},
             job);
}

Result<AppraiseReply> readReply(wire::AppraiseReply::Reader from) {
  switch (from.which()) {
    case wire::AppraiseReply::UNSET:
      break;
    case wire::AppraiseReply::FAILURE:
      return TRY(readFailure(from.getFailure()));
    case wire::AppraiseReply::APPRAISED: {
      const auto appraised = from.getAppraised();
      return Appraised{.status = appraised.getStatus(),
                       .code = TRY(readText(appraised.getCode(), "code")),
                       .text = TRY(readText(appraised.getText(), "text"))};
    }
  }
  return badValue("appraise reply", "is of an unknown kind");
}
void writeReply(wire::AppraiseReply::Builder to, const AppraiseReply& reply) {
  std::visit(Overloaded{[&](const Failure& value) { writeFailure(to.initFailure(), value); },
                        [&](const Appraised& value) {
                          auto appraised = to.initAppraised();
                          appraised.setStatus(value.status);
                          appraised.setCode(text(value.code));
                          appraised.setText(text(shown(value.text)));
                        }},
             reply);
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

std::size_t descriptorsOf(const AppraiseJob& job) {
  if (const auto* verify = std::get_if<VerifyEvidence>(&job)) {
    return 3U + (verify->hasPolicy ? 1 : 0) + (verify->hasRoots ? 1 : 0) +
           (verify->hasTrust ? 1 : 0) + (verify->hasCrls ? 1 : 0) + (verify->hasRevoked ? 1 : 0);
  }
  if (std::holds_alternative<ListSignatures>(job)) return 2;
  const auto& challenge = std::get<MakeChallenge>(job);
  return 4U + (challenge.hasRoots ? 1 : 0) + (challenge.hasCrls ? 1 : 0);
}

Result<std::string> encode(const AppraiseJob& job) {
  return codec::encode<wire::AppraiseJob>(
      limits::kMessageBytes, [&](auto to) { codec::writeJob(to, job); }, decodeAppraiseJob);
}
Result<AppraiseJob> decodeAppraiseJob(std::string_view bytes) {
  return codec::decode<wire::AppraiseJob>(bytes, limits::kMessageBytes, codec::readJob);
}

Result<std::string> encode(const AppraiseReply& reply) {
  return codec::encode<wire::AppraiseReply>(
      limits::kMessageBytes, [&](auto to) { codec::writeReply(to, reply); }, decodeAppraiseReply);
}
Result<AppraiseReply> decodeAppraiseReply(std::string_view bytes) {
  return codec::decode<wire::AppraiseReply>(bytes, limits::kMessageBytes, codec::readReply);
}

}  // namespace airlock::ipc
