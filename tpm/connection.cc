// SPDX-License-Identifier: Apache-2.0
#include "tpm/connection.h"

#include <poll.h>

#include <cstdio>
#include <utility>

namespace airlock::tpm {

namespace {

// The response codes of format one carry the number of a handle, session or parameter (TPM 2.0 part
// 2, 6.6.2).
constexpr TSS2_RC kFormatOne = 0x080;
constexpr TSS2_RC kFormatOneMask = 0x0bf;

TSS2_RC withoutNumber(TSS2_RC code) {
  return (code & kFormatOne) != 0 ? code & kFormatOneMask : code;
}

bool isAuthorisation(TSS2_RC code) {
  const TSS2_RC plain = withoutNumber(code);
  return plain == TPM2_RC_AUTH_FAIL || plain == TPM2_RC_BAD_AUTH || code == TPM2_RC_LOCKOUT ||
         plain == TPM2_RC_HIERARCHY;
}

bool isLackOfRoom(TSS2_RC code) {
  return code == TPM2_RC_OBJECT_MEMORY || code == TPM2_RC_SESSION_MEMORY ||
         code == TPM2_RC_MEMORY || code == TPM2_RC_OBJECT_HANDLES ||
         code == TPM2_RC_SESSION_HANDLES;
}

}  // namespace

std::string hexOf(std::uint32_t code) {
  char text[16];
  static_cast<void>(std::snprintf(text, sizeof text, "0x%x", code));
  return text;
}

std::unexpected<Error> malformedAnswer(const char* what) {
  return refuse(ErrorKind::Failed, "E_TPM_RESPONSE",
                std::string("the TPM's answer to ") + what + " is malformed",
                "what answers there is not a working TPM: check [measure] in the configuration");
}

TSS2_RC Connection::transmit(TSS2_TCTI_CONTEXT* context, std::size_t size,
                             const std::uint8_t* command) {
  Tcti& tcti = tctiOf(context);
  auto sent = tcti.transport.send(std::span(command, size));
  if (sent) return TSS2_RC_SUCCESS;
  tcti.error = std::move(sent.error());
  return TSS2_TCTI_RC_IO_ERROR;
}

TSS2_RC Connection::receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* response,
                            std::int32_t) {
  Tcti& tcti = tctiOf(context);
  if (response == nullptr) {  // asks how much room the response needs
    *size = kTpmBufferBytes;
    return TSS2_RC_SUCCESS;
  }
  auto received = tcti.transport.receive(std::span(response, *size));
  if (received) {
    *size = *received;
    return TSS2_RC_SUCCESS;
  }
  tcti.error = std::move(received.error());
  return TSS2_TCTI_RC_IO_ERROR;
}

Connection::Connection(Transport transport) : tcti_{{}, std::move(transport), std::nullopt} {
  constexpr std::uint64_t kMagic = 0x61697231'6f636b74;
  tcti_.table.magic = kMagic;
  tcti_.table.version = 1;
  tcti_.table.transmit = transmit;
  tcti_.table.receive = receive;
}

Result<std::unique_ptr<Connection>> Connection::open(Fd device) {
  std::unique_ptr<Connection> connection(new Connection(TRY(Transport::over(std::move(device)))));
  const std::size_t size = Tss2_Sys_GetContextSize(kTpmBufferBytes);
  auto* memory = static_cast<TSS2_SYS_CONTEXT*>(std::calloc(1, size));
  if (memory == nullptr) return failErrno("allocate the TPM context");
  TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;
  const TSS2_RC code = Tss2_Sys_Initialize(
      memory, size, reinterpret_cast<TSS2_TCTI_CONTEXT*>(&connection->tcti_), &version);
  if (code != TSS2_RC_SUCCESS) {
    std::free(memory);
    return fail(ErrorKind::Failed, "set up tpm2-tss: code " + hexOf(code));
  }
  connection->sys_.reset(memory);
  return connection;
}

// TPM_RC_RETRY and its like mean that the command was not executed (TPM 2.0 part 2, 6.6.3).
bool Connection::isWorthAnotherTry(TSS2_RC code, int attempt) const {
  constexpr int kTries = 5;
  const bool again = code == TPM2_RC_RETRY || code == TPM2_RC_YIELDED || code == TPM2_RC_TESTING;
  if (tcti_.error || !again || attempt == kTries) return false;
  static_cast<void>(::poll(nullptr, 0, 10 * attempt));
  return true;
}

std::unexpected<Error> Connection::failed(TSS2_RC code, const char* what) {
  if (tcti_.error) return fail(*std::exchange(tcti_.error, std::nullopt));
  const std::string told = std::string(what) + " with code " + hexOf(code);
  if (code == TPM2_RC_FAILURE) {
    return refuse(ErrorKind::Failed, "E_TPM_FAILURE_MODE", "the TPM is in failure mode",
                  "reboot; if it stays so, the TPM is broken");
  }
  if (code == TPM2_RC_INITIALIZE) {
    return refuse(ErrorKind::Failed, "E_TPM_NOT_STARTED", "the TPM has not been started up",
                  "firmware does that at boot; for swtpm use --flags not-need-init,startup-clear");
  }
  if ((code & TSS2_RC_LAYER_MASK) != TSS2_TPM_RC_LAYER) {
    return refuse(
        ErrorKind::Failed, "E_TPM_RESPONSE",
        std::string("the TPM's answer to ") + what + " is malformed (" + hexOf(code) + ")",
        "what answers there is not a working TPM: check [measure] in the configuration");
  }
  if (isLackOfRoom(code)) {
    return refuse(ErrorKind::Busy, "E_TPM_BUSY",
                  "the TPM has no room for one more key or session: it refused " + told,
                  "somebody left theirs in it: tpm2_flushcontext -t; tpm2_flushcontext -l");
  }
  if (isAuthorisation(code)) {
    return refuse(ErrorKind::Denied, "E_TPM_AUTH",
                  "somebody has set a password on this TPM, or locked or switched off what is "
                  "needed of it: it refused " +
                      told,
                  "tpm2_getcap properties-variable shows which; clear it with tpm2_changeauth");
  }
  return refuse(ErrorKind::Failed, "E_TPM_COMMAND", "the TPM refused " + told,
                "tpm2_rc_decode " + hexOf(code) + " says what that means");
}

}  // namespace airlock::tpm
