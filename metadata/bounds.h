// SPDX-License-Identifier: Apache-2.0
// How much one service takes.  The metadata service only.
#pragma once

#include <cstddef>

#include "base/limits.h"

namespace airlock::limits {

inline constexpr std::size_t kMetadataBodyBytes = 1 * MiB;  // a manifest, or what is to be signed
inline constexpr std::size_t kMetadataPods = 4096;
inline constexpr std::size_t kMetadataPodsOfUser = 256;  // of one that is not root
inline constexpr unsigned kMetadataConnections = 256;
// Of those who register: each pod may have one for as long as it is known.
inline constexpr unsigned kMetadataRegistrations = kMetadataPods + kMetadataConnections;
inline constexpr unsigned kMetadataSeconds = 30;  // of silence on one connection

}  // namespace airlock::limits
