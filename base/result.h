// SPDX-License-Identifier: Apache-2.0
// Result, Error and TRY: how every function of ours fails.  Anyone may use it.
//
// Errors propagate, outcomes are values: "openat2 failed with EIO" is an Error and goes upward
// through TRY; "the signature is bad" or "policy says no" is a value that the caller must handle.
// (docs/decisions/0003)
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace airlock {

// What sort of failure: decides the exit code and nothing else.
enum class ErrorKind {
  Denied,       // policy or permission says no
  Invalid,      // input that we refuse
  Missing,      // what was asked for is not there
  Busy,         // somebody else holds it
  Unsupported,  // this host or build cannot do it
  Failed,       // everything else: I/O, resources, the other side
};

class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

  // The error of a system call: `what` names the call and its object, the text of `number` is
  // appended.
  static Error fromErrno(int number, std::string_view what);

  ErrorKind kind() const { return kind_; }
  int number() const { return number_; }                   // errno, or 0
  const std::string& message() const { return message_; }  // innermost: what and why
  const std::string& hint() const { return hint_; }        // what to do about it, or empty
  const std::string& code() const { return code_; }  // stable symbol such as "E_SIG_BAD", or empty

  // Outermost context first, joined with ": ", then the message, then " (hint)".
  std::string text() const;

  Error&& in(std::string_view context) &&;
  Error&& withHint(std::string hint) &&;
  Error&& withCode(std::string_view code) &&;

 private:
  ErrorKind kind_;
  int number_ = 0;
  std::string context_;
  std::string message_;
  std::string hint_;
  std::string code_;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return std::unexpected(Error(kind, std::move(message)));
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }
inline std::unexpected<Error> failErrno(std::string_view what) {
  return std::unexpected(Error::fromErrno(errno, what));
}
// A refusal with its stable code and what the reader can do.
inline std::unexpected<Error> refuse(ErrorKind kind, std::string_view code, std::string message,
                                     std::string hint = {}) {
  return std::unexpected(Error(kind, std::move(message)).withCode(code).withHint(std::move(hint)));
}

// Adds where information is: `return inContext(readAll(fd), "policy " + name);`
template <class T>
Result<T> inContext(Result<T> result, std::string_view context) {
  if (!result) return std::unexpected(std::move(result.error()).in(context));
  return result;
}

namespace detail {
template <class T>
T takeValue(std::expected<T, Error>&& result) {
  return std::move(*result);
}
inline void takeValue(std::expected<void, Error>&&) {}
}  // namespace detail

}  // namespace airlock

// Evaluates to the value of a Result, or returns its error from the enclosing function.
#define TRY(...) AIRLOCK_TRY_NAMED(AIRLOCK_TRY_JOIN(try_result_, __COUNTER__), __VA_ARGS__)
#define AIRLOCK_TRY_JOIN(a, b) AIRLOCK_TRY_JOIN_NOW(a, b)
#define AIRLOCK_TRY_JOIN_NOW(a, b) a##b
#define AIRLOCK_TRY_NAMED(name, ...)                   \
  __extension__({                                      \
    auto name = (__VA_ARGS__);                         \
    if (!name) [[unlikely]] {                          \
      return std::unexpected(std::move(name.error())); \
    }                                                  \
    ::airlock::detail::takeValue(std::move(name));     \
  })
