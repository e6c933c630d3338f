// SPDX-License-Identifier: Apache-2.0
#include "ipc/attest_fields.h"

#include <algorithm>

namespace airlock::ipc::codec {
namespace {

using What = decltype(AttestRequest::what);

Result<std::string> readOctets(capnp::Data::Reader data, std::string_view field, std::size_t least,
                               std::size_t most) {
  if (data.size() < least || data.size() > most) {
    return badValue(field, "has " + std::to_string(data.size()) + " bytes, not " +
                               std::to_string(least) + " to " + std::to_string(most));
  }
  return std::string(data.begin(), data.end());
}

Result<PcrSelection> readSelection(wire::PcrSelection::Reader from) {
  constexpr std::uint32_t kAll = (2U << limits::kPcrMax) - 1;
  PcrSelection selection{.algorithm = TRY(readText(from.getAlgorithm(), "PCR bank")),
                         .registers = from.getRegisters()};
  if (selection.registers == 0 || (selection.registers & ~kAll) != 0) {
    return badValue("registers", "are none, or beyond 23");
  }
  return selection;
}
Result<QuoteRequest> readQuote(wire::QuoteRequest::Reader from) {
  return QuoteRequest{.nonce = TRY(readOctets(from.getNonce(), "nonce", limits::kNonceLeastBytes,
                                              limits::kNonceMostBytes)),
                      .selection = TRY(readList(from.getSelection(), limits::kPcrSelections,
                                                "selection", readSelection))};
}
void writeQuote(wire::QuoteRequest::Builder to, const QuoteRequest& quote) {
  to.setNonce(raw(quote.nonce));
  writeList(to.initSelection(count(quote.selection)), quote.selection,
            [](wire::PcrSelection::Builder builder, const PcrSelection& one) {
              builder.setAlgorithm(text(one.algorithm));
              builder.setRegisters(one.registers);
            });
}

Result<What> readWhat(wire::AttestRequest::Reader from) {
  switch (from.which()) {
    case wire::AttestRequest::UNSET:
      break;
    case wire::AttestRequest::QUOTE:
      return What(TRY(readQuote(from.getQuote())));
    case wire::AttestRequest::INIT:
      return What(InitKeyRequest{.rotate = from.getInit().getRotate()});
    case wire::AttestRequest::ENROLL:
      return What(EnrollRequest{});
    case wire::AttestRequest::ACTIVATE:
      return What(
          ActivateRequest{.challenge = TRY(readOctets(from.getActivate().getChallenge(),
                                                      "challenge", 1, limits::kChallengeBytes))});
    case wire::AttestRequest::REVOKE:
      return What(RevokeKeyRequest{});
  }
  return badValue("attestation request", "is of an unknown kind");
}

// It becomes a name in a directory of whoever asked.
bool isPlainName(const std::string& name) {
  return !name.empty() && name.size() <= 32 && name.front() != '.' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
         });
}
Result<AttestedFile> readFile(wire::AttestedFile::Reader from) {
  AttestedFile file{
      .name = TRY(readText(from.getName(), "file name")),
      .content = TRY(readOctets(from.getContent(), "file", 0, limits::kAttestedFileBytes))};
  if (!isPlainName(file.name)) return badValue("file name", "is not a plain one");
  return file;
}
using Fact = std::pair<std::string, std::string>;
Result<Fact> readFact(wire::NamedText::Reader from) {
  return Fact(TRY(readText(from.getName(), "fact")), TRY(readText(from.getValue(), "fact")));
}

}  // namespace

Result<AttestRequest> readAttest(wire::AttestRequest::Reader from) {
  AttestRequest request{.what = TRY(readWhat(from)),
                        .hasOwnerPassword = from.getHasOwnerPassword(),
                        .hasEndorsementPassword = from.getHasEndorsementPassword()};
  if (request.isQuote() && request.passwords() != 0) {
    return badValue("password", "stands beside a quote, which needs none");
  }
  return request;
}
void writeAttest(wire::AttestRequest::Builder to, const AttestRequest& request) {
  std::visit(Overloaded{[&](const QuoteRequest& value) { writeQuote(to.initQuote(), value); },
                        [&](const InitKeyRequest& value) { to.initInit().setRotate(value.rotate); },
                        [&](const EnrollRequest&) { to.setEnroll(); },
                        [&](const ActivateRequest& value) {
                          to.initActivate().setChallenge(raw(value.challenge));
                        },
                        [&](const RevokeKeyRequest&) { to.setRevoke(); }},
             request.what);
  to.setHasOwnerPassword(request.hasOwnerPassword);
  to.setHasEndorsementPassword(request.hasEndorsementPassword);
}

Result<Attested> readAttested(wire::Attested::Reader from) {
  return Attested{
      .files = TRY(readList(from.getFiles(), limits::kAttestedFiles, "files", readFile)),
      .facts = TRY(readList(from.getFacts(), limits::kReasons, "facts", readFact)),
      .anchor = TRY(readText(from.getAnchor(), "anchor")),
      .logBytes = from.getLogBytes(),
      .hasFirmwareLog = from.getHasFirmwareLog()};
}
void writeAttested(wire::Attested::Builder to, const Attested& attested) {
  writeList(to.initFiles(count(attested.files)), attested.files,
            [](wire::AttestedFile::Builder builder, const AttestedFile& file) {
              builder.setName(text(file.name));
              builder.setContent(raw(file.content));
            });
  writeList(to.initFacts(count(attested.facts)), attested.facts,
            [](wire::NamedText::Builder builder, const Fact& fact) {
              builder.setName(text(fact.first));
              builder.setValue(text(shown(fact.second)));
            });
  to.setAnchor(text(attested.anchor));
  to.setLogBytes(attested.logBytes);
  to.setHasFirmwareLog(attested.hasFirmwareLog);
}

}  // namespace airlock::ipc::codec
