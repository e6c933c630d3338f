// SPDX-License-Identifier: Apache-2.0
// Which part of a pod's confinement a test build leaves out, to show that its test turns red.
// stage1/ only.
#pragma once

#if (defined(AIRLOCK_WEAKEN_POD_SECCOMP) || defined(AIRLOCK_WEAKEN_POD_CAPS) || \
     defined(AIRLOCK_WEAKEN_POD_MASKS)) &&                                      \
    !defined(AIRLOCK_TEST_HOOKS)
#error "a confinement may be left out in a build with test hooks only"
#endif

namespace airlock::stage1 {

#ifdef AIRLOCK_WEAKEN_POD_SECCOMP
inline constexpr bool kFilterApps = false;
#else
inline constexpr bool kFilterApps = true;
#endif

#ifdef AIRLOCK_WEAKEN_POD_CAPS
inline constexpr bool kDropCapabilities = false;
#else
inline constexpr bool kDropCapabilities = true;
#endif

#ifdef AIRLOCK_WEAKEN_POD_MASKS
inline constexpr bool kMaskPaths = false;
#else
inline constexpr bool kMaskPaths = true;
#endif

}  // namespace airlock::stage1
