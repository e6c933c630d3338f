// SPDX-License-Identifier: Apache-2.0
// Steps that a test cannot go on without: what does not work is an exception.  Of the launcher.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "base/limits.h"
#include "base/syscall.h"

namespace airlock::conformance {

template <class T>
T need(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}
inline void check(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

inline std::string contentOf(const std::string& path) {
  return need(sys::readAll(need(sys::openPath(path, O_RDONLY)), 256 * limits::MiB));
}

}  // namespace airlock::conformance
