// SPDX-License-Identifier: Apache-2.0
// Owners of what OpenSSL hands out.  The .cc files of airlock-attest.
#pragma once

namespace airlock::attest {

// std::unique_ptr<BIGNUM, Freed<BN_free>>
template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

}  // namespace airlock::attest
