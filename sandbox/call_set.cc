// SPDX-License-Identifier: Apache-2.0
#include "sandbox/call_set.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>
#include <set>

#include "sandbox/policies/call_names.h"

namespace airlock::sandbox {
namespace {

constexpr std::string_view kAlwaysRetained[] = {
    "execve", "execveat", "exit", "exit_group", "rt_sigreturn", "restart_syscall", "clone3"};

Result<void> checkAction(CallAction action) {
  const CallAction kind = action & SECCOMP_RET_ACTION_FULL;
  const CallAction number = action & SECCOMP_RET_DATA;
  // SECCOMP_RET_ERRNO | 0 would let a program believe that the call succeeded.
  if (action == SECCOMP_RET_KILL_PROCESS) return {};
  if (kind == SECCOMP_RET_ERRNO && number >= 1 && number <= 4095) return {};
  return refuse(ErrorKind::Invalid, "E_SECCOMP", "a removed call is answered by kill or an error");
}

std::set<int> numbersOf(std::span<const std::string> names) {
  std::set<int> numbers;
  for (const std::string& name : names) {
    if (const std::optional<int> number = callNumber(name)) numbers.insert(*number);
  }
  return numbers;
}

// Pairs of instructions one after the other: the kernel remembers per number whether a filter
// always allows it (seccomp_cache_check_allow), so only calls that are refused walk the list.
Result<std::vector<sock_filter>> refuseNumbers(const std::set<int>& numbers, CallAction action) {
  TRY(checkAction(action));
  std::vector<sock_filter> filter{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, arch)},
      {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, policies::kCallArchitecture},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
  };
  for (const int number : numbers) {
    filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)});
    filter.push_back({BPF_RET | BPF_K, 0, 0, action});
  }
  filter.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
  return filter;
}

}  // namespace

std::optional<int> callNumber(std::string_view name) {
  const auto found =
      std::ranges::lower_bound(policies::kCallNames, name, {}, &policies::CallName::name);
  if (found == std::ranges::end(policies::kCallNames) || found->name != name) return std::nullopt;
  return found->number;
}

Result<std::vector<sock_filter>> removeCalls(std::span<const std::string> names,
                                             CallAction action) {
  return refuseNumbers(numbersOf(names), action);
}

Result<std::vector<sock_filter>> retainCalls(std::span<const std::string> names,
                                             CallAction action) {
  const std::set<int> retained = numbersOf(names);
  std::set<int> refused;
  for (const policies::CallName& call : policies::kCallNames) {
    if (retained.contains(call.number)) continue;
    if (std::ranges::find(kAlwaysRetained, call.name) != std::ranges::end(kAlwaysRetained))
      continue;
    refused.insert(call.number);
  }
  return refuseNumbers(refused, action);
}

}  // namespace airlock::sandbox
