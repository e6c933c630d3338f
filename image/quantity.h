// SPDX-License-Identifier: Apache-2.0
// Amounts of a resource as Kubernetes and appc write them: "16M", "1.5Gi", "250m".  Pure;
// unprivileged code may use it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace airlock::image {

class Quantity {
 public:
  // Which family of suffixes the text used; the canonical text keeps it.
  enum class Family { Decimal, Exponent, Binary };

  // [+-]digits[.digits][suffix].  Magnitudes above 2^63-1 become that; what is finer than a
  // thousandth is rounded away from zero (asking for a little must not mean nothing).  Refused:
  // other grammar, more than 19 significant digits.
  static Result<Quantity> parse(std::string_view text);
  static Quantity ofUnits(std::int64_t units, Family family);

  // Whole units, a fraction rounded away from zero.
  std::int64_t units() const;
  // Thousandths, at most what int64 holds.
  std::int64_t thousandths() const;
  bool isNegative() const { return negative_; }

  // Canonical: no fraction, the largest suffix of its family that leaves none ("1.5Gi" -> "1536Mi",
  // "1.5" -> "1500m").
  std::string text() const;

  bool operator==(const Quantity&) const = default;

 private:
  bool negative_ = false;
  std::uint64_t whole_ = 0;     // at most 2^63-1
  std::uint16_t fraction_ = 0;  // thousandths, 0..999
  Family family_ = Family::Decimal;
};

}  // namespace airlock::image
