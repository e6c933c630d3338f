// SPDX-License-Identifier: Apache-2.0
// How samples get into their list, and what those of several subjects have in common.  The samples
// alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ipc/samples.h"

namespace airlock::ipc {

inline const std::vector<Label> kLabels = {
    {"version", "1.35"}, {"os", "linux"}, {"note", "größer ✓"}};
Failure sampleFailure();

template <class Value, class Decode>
void add(std::vector<Sample>& list, const char* name, const Value& value, Decode decode) {
  const auto bytes = [](const auto& each) { return Result<std::string>(encode(each)); };
  list.push_back({name, bytes(value).value(), [=](std::string_view message) -> Result<std::string> {
                    return bytes(TRY(decode(message)));
                  }});
}

// Jobs and events of airlock-fetch.
void addFetch(std::vector<Sample>& list);

}  // namespace airlock::ipc
