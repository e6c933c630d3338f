// SPDX-License-Identifier: Apache-2.0
#include "attest/refusal.h"

#include <algorithm>
#include <array>

namespace airlock::attest {

namespace {

constexpr std::string_view kPrefix = "E_ATTEST_";
struct Code {
  std::string_view name;
  Exit exit;
};
// What is not here is Exit::Integrity.
constexpr std::array<Code, 9> kCodes{{{"E_ATTEST_NONCE", Exit::Freshness},
                                      {"E_ATTEST_BOOT", Exit::Freshness},
                                      {"E_ATTEST_AK", Exit::Key},
                                      {"E_ATTEST_REVOKED", Exit::Key},
                                      {"E_ATTEST_EK", Exit::Software},
                                      {"E_ATTEST_EK_REVOKED", Exit::Software},
                                      {"E_ATTEST_CRL", Exit::Software},
                                      {"E_ATTEST_SOFTWARE", Exit::Software},
                                      {"E_ATTEST_POLICY", Exit::Policy}}};

}  // namespace

std::unexpected<Error> refuseEvidence(std::string_view code, std::string what, std::string hint) {
  return refuse(ErrorKind::Denied, code, std::move(what), std::move(hint));
}

Exit exitOf(std::string_view code) {
  // Each demand of a policy has a code of its own: E_ATTEST_POLICY_IMAGE.
  if (code.starts_with("E_ATTEST_POLICY_")) return Exit::Policy;
  const auto found = std::ranges::find(kCodes, code, &Code::name);
  return found == kCodes.end() ? Exit::Integrity : found->exit;
}

bool isVerdict(const Error& error) {
  return error.kind() == ErrorKind::Denied && error.code().starts_with(kPrefix);
}

}  // namespace airlock::attest
