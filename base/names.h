// SPDX-License-Identifier: Apache-2.0
// The names of things: parsed once, canonical and immutable from then on.  Anyone may use it.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace airlock {

// An appc "AC Identifier" (spec, types): lower-case a-z 0-9 and "-._~/", starting and ending with a
// letter or digit. We are stricter where a path is made of it: no empty component, no component "."
// or "..".
class ImageName {
 public:
  static Result<ImageName> parse(std::string_view text);
  const std::string& text() const { return text_; }
  auto operator<=>(const ImageName&) const = default;

 private:
  explicit ImageName(std::string_view text) : text_(text) {}
  std::string text_;
};

// An appc "AC Name": lower-case a-z 0-9 and "-"; names apps, volumes, mount points, ports.
class AppName {
 public:
  static Result<AppName> parse(std::string_view text);
  const std::string& text() const { return text_; }
  auto operator<=>(const AppName&) const = default;

 private:
  explicit AppName(std::string_view text) : text_(text) {}
  std::string text_;
};

// A label of an image, such as version=1.35 or os=linux.
struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};
// The value of the label `name`, or an empty text.
std::string_view labelValue(const std::vector<Label>& labels, std::string_view name);
// "example.com/app:1.0": the name, with the version label where there is one.
std::string displayName(const ImageName& name, const std::vector<Label>& labels);

// A pod's UUID (RFC 4122, version 4), printed lower-case with dashes.
class PodId {
 public:
  static PodId random();
  static Result<PodId> parse(std::string_view text);  // with or without dashes
  std::string text() const;
  std::string shortText() const { return text().substr(0, 8); }
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  auto operator<=>(const PodId&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

// The fingerprint of a key that signs, also the name of its file in a trusted key directory: of an
// OpenPGP key 40 lower-case hex digits (v4), of a minisign key "minisign-" and 16 of them, of a
// plain public key (PEM, as cosign has) "sha256-" and 64: SHA-256 of its DER SubjectPublicKeyInfo.
class KeyFingerprint {
 public:
  enum class Kind : std::uint8_t { OpenPgp, Minisign, PublicKey };
  static Result<KeyFingerprint> parse(std::string_view text);
  const std::string& text() const { return text_; }
  Kind kind() const;
  auto operator<=>(const KeyFingerprint&) const = default;

 private:
  explicit KeyFingerprint(std::string_view text) : text_(text) {}
  std::string text_;
};

}  // namespace airlock
