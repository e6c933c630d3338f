// SPDX-License-Identifier: Apache-2.0
#include "verifier/authenticate/vouch.h"

namespace airlock::verifier {

Result<ipc::Authenticated> vouch(const ipc::VouchJob&, const std::vector<ipc::OciSignature>&,
                                 const std::vector<ipc::TrustedKey>&, const std::string&) {
  return ipc::Authenticated{};
}

}  // namespace airlock::verifier
