// SPDX-License-Identifier: Apache-2.0
// The four TPM commands that measuring needs, through tpm2-tss's SAPI.  The measuring process only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "tpm/hash.h"

namespace airlock::tpm {

class Connection;

// Errors of every call: see Connection::run.
class Tpm {
 public:
  // See Transport::over for what `device` may be.
  static Result<Tpm> open(Fd device);
  Tpm(Tpm&&) noexcept;
  Tpm& operator=(Tpm&&) noexcept;
  ~Tpm();

  // The algorithms of the banks in which register `pcr` is allocated, ascending.  E_TPM_BANKS:
  // there is none but SHA-1, or one that we cannot compute (and so would have to leave unextended:
  // CVE-2021-42299).
  Result<std::vector<std::uint16_t>> activeBanks(std::uint32_t pcr);
  Result<Banks> read(std::uint32_t pcr, const std::vector<std::uint16_t>& banks);
  // All banks in one command.
  Result<void> extend(std::uint32_t pcr, const Banks& digests);

  struct Identity {
    std::string manufacturer;  // four letters, such as "IBM" or "INTC"
    std::string vendor;        // the vendor's text, such as "SW   TPM"
    bool software = false;     // it says so itself; false proves nothing
  };
  Result<Identity> identify();

  struct Counters {
    std::uint32_t resets = 0;    // TPM resets: one per boot
    std::uint32_t restarts = 0;  // resumes from suspend since then
  };
  Result<Counters> counters();

  // Until when every answer must be there (sys::now()); else kAnswerMilliseconds after open().
  void until(std::int64_t deadline);

  // For the commands of keys.h and quote.h.
  Connection& connection() { return *connection_; }

 private:
  explicit Tpm(std::unique_ptr<Connection> connection);
  std::unique_ptr<Connection> connection_;
};

}  // namespace airlock::tpm
