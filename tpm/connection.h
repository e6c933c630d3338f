// SPDX-License-Identifier: Apache-2.0
// One open TPM as tpm2-tss sees it, and the running of one command.  tpm/ only.
//
// SAPI and no ESYS: nothing here needs sessions with secrets, and a context of ESYS costs more than
// the extend that it is for.
#pragma once

#include <tss2/tss2_sys.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "tpm/transport.h"

namespace airlock::tpm {

// What stands for the empty password that an object, or a hierarchy nobody has claimed, has.
inline constexpr TSS2L_SYS_AUTH_COMMAND kEmptyPassword{.count = 1,
                                                       .auths = {{.sessionHandle = TPM2_RH_PW}}};

class Connection {
 public:
  // See Transport::over for what `device` may be.
  static Result<std::unique_ptr<Connection>> open(Fd device);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs one command, `command(TSS2_SYS_CONTEXT*)`; `what` names it in the error: E_TPM_TIMEOUT,
  // E_TPM_IO, E_TPM_RESPONSE, E_TPM_FAILURE_MODE, E_TPM_NOT_STARTED, E_TPM_BUSY, E_TPM_AUTH,
  // E_TPM_COMMAND.
  template <class Command>
  Result<void> run(const char* what, Command command) {
    for (int attempt = 1;; ++attempt) {
      tcti_.error.reset();
      const TSS2_RC code = command(sys_.get());
      if (code == TSS2_RC_SUCCESS) return {};
      if (!isWorthAnotherTry(code, attempt)) return failed(code, what);
    }
  }
  // See Transport.  Making a key takes a TPM much longer than a hash.
  void until(std::int64_t deadline) { tcti_.transport.until(deadline); }
  void patience(int milliseconds) { tcti_.transport.patience(milliseconds); }

 private:
  // What tpm2-tss calls a TCTI: a table of functions, and the transport behind it.
  struct Tcti {
    TSS2_TCTI_CONTEXT_COMMON_V1 table;  // first: tpm2-tss casts between the two
    Transport transport;
    std::optional<Error> error;  // of the last exchange
  };
  struct FinalizeSys {
    void operator()(TSS2_SYS_CONTEXT* context) const {
      Tss2_Sys_Finalize(context);
      std::free(context);
    }
  };
  explicit Connection(Transport transport);
  static Tcti& tctiOf(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<Tcti*>(context); }
  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t size,
                          const std::uint8_t* command);
  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* response,
                         std::int32_t timeout);
  bool isWorthAnotherTry(TSS2_RC code, int attempt) const;
  std::unexpected<Error> failed(TSS2_RC code, const char* what);

  Tcti tcti_;
  std::unique_ptr<TSS2_SYS_CONTEXT, FinalizeSys> sys_;
};

std::string hexOf(std::uint32_t code);  // "0x81018000"
// The TPM's answer to `what` has a shape that the specification does not allow.
std::unexpected<Error> malformedAnswer(const char* what);

}  // namespace airlock::tpm
