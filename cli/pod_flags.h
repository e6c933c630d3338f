// SPDX-License-Identifier: Apache-2.0
// Flags as rkt's commands take them (Go's pflag).  The pod commands.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace airlock::cli {

// E_FLAG: a flag, or its value, that is not as it must be.
std::unexpected<Error> badFlag(std::string message, std::string hint = {});

class FlagSet {
 public:
  using Handler = std::function<Result<void>(const std::string& value)>;

  // --name=VALUE or --name VALUE.
  void value(std::string name, Handler handler);
  // --name or --name=VALUE; without a value it is `alone`.
  void optionalValue(std::string name, std::string alone, Handler handler);
  // --name, --name=true, --name=false.
  void boolean(std::string name, bool& target);
  // A flag of rkt that this version does not have: refused by name.
  void unavailable(std::string name, std::string instead = {});

  // Reads flags from arguments[index] on, until something that is none (or a run of dashes alone):
  // its index.
  Result<std::size_t> parse(const std::vector<std::string>& arguments, std::size_t index) const;
  // Flags anywhere before "--"; what is left are the operands.
  Result<std::vector<std::string>> parseAll(const std::vector<std::string>& arguments) const;

 private:
  struct Flag {
    std::string name;
    std::optional<std::string> alone;
    Handler handler;
  };
  const Flag* find(std::string_view name) const;
  std::vector<Flag> flags_;
};

// As Go's strconv.ParseBool: 1 t T TRUE true True, 0 f F FALSE false False.
std::optional<bool> parseBoolean(std::string_view text);

// Splits at every `separator`; one empty part for an empty text.
std::vector<std::string> splitText(std::string_view text, char separator);

}  // namespace airlock::cli
