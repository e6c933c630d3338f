// SPDX-License-Identifier: Apache-2.0
// Commands to and responses from a TPM over one open descriptor, with a deadline.  tpm.cc only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::tpm {

// What a start leaves its TPM to get from one record to the next, or to the first; a TPM that needs
// more has failed (M02).  The two seconds that are missing to five are for the processes around it.
inline constexpr int kAnswerMilliseconds = 3000;
// The largest command or response of any TPM that we talk to (TPM2_MAX_COMMAND_SIZE of tpm2-tss).
inline constexpr std::size_t kTpmBufferBytes = 4096;

class Transport {
 public:
  // `device`: a socket to a relay (see relay.h), or a connected stream socket that speaks bare TPM
  // commands as swtpm's data channel does.  It becomes non-blocking.  All commands together have
  // kAnswerMilliseconds from now on.
  static Result<Transport> over(Fd device);
  // Until when everything is to be answered instead (sys::now()).
  void until(std::int64_t deadline) { deadline_ = deadline; }
  // Each command from now on has so long, whatever the others took.
  void patience(int milliseconds) { patience_ = milliseconds; }

  // One command, whole.  E_TPM_IO, E_TPM_TIMEOUT.
  Result<void> send(std::span<const std::uint8_t> command);
  // The response to it, whole: its header's tag and size are checked against what arrived (M16).
  // E_TPM_RESPONSE, E_TPM_TIMEOUT, E_TPM_IO.  After an error no further command is sent: an answer
  // that comes late must not be taken for the next one's.
  Result<std::size_t> receive(std::span<std::uint8_t> buffer);

 private:
  Transport(Fd device, bool stream);
  Result<void> wait(short events);
  Result<std::size_t> receiveWhole(std::span<std::uint8_t> buffer);
  Result<void> sendWhole(std::span<const std::uint8_t> command);

  Fd device_;
  bool stream_;  // else each message is an answer, whole
  bool broken_ = false;
  std::optional<int> patience_;
  std::int64_t deadline_;  // of sys::now()
};

}  // namespace airlock::tpm
