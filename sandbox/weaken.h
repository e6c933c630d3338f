// SPDX-License-Identifier: Apache-2.0
// Which confinement a test build leaves out, to show that the test of it turns red.  sandbox/ only.
#pragma once

#if (defined(AIRLOCK_WEAKEN_SECCOMP) || defined(AIRLOCK_WEAKEN_LANDLOCK) || \
     defined(AIRLOCK_WEAKEN_CAPABILITIES)) &&                               \
    !defined(AIRLOCK_TEST_HOOKS)
#error "a confinement may be left out in a build with test hooks only"
#endif

namespace airlock::sandbox {

#ifdef AIRLOCK_WEAKEN_SECCOMP
inline constexpr bool kApplySeccomp = false;
#else
inline constexpr bool kApplySeccomp = true;
#endif

#ifdef AIRLOCK_WEAKEN_LANDLOCK
inline constexpr bool kApplyLandlock = false;
#else
inline constexpr bool kApplyLandlock = true;
#endif

#ifdef AIRLOCK_WEAKEN_CAPABILITIES
inline constexpr bool kApplyCapabilities = false;
#else
inline constexpr bool kApplyCapabilities = true;
#endif

}  // namespace airlock::sandbox
