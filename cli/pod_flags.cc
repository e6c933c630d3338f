// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_flags.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "cli/in_message.h"

namespace airlock::cli {

std::optional<bool> parseBoolean(std::string_view text) {
  constexpr std::array<std::string_view, 6> yes = {"1", "t", "T", "TRUE", "true", "True"};
  constexpr std::array<std::string_view, 6> no = {"0", "f", "F", "FALSE", "false", "False"};
  if (std::ranges::find(yes, text) != yes.end()) return true;
  if (std::ranges::find(no, text) != no.end()) return false;
  return std::nullopt;
}

std::vector<std::string> splitText(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::unexpected<Error> badFlag(std::string message, std::string hint) {
  return refuse(ErrorKind::Invalid, "E_FLAG", std::move(message), std::move(hint));
}

void FlagSet::value(std::string name, Handler handler) {
  flags_.push_back({std::move(name), std::nullopt, std::move(handler)});
}

void FlagSet::optionalValue(std::string name, std::string alone, Handler handler) {
  flags_.push_back({std::move(name), std::move(alone), std::move(handler)});
}

void FlagSet::boolean(std::string name, bool& target) {
  optionalValue(std::move(name), "true", [&target](const std::string& text) -> Result<void> {
    const auto parsed = parseBoolean(text);
    if (!parsed) return refuse(ErrorKind::Invalid, "E_FLAG", "it is neither true nor false");
    target = *parsed;
    return {};
  });
}

void FlagSet::unavailable(std::string name, std::string instead) {
  const std::string shown = "--" + name;
  optionalValue(std::move(name), "", [shown, instead](const std::string&) -> Result<void> {
    return refuse(ErrorKind::Unsupported, "E_FLAG", shown + " is not part of this version",
                  instead.empty() ? "Leave it out" : instead);
  });
}

const FlagSet::Flag* FlagSet::find(std::string_view name) const {
  const auto found = std::ranges::find(flags_, name, &Flag::name);
  return found == flags_.end() ? nullptr : &*found;
}

Result<std::size_t> FlagSet::parse(const std::vector<std::string>& arguments,
                                   std::size_t index) const {
  for (; index < arguments.size(); ++index) {
    const std::string& argument = arguments[index];
    if (argument.size() < 2 || argument[0] != '-') return index;
    if (argument == "--" || argument == "---") return index;
    if (argument[1] != '-') {
      return refuse(ErrorKind::Invalid, "E_FLAG",
                    "unknown shorthand flag: " + printable(std::string("'") + argument[1] + "'") +
                        " in " + printable(argument));
    }
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    const Flag* flag = find(name);
    if (flag == nullptr) {
      return refuse(ErrorKind::Invalid, "E_FLAG", "unknown flag: --" + printable(name));
    }
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (flag->alone) {
      value = *flag->alone;
    } else if (++index < arguments.size()) {
      value = arguments[index];
    } else {
      return refuse(ErrorKind::Invalid, "E_FLAG", "flag needs an argument: --" + name);
    }
    auto handled = flag->handler(value);
    if (!handled && handled.error().kind() == ErrorKind::Invalid) {
      return std::unexpected(inMessage(
          handled.error(), "invalid argument " + airlock::quoted(value) + " for --" + name));
    }
    TRY(std::move(handled));
  }
  return index;
}

Result<std::vector<std::string>> FlagSet::parseAll(
    const std::vector<std::string>& arguments) const {
  std::vector<std::string> operands;
  std::size_t index = 0;
  for (;;) {
    index = TRY(parse(arguments, index));
    if (index == arguments.size()) return operands;
    if (arguments[index] == "--") {
      operands.insert(operands.end(), arguments.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                      arguments.end());
      return operands;
    }
    operands.push_back(arguments[index++]);
  }
}

}  // namespace airlock::cli
