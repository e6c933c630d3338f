// SPDX-License-Identifier: Apache-2.0
// Commands to and responses from a TPM over one open descriptor, with a deadline.  tpm.cc only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::tpm {

// A TPM that does not answer within this time has failed (M02).
inline constexpr int kAnswerMilliseconds = 5000;
// The largest command or response of any TPM that we talk to (TPM2_MAX_COMMAND_SIZE of tpm2-tss).
inline constexpr std::size_t kTpmBufferBytes = 4096;

class Transport {
 public:
  // `device`: the character device /dev/tpmrm0, or a connected stream socket that speaks bare TPM
  // commands as swtpm's data channel does.  It becomes non-blocking: only so does the device
  // support poll (Linux, drivers/char/tpm).
  static Result<Transport> over(Fd device);
  // The time that answers get from now on, instead of kAnswerMilliseconds.
  void patience(int milliseconds) { patience_ = milliseconds; }

  // One command, whole.  E_TPM_IO, E_TPM_TIMEOUT.
  Result<void> send(std::span<const std::uint8_t> command);
  // The response to it, whole: its header's tag and size are checked against what arrived (M16).
  // E_TPM_RESPONSE, E_TPM_TIMEOUT, E_TPM_IO.  After an error no further command is sent: an answer
  // that comes late must not be taken for the next one's.
  Result<std::size_t> receive(std::span<std::uint8_t> buffer);

 private:
  Transport(Fd device, bool stream) : device_(std::move(device)), stream_(stream) {}
  Result<void> wait(short events);
  Result<std::size_t> receiveWhole(std::span<std::uint8_t> buffer);
  Result<void> sendWhole(std::span<const std::uint8_t> command);

  Fd device_;
  bool stream_;
  bool broken_ = false;
  int patience_ = kAnswerMilliseconds;
  std::int64_t deadline_ = 0;  // of sys::now()
};

}  // namespace airlock::tpm
