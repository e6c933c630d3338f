// SPDX-License-Identifier: Apache-2.0
#include "sandbox/seccomp.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace airlock::sandbox {

bool installFilterRaw(const sock_filter* filter, unsigned short length) noexcept {
  // The kernel reads the program only; its structure has no const.
  const sock_fprog program{length, const_cast<sock_filter*>(filter)};
  const long result =
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (result > 0) errno = ESRCH;  // the id of a thread that could not follow
  return result == 0;
}

Result<void> installFilter(std::span<const sock_filter> filter) {
  if (filter.empty() || filter.size() > BPF_MAXINSNS) {
    return fail(ErrorKind::Invalid, "system call filter has no instruction, or too many");
  }
  // Root could install one without, but then a setuid program would run under a filter that it does
  // not expect.
  if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
    return fail(ErrorKind::Denied, "system call filter needs no_new_privs first");
  }
  if (!installFilterRaw(filter.data(), static_cast<unsigned short>(filter.size()))) {
    return failErrno("install the system call filter");
  }
  return {};
}

namespace {

// The kernel's own checks for a seccomp program (kernel/seccomp.c, net/core/filter.c), as far as
// ours need them.
bool acceptable(std::span<const sock_filter> filter) {
  if (filter.empty() || filter.size() > BPF_MAXINSNS) return false;
  for (std::size_t at = 0; at < filter.size(); ++at) {
    const sock_filter& one = filter[at];
    const std::size_t left = filter.size() - at - 1;
    switch (one.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (one.k % 4 != 0 || one.k >= sizeof(seccomp_data)) return false;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
      case BPF_RET | BPF_K:
        break;
      case BPF_JMP | BPF_JA:
        if (one.k >= left) return false;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_K:
        if (one.jt >= left || one.jf >= left) return false;
        break;
      default:
        return false;
    }
  }
  return filter.back().code == (BPF_RET | BPF_K);
}

bool compare(const sock_filter& one, std::uint32_t accumulator) {
  switch (BPF_OP(one.code)) {
    case BPF_JEQ:
      return accumulator == one.k;
    case BPF_JGE:
      return accumulator >= one.k;
    case BPF_JGT:
      return accumulator > one.k;
    default:
      return (accumulator & one.k) != 0;
  }
}

}  // namespace

std::optional<std::uint32_t> simulate(std::span<const sock_filter> filter,
                                      const seccomp_data& call) {
  if (!acceptable(filter)) return std::nullopt;
  std::uint32_t accumulator = 0;
  // Jumps only go forward, so this ends; the last instruction returns.
  for (std::size_t at = 0;; ++at) {
    const sock_filter& one = filter[at];
    switch (BPF_CLASS(one.code)) {
      case BPF_LD:
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&call) + one.k, sizeof accumulator);
        break;
      case BPF_ALU:
        accumulator &= one.k;
        break;
      case BPF_JMP:
        if (BPF_OP(one.code) == BPF_JA) {
          at += one.k;
        } else {
          at += compare(one, accumulator) ? one.jt : one.jf;
        }
        break;
      default:
        return one.k;
    }
  }
}

}  // namespace airlock::sandbox
