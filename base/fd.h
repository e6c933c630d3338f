// SPDX-License-Identifier: Apache-2.0
// File descriptors with an owner.  Anyone may use it; raw ints stay inside base/.
#pragma once

#include <utility>

namespace airlock {

// A borrowed descriptor: valid for the call it is passed to, never stored in a member.
class FdRef {
 public:
  constexpr explicit FdRef(int fd) : fd_(fd) {}
  constexpr int get() const { return fd_; }
  constexpr bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// The current directory, for the *at calls of unprivileged programs.
FdRef currentDirectory();

// Owns a descriptor and closes it.  Passing an Fd by value hands it over.
class Fd {
 public:
  Fd() = default;
  static Fd own(int fd) { return Fd(fd); }

  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  explicit operator bool() const = delete;  // fd 0 is a descriptor like any other: ask valid()
  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  FdRef ref() const { return FdRef(fd_); }
  operator FdRef() const { return FdRef(fd_); }  // NOLINT: lending is what a call does

  // Gives up ownership; the caller closes it, or means it to stay open until the process ends.
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  explicit Fd(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace airlock
