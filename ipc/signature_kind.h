// SPDX-License-Identifier: Apache-2.0
// The kinds of signature that an image can be accepted for, by the names that the policy has for
// them.  Anyone may use it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace airlock::ipc {

enum class SignatureKind : std::uint8_t {
  Unsaid,   // of an older record: what its key's fingerprint says
  OpenPgp,  // detached, of an ACI
  Minisign,
  Cosign,  // sigstore's, of the tag sha256-….sig
  Bundle,  // sigstore's, version 0.3
  Simple   // of containers: an OpenPGP signed message
};
inline constexpr std::array<std::pair<SignatureKind, std::string_view>, 5> kSignatureKinds{
    {{SignatureKind::OpenPgp, "openpgp"},
     {SignatureKind::Minisign, "minisign"},
     {SignatureKind::Cosign, "cosign"},
     {SignatureKind::Bundle, "bundle"},
     {SignatureKind::Simple, "simple"}}};

constexpr std::string_view toString(SignatureKind kind) {
  for (const auto& [known, name] : kSignatureKinds) {
    if (known == kind) return name;
  }
  return "";
}
constexpr std::optional<SignatureKind> parseSignatureKind(std::string_view text) {
  for (const auto& [kind, name] : kSignatureKinds) {
    if (name == text) return kind;
  }
  return std::nullopt;
}

}  // namespace airlock::ipc
