// SPDX-License-Identifier: Apache-2.0
#include "base/names.h"

#include <sodium.h>

#include <algorithm>

#include "base/digest.h"
#include "base/limits.h"

namespace airlock {

namespace {

constexpr std::string_view kMinisign = "minisign-";
constexpr std::string_view kSubjectPublicKey = "sha256-";
bool isLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

std::unexpected<Error> bad(std::string message) {
  return refuse(ErrorKind::Invalid, "E_NAME", std::move(message));
}

// The checks and texts of the appc reference implementation (schema/types).
Result<void> checkGrammar(std::string_view text, std::string_view kind, std::string_view extra) {
  const std::string what(kind);
  if (text.empty()) return bad(what + " cannot be empty");
  if (text.size() > limits::kPathBytes) return bad(what + " is too long");
  if (!std::ranges::all_of(text, [&](char c) { return isLowerAlnum(c) || extra.contains(c); })) {
    return bad(what + " must contain only lower case alphanumeric characters plus \"" +
               std::string(extra) + "\"");
  }
  if (!isLowerAlnum(text.front()) || !isLowerAlnum(text.back())) {
    return bad(what + " must start and end with only lower case alphanumeric characters");
  }
  return {};
}
}  // namespace

Result<ImageName> ImageName::parse(std::string_view text) {
  TRY(checkGrammar(text, "ACIdentifier", "-._~/"));
  for (std::string_view rest = text; !rest.empty();) {
    const auto slash = rest.find('/');
    const std::string_view component = rest.substr(0, slash);
    if (component.empty() || component == "." || component == ".." ||
        component.size() > limits::kNameBytes) {
      return bad("ACIdentifier must not have empty, \".\", \"..\" or overlong components");
    }
    rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
  }
  return ImageName(text);
}

Result<AppName> AppName::parse(std::string_view text) {
  TRY(checkGrammar(text, "ACName", "-"));
  if (text.size() > limits::kNameBytes) return bad("ACName is too long");
  return AppName(text);
}

std::string_view labelValue(const std::vector<Label>& labels, std::string_view name) {
  const auto found = std::ranges::find(labels, name, &Label::name);
  return found == labels.end() ? std::string_view() : std::string_view(found->value);
}

std::string displayName(const ImageName& name, const std::vector<Label>& labels) {
  const std::string_view version = labelValue(labels, "version");
  return version.empty() ? name.text() : name.text() + ":" + std::string(version);
}

PodId PodId::random() {
  PodId id;
  randombytes_buf(id.bytes_.data(), id.bytes_.size());
  id.bytes_[6] = static_cast<std::uint8_t>((id.bytes_[6] & 0x0f) | 0x40);  // RFC 4122, 4.4
  id.bytes_[8] = static_cast<std::uint8_t>((id.bytes_[8] & 0x3f) | 0x80);
  return id;
}

Result<PodId> PodId::parse(std::string_view text) {
  std::string hex;
  if (text.size() == 36) {
    if (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-') {
      return bad("invalid UUID");
    }
    for (const char c : text) {
      if (c != '-') hex += c;
    }
  } else {
    hex = text;
  }
  std::ranges::transform(hex, hex.begin(), [](char c) {
    return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  PodId id;
  if (!fromHex(hex, id.bytes_)) return bad("invalid UUID");
  return id;
}

std::string PodId::text() const {
  std::string hex = toHex(bytes_);
  for (const std::size_t at : {20U, 16U, 12U, 8U}) hex.insert(at, "-");
  return hex;
}

Result<KeyFingerprint> KeyFingerprint::parse(std::string_view text) {
  std::array<std::uint8_t, 20> openpgp;
  std::array<std::uint8_t, 8> minisign;
  std::array<std::uint8_t, 32> publicKey;
  const bool good = text.starts_with(kMinisign) ? fromHex(text.substr(kMinisign.size()), minisign)
                    : text.starts_with(kSubjectPublicKey)
                        ? fromHex(text.substr(kSubjectPublicKey.size()), publicKey)
                        : fromHex(text, openpgp);
  if (!good) {
    return bad(
        "not a key fingerprint: expected 40 hex digits, minisign- and 16, or sha256- and 64 of "
        "them");
  }
  return KeyFingerprint(text);
}

KeyFingerprint::Kind KeyFingerprint::kind() const {
  if (text_.starts_with(kMinisign)) return Kind::Minisign;
  return text_.starts_with(kSubjectPublicKey) ? Kind::PublicKey : Kind::OpenPgp;
}

}  // namespace airlock
