// SPDX-License-Identifier: Apache-2.0
// What is inside a TPM only as long as we use it.  The measuring process only.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include <utility>

#include "tpm/connection.h"

namespace airlock::tpm {

// A key or session inside the TPM, taken out of it with the object.  /dev/tpmrm0 would do that at
// the end of the process; a bare swtpm does not, and has room for three.
class Transient {
 public:
  Transient(Connection& connection, TPM2_HANDLE handle)
      : connection_(&connection), handle_(handle) {}
  Transient(Transient&& other) noexcept
      : connection_(other.connection_), handle_(std::exchange(other.handle_, 0)) {}
  Transient& operator=(Transient&&) = delete;
  ~Transient() {
    if (handle_ == 0) return;
    static_cast<void>(connection_->run("FlushContext", [this](TSS2_SYS_CONTEXT* sys) {
      return Tss2_Sys_FlushContext(sys, handle_);
    }));
  }
  TPM2_HANDLE handle() const { return handle_; }

 private:
  Connection* connection_;
  TPM2_HANDLE handle_;
};

}  // namespace airlock::tpm
