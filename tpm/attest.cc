// SPDX-License-Identifier: Apache-2.0
#include "tpm/attest.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/digest.h"
#include "base/syscall.h"
#include "tpm/event_log.h"
#include "tpm/fault.h"
#include "tpm/keys.h"
#include "tpm/measure.h"
#include "tpm/quote.h"
#include "tpm/quote_pace.h"
#include "tpm/tpm.h"
#include "tpm/transport.h"

namespace airlock::tpm {

namespace {

using ipc::Attested;
using ipc::MeasureJob;

// A chip may search for the primes of an RSA key as long as this.
constexpr int kKeyMilliseconds = 120'000;

std::unexpected<Error> noKey(TPM2_HANDLE handle) {
  return refuse(ErrorKind::Missing, "E_ATTEST_NO_KEY",
                "this host has no attestation key at " + hexOf(handle),
                "root makes one: airlock attest init");
}

// nullopt: there is none.  What somebody else keeps at the handle is neither used nor removed.
Result<std::optional<PublicKey>> findAttestationKey(Connection& connection, TPM2_HANDLE handle) {
  auto key = TRY(readKey(connection, handle));
  if (!key || isAttestationKey(key->area)) return key;
  return refuse(ErrorKind::Invalid, "E_ATTEST_HANDLE",
                "at " + hexOf(handle) + " the TPM has a key that is no attestation key of ours",
                "choose another handle in the policy: measure ak=0x81018001");
}
Result<PublicKey> attestationKey(Connection& connection, TPM2_HANDLE handle) {
  auto key = TRY(findAttestationKey(connection, handle));
  if (!key) return noKey(handle);
  return std::move(*key);
}

void tell(Attested& attested, std::string name, std::string value) {
  attested.facts.emplace_back(std::move(name), std::move(value));
}
void give(Attested& attested, std::string name, std::string content) {
  attested.files.push_back({std::move(name), std::move(content)});
}
std::string text(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// swtpm's own authority writes the name of the program into what it signs.
bool namesSwtpm(const std::optional<Certificate>& certificate) {
  return certificate && certificate->der.find("swtpm") != std::string::npos;
}

Result<void> tellKey(Attested& attested, const PublicKey& key, TPM2_HANDLE handle) {
  tell(attested, "attestation key", describe(key.area) + ", at " + hexOf(handle));
  tell(attested, "name", toHex(key.name));
  tell(attested, "fingerprint", TRY(fingerprint(key.area)));
  return {};
}
// Both as a verifier's list of revoked keys takes them.
Result<void> tellRevoked(Attested& attested, const PublicKey& key) {
  tell(attested, "revoked", toHex(key.name));
  tell(attested, "revoked fingerprint", TRY(fingerprint(key.area)));
  return {};
}
void tellEndorsement(Attested& attested, const EndorsementKey& key) {
  tell(attested, "endorsement key", key.kind);
  if (!key.certificate) {
    tell(attested, "certificate", "none: the TPM has no certificate of its endorsement key");
    return;
  }
  tell(attested, "certificate",
       "at " + hexOf(key.certificate->index) + (namesSwtpm(key.certificate) ? ", of swtpm" : "") +
           (key.isCertified() ? "" : ", FOR ANOTHER KEY than this TPM makes by the template"));
}

// The TPM of a job about keys, with the time that those take.
struct KeyTpm {
  Tpm tpm;
  Attested attested;  // with what the TPM is
  Connection& connection() { return tpm.connection(); }
};
Result<KeyTpm> openForKeys(const MeasureJob& job, Fd device, const Passwords& passwords) {
  if (!job.hasTpm || !device.valid()) {
    return refuse(ErrorKind::Missing, "E_TPM_ABSENT", "this host has no TPM that we could reach",
                  "switch it on in the firmware");
  }
  KeyTpm opened{TRY(Tpm::open(std::move(device))), {}};
  const Tpm::Identity identity = TRY(opened.tpm.identify());
  const auto certificate = TRY(readCertificate(opened.connection(), passwords));
  const bool software = job.softwareTpm || identity.software || namesSwtpm(certificate);
  opened.attested.anchor = software ? "software" : "hardware";
  tell(opened.attested, "tpm", identity.manufacturer + ' ' + identity.vendor);
  opened.connection().patience(kKeyMilliseconds);
  return opened;
}

// As far as it can be read without a password: a quote is for users, and needs none.
Result<std::optional<Certificate>> certificateForAll(Connection& connection) {
  auto certificate = readCertificate(connection, Passwords{});
  if (certificate || certificate.error().code() != "E_TPM_AUTH") return certificate;
  return std::optional<Certificate>();
}

// --- the requests -------------------------------------------------------------------------------

Result<Attested> perform(const ipc::QuoteRequest& request, const MeasureJob& job, FdRef directory,
                         Fd device, const Passwords&) {
  Attested attested;
  TRY(whileAnchored(job, directory, std::move(device), [&](const Anchored& now) -> Result<void> {
    TRY(takeTurn(now.directory, job.attest->callerUid));
    dieAt("turn");
    Connection& connection = now.tpm.connection();
    connection.until(sys::now() + kAnswerMilliseconds);  // a start may wait for us
    const TPM2_HANDLE handle = job.attest->keyHandle;
    const PublicKey key = TRY(attestationKey(connection, handle));
    const TPML_PCR_SELECTION selection =
        TRY(selectRegisters(connection, request.selection, now.pcr, now.banks));
    const Quote made = TRY(quote(connection, handle, request.nonce, selection));
    dieAt("quote");
    for (const BankValue& bank : now.value) {
      if (made.values.at({bank.algorithm, now.pcr}) == bank.value) continue;
      return refuse(ErrorKind::Failed, "E_TPM_POISONED",
                    "somebody else extended register " + std::to_string(now.pcr) +
                        " while it was quoted: what ran since boot can no longer be attested",
                    "reboot; `airlock tpm log` shows what was recorded");
    }
    give(attested, "quote", made.attest);
    give(attested, "quote.sig", made.signature);
    give(attested, "pcrs", valuesJson(made.values));
    give(attested, "ak.pub", TRY(encode(key.area)));
    const auto certificate = TRY(certificateForAll(connection));
    if (certificate) give(attested, "ek.crt", certificate->der);
    TRY(tellKey(attested, key, handle));
    attested.anchor = namesSwtpm(certificate) ? "software" : now.anchor;
    attested.logBytes = now.logBytes;
    return {};
  }));
  return attested;
}

Result<Attested> perform(const ipc::InitKeyRequest& request, const MeasureJob& job, FdRef directory,
                         Fd device, const Passwords& passwords) {
  const TPM2_HANDLE handle = job.attest->keyHandle;
  KeyTpm opened = TRY(openForKeys(job, std::move(device), passwords));
  Connection& connection = opened.connection();
  const auto before = TRY(findAttestationKey(connection, handle));
  if (before && !request.rotate) {
    TRY(tellKey(opened.attested, *before, handle));
    tell(opened.attested, "done", "kept: the key was there already");
    return std::move(opened.attested);
  }
  TRY(expectUsable(connection, std::array{ownerOf(passwords), endorsementOf(passwords)}));
  const EndorsementKey endorsement = TRY(makeEndorsementKey(connection, passwords));
  const LoadedKey made = TRY(makeAttestationKey(connection, endorsement, passwords));
  // No quote is under way while the key changes.
  const EventLog lock = TRY(EventLog::lock(directory));
  const auto old = TRY(findAttestationKey(connection, handle));
  if (old && !request.rotate) {
    return refuse(ErrorKind::Busy, "E_ATTEST_BUSY", "somebody else has just made the key");
  }
  if (old) TRY(evict(connection, *old, handle, passwords));
  dieAt("evict");
  TRY(keep(connection, made, handle, passwords));
  dieAt("keep");
  tellEndorsement(opened.attested, endorsement);
  TRY(tellKey(opened.attested, TRY(attestationKey(connection, handle)), handle));
  if (old) TRY(tellRevoked(opened.attested, *old));
  tell(opened.attested, "done", old ? "replaced" : "made");
  return std::move(opened.attested);
}

Result<Attested> perform(const ipc::EnrollRequest&, const MeasureJob& job, FdRef, Fd device,
                         const Passwords& passwords) {
  KeyTpm opened = TRY(openForKeys(job, std::move(device), passwords));
  const TPM2_HANDLE handle = job.attest->keyHandle;
  const PublicKey key = TRY(attestationKey(opened.connection(), handle));
  TRY(expectUsable(opened.connection(), std::array{endorsementOf(passwords)}));
  const EndorsementKey endorsement = TRY(makeEndorsementKey(opened.connection(), passwords));
  Attested& attested = opened.attested;
  give(attested, "ek.pub", TRY(encode(endorsement.key.area)));
  if (endorsement.certificate) give(attested, "ek.crt", endorsement.certificate->der);
  give(attested, "ak.pub", TRY(encode(key.area)));
  give(attested, "ak.name", text(key.name));
  give(attested, "ak.pem", TRY(pem(key.area)));
  tellEndorsement(attested, endorsement);
  TRY(tellKey(attested, key, handle));
  return std::move(attested);
}

Result<Attested> perform(const ipc::ActivateRequest& request, const MeasureJob& job, FdRef,
                         Fd device, const Passwords& passwords) {
  KeyTpm opened = TRY(openForKeys(job, std::move(device), passwords));
  const TPM2_HANDLE handle = job.attest->keyHandle;
  const PublicKey key = TRY(attestationKey(opened.connection(), handle));
  TRY(expectUsable(opened.connection(), std::array{endorsementOf(passwords)}));
  const EndorsementKey endorsement = TRY(makeEndorsementKey(opened.connection(), passwords));
  give(opened.attested, "secret",
       TRY(activate(opened.connection(), endorsement, handle, request.challenge, passwords)));
  TRY(tellKey(opened.attested, key, handle));
  return std::move(opened.attested);
}

Result<Attested> perform(const ipc::RevokeKeyRequest&, const MeasureJob& job, FdRef directory,
                         Fd device, const Passwords& passwords) {
  KeyTpm opened = TRY(openForKeys(job, std::move(device), passwords));
  const TPM2_HANDLE handle = job.attest->keyHandle;
  const EventLog lock = TRY(EventLog::lock(directory));
  const PublicKey key = TRY(attestationKey(opened.connection(), handle));
  TRY(expectUsable(opened.connection(), std::array{ownerOf(passwords)}));
  TRY(evict(opened.connection(), key, handle, passwords));
  TRY(tellRevoked(opened.attested, key));
  tell(opened.attested, "done", "removed from " + hexOf(handle));
  return std::move(opened.attested);
}

}  // namespace

Result<Attested> attest(const MeasureJob& job, FdRef directory, Fd device,
                        const Passwords& passwords) {
  return std::visit(
      [&](const auto& request) {
        return perform(request, job, directory, std::move(device), passwords);
      },
      job.attest->request.what);
}

}  // namespace airlock::tpm
