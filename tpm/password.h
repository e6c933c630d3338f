// SPDX-License-Identifier: Apache-2.0
// Passwords of a TPM's hierarchies, as long as a command needs them.  The measuring process only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.h"
#include "base/limits.h"
#include "base/result.h"

namespace airlock::tpm {

// In one place of memory, never copied, zeroed at its end.
class Password {
 public:
  // Takes it out of a pipe, whose other end is closed: nothing of it stays there.  Without zeros at
  // its end, which a TPM does not count (Part 1, 19.6.4.3).  E_TPM_PASSWORD: it is empty, or longer
  // than any TPM's.
  static Result<Password> receive(FdRef pipe);
  Password(Password&& other) noexcept;
  Password& operator=(Password&&) = delete;
  ~Password();
  std::span<const std::uint8_t> bytes() const { return std::span(bytes_).first(size_); }

 private:
  Password() = default;
  std::array<std::uint8_t, limits::kPasswordBytes + 1>
      bytes_{};  // one more shows that it is longer
  std::size_t size_ = 0;
};

// Those that were given.
struct Passwords {
  std::optional<Password> owner;
  std::optional<Password> endorsement;
};

}  // namespace airlock::tpm
