// SPDX-License-Identifier: Apache-2.0
#include "tpm/password.h"

#include <sodium/utils.h>

#include <utility>

#include "base/syscall.h"

namespace airlock::tpm {

Result<Password> Password::receive(FdRef pipe) {
  Password password;
  std::size_t got = 0;
  do {
    got = TRY(sys::read(pipe, std::span(password.bytes_).subspan(password.size_)));
    password.size_ += got;
  } while (got != 0 && password.size_ < password.bytes_.size());
  if (password.size_ > limits::kPasswordBytes) {
    return refuse(ErrorKind::Invalid, "E_TPM_PASSWORD",
                  "the password has more than " + std::to_string(limits::kPasswordBytes) +
                      " bytes, which no TPM takes");
  }
  while (password.size_ > 0 && password.bytes_[password.size_ - 1] == 0) --password.size_;
  if (password.size_ > 0) return password;
  return refuse(ErrorKind::Invalid, "E_TPM_PASSWORD", "the password is empty",
                "a hierarchy that has none needs no file of it");
}

Password::Password(Password&& other) noexcept
    : bytes_(other.bytes_), size_(std::exchange(other.size_, 0)) {
  ::sodium_memzero(other.bytes_.data(), other.bytes_.size());
}

Password::~Password() { ::sodium_memzero(bytes_.data(), bytes_.size()); }

}  // namespace airlock::tpm
