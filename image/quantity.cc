// SPDX-License-Identifier: Apache-2.0
#include "image/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::image {

namespace {
__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr int kDigits = 19;  // 10^19 < 2^64, so digits * 2^60 fits 128 bits
constexpr int kExponentMost = 100;

std::unexpected<Error> bad(std::string message) {
  return refuse(ErrorKind::Invalid, "E_QUANTITY", std::move(message),
                "write an amount such as 16M, 1.5Gi or 250m");
}

// amount * 2^binary * 10^decimal
struct Suffix {
  int binary = 0;
  int decimal = 0;
  Quantity::Family family = Quantity::Family::Decimal;
};

constexpr std::array<std::string_view, 7> kBinary = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
constexpr std::array<std::string_view, 10> kDecimal = {"n", "u", "m", "",  "k",
                                                       "M", "G", "T", "P", "E"};

std::optional<Suffix> readSuffix(std::string_view text) {
  if (const auto at = std::ranges::find(kDecimal, text); at != kDecimal.end()) {
    return Suffix{.decimal = 3 * (static_cast<int>(at - kDecimal.begin()) - 3)};
  }
  if (const auto at = std::ranges::find(kBinary, text); at != kBinary.end()) {
    return Suffix{.binary = 10 * static_cast<int>(at - kBinary.begin()),
                  .family = Quantity::Family::Binary};
  }
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  std::string_view number = text.substr(1);
  if (number.starts_with('+') && !number.starts_with("+-")) number.remove_prefix(1);
  int exponent = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), exponent);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  if (exponent < -kExponentMost || exponent > kExponentMost) return std::nullopt;
  return Suffix{.decimal = exponent, .family = Quantity::Family::Exponent};
}

// digits * 10^scale, the digits without zeros at either end.
struct Decimal {
  std::uint64_t digits = 0;
  int scale = 0;
};

Result<Decimal> readDecimal(std::string_view text) {
  const auto dot = text.find('.');
  std::string digits(text.substr(0, dot));
  Decimal decimal;
  if (dot != text.npos) {
    const std::string_view fraction = text.substr(dot + 1);
    if (fraction.contains('.')) return bad("unable to parse numeric part of quantity");
    digits += fraction;
    decimal.scale = -static_cast<int>(fraction.size());
  }
  if (digits.empty()) return bad("unable to parse numeric part of quantity");
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  while (digits.ends_with('0')) {
    digits.pop_back();
    ++decimal.scale;
  }
  if (digits.size() > kDigits) return bad("a quantity has at most 19 significant digits");
  for (const char c : digits)
    decimal.digits = decimal.digits * 10 + static_cast<std::uint64_t>(c - '0');
  return decimal;
}

Wide powerOfTen(int exponent) {
  Wide power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}

// Thousandths of digits * 10^scale * 2^binary, rounded up and capped.
Wide thousandthsOf(const Decimal& decimal, const Suffix& suffix) {
  constexpr Wide cap = Wide{kMost} * 1000;
  if (decimal.digits == 0) return 0;
  const int scale = decimal.scale + suffix.decimal + 3;
  const Wide scaled = Wide{decimal.digits} << suffix.binary;
  if (scale >= 0) {
    const Wide power = powerOfTen(std::min(scale, 23));  // above cap already at 10^22
    return scaled > cap / power ? cap : std::min(cap, scaled * power);
  }
  if (scale < -38) return 1;
  const Wide divisor = powerOfTen(-scale);
  return std::min(cap, scaled / divisor + (scaled % divisor == 0 ? 0 : 1));
}
}  // namespace

Result<Quantity> Quantity::parse(std::string_view text) {
  constexpr std::string_view numeric = "0123456789.";
  constexpr std::string_view letters = "eEinumkKMGTP";
  const auto notMatching = [] {
    return bad(
        "quantities must match the regular expression "
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  };
  if (text.size() > limits::kQuantityBytes) return notMatching();
  std::string_view rest = text;
  Quantity quantity;
  if (rest.starts_with('+') || rest.starts_with('-')) {
    quantity.negative_ = rest.front() == '-';
    rest.remove_prefix(1);
  }
  const auto end = std::min(rest.find_first_not_of(numeric), rest.size());
  if (end == 0) return notMatching();
  if (!std::ranges::all_of(rest.substr(end), [&](char c) {
        return letters.contains(c) || c == '+' || c == '-' || (c >= '0' && c <= '9');
      })) {
    return notMatching();
  }
  const Decimal decimal = TRY(readDecimal(rest.substr(0, end)));
  const std::optional<Suffix> suffix = readSuffix(rest.substr(end));
  if (!suffix) return bad("unable to parse quantity's suffix " + airlock::quoted(rest.substr(end)));
  const Wide amount = thousandthsOf(decimal, *suffix);
  quantity.whole_ = static_cast<std::uint64_t>(amount / 1000);
  quantity.fraction_ = static_cast<std::uint16_t>(amount % 1000);
  quantity.negative_ = quantity.negative_ && amount != 0;
  quantity.family_ = suffix->family;
  // A fraction cannot be written with a binary suffix.
  if (quantity.family_ == Family::Binary && (quantity.fraction_ != 0 || quantity.whole_ < 1024)) {
    quantity.family_ = Family::Decimal;
  }
  return quantity;
}

Quantity Quantity::ofUnits(std::int64_t units, Family family) {
  Quantity quantity;
  quantity.negative_ = units < 0;
  quantity.whole_ = units == std::numeric_limits<std::int64_t>::min()
                        ? kMost
                        : static_cast<std::uint64_t>(units < 0 ? -units : units);
  quantity.family_ = family == Family::Binary && quantity.whole_ < 1024 ? Family::Decimal : family;
  return quantity;
}

std::int64_t Quantity::units() const {
  const std::uint64_t rounded = std::min(kMost, whole_ + (fraction_ == 0 ? 0U : 1U));
  return negative_ ? -static_cast<std::int64_t>(rounded) : static_cast<std::int64_t>(rounded);
}

std::int64_t Quantity::thousandths() const {
  const Wide all = std::min(Wide{kMost}, Wide{whole_} * 1000 + fraction_);
  return negative_ ? -static_cast<std::int64_t>(all) : static_cast<std::int64_t>(all);
}

std::string Quantity::text() const {
  const std::string sign = negative_ ? "-" : "";
  if (whole_ == 0 && fraction_ == 0) return "0";
  if (family_ == Family::Binary) {
    std::uint64_t amount = whole_;
    std::size_t suffix = 0;
    for (; amount % 1024 == 0 && suffix + 1 < kBinary.size(); ++suffix) amount /= 1024;
    return sign + std::to_string(amount) + std::string(kBinary.at(suffix));
  }
  Wide amount = Wide{whole_} * 1000 + fraction_;
  std::size_t suffix = 2;  // "m"
  for (; amount % 1000 == 0 && suffix + 1 < kDecimal.size(); ++suffix) amount /= 1000;
  std::string number;
  for (; amount != 0; amount /= 10)
    number.insert(number.begin(), static_cast<char>('0' + static_cast<int>(amount % 10)));
  if (family_ == Family::Decimal) return sign + number + std::string(kDecimal.at(suffix));
  const int exponent = 3 * (static_cast<int>(suffix) - 3);
  return sign + number + (exponent == 0 ? "" : "e" + std::to_string(exponent));
}

}  // namespace airlock::image
