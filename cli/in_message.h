// SPDX-License-Identifier: Apache-2.0
// Context that everyone sees: rkt's "cannot get pod: no matches found", not only with --debug.  CLI
// only.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace airlock::cli {

inline Error inMessage(const Error& error, std::string_view context) {
  return Error(error.kind(), std::string(context) + ": " + error.message())
      .withCode(error.code())
      .withHint(error.hint());
}

template <class T>
Result<T> inMessage(Result<T> result, std::string_view context) {
  if (!result) return std::unexpected(inMessage(result.error(), context));
  return result;
}

}  // namespace airlock::cli
