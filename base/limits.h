// SPDX-License-Identifier: Apache-2.0
// Every size limit of the project, in one table.  Anyone may use it; no literal limit stands elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace airlock::limits {

inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;
inline constexpr std::size_t GiB = 1024 * MiB;

// Messages (docs/ipc.md)
inline constexpr std::size_t kMessageBytes = 64 * KiB;
inline constexpr std::size_t kMessageSegments = 8;
inline constexpr std::size_t kMessageDescriptors = 32;
inline constexpr int kMessageNesting = 16;
inline constexpr std::size_t kTextBytes = 4 * KiB;      // one Text field, unless its struct says otherwise
inline constexpr std::size_t kSealedBytes = 4 * MiB;    // a sealed memfd that travels beside a message
inline constexpr std::size_t kArgumentBytes = 32 * KiB; // one argument, or one value of the environment
inline constexpr std::size_t kPodManifestBytes = 48 * KiB;     // of what `cat-manifest` shows
inline constexpr std::size_t kPolicySummaryBytes = 16 * KiB;
inline constexpr std::size_t kLabels = 64;
inline constexpr std::size_t kLayers = 32;
inline constexpr std::size_t kPcrBanks = 8;
inline constexpr std::uint32_t kPcrMax = 23;
inline constexpr std::size_t kPrograms = 32;            // that the engine consists of
inline constexpr std::size_t kTrustEntries = 512;       // (scope, fingerprint) pairs that are measured
inline constexpr std::size_t kKeyParts = 64;            // subkeys or user ids of one key
inline constexpr std::size_t kReasons = 64;             // lines of an explanation or a list of problems
inline constexpr std::size_t kFetchedKeys = 64;

// Images
inline constexpr std::uint64_t kImageBytes = 16 * GiB;         // one image file as downloaded
inline constexpr std::uint64_t kTreeBytes = 64 * GiB;          // one image, unpacked
inline constexpr std::uint64_t kInflateRatio = 200;            // T14: bomb = more than ratio * input + slack
inline constexpr std::uint64_t kInflateSlack = 10 * MiB;
inline constexpr std::size_t kManifestBytes = 1 * MiB;
inline constexpr std::size_t kSignatureBytes = 64 * KiB;
inline constexpr std::size_t kSignatures = 8;
inline constexpr std::size_t kKeyFileBytes = 1 * MiB;
inline constexpr std::size_t kTrustedKeys = 64;                // keys that can be trusted for one name
inline constexpr std::size_t kTreeEntries = 200'000;
inline constexpr std::size_t kTreeDepth = 255;
inline constexpr std::size_t kPathBytes = 4095;
inline constexpr std::size_t kNameBytes = 255;
inline constexpr std::size_t kXattrsPerFile = 64;
inline constexpr std::size_t kXattrBytes = 4000;               // all of one file: fits an EROFS inode's block
inline constexpr std::uint32_t kImageIdMax = 65534;            // uid and gid in an image (T11)
inline constexpr std::size_t kTrailingZeros = 1 * MiB;         // padding after the end of a tar (T17)

// JSON (image/json.h)
inline constexpr std::size_t kJsonDepth = 32;

// Network (unpriv-fetch)
inline constexpr std::size_t kDiscoveryPageBytes = 512 * KiB;
inline constexpr std::size_t kHeaderBytes = 64 * KiB;
inline constexpr long kRedirects = 5;

// Pods
inline constexpr std::size_t kApps = 16;
inline constexpr std::size_t kArguments = 1024;
inline constexpr std::size_t kEnvironment = 1024;
inline constexpr std::int64_t kStopMilliseconds = 10'000;      // between TERM and KILL
inline constexpr std::size_t kImageAccountsBytes = 1 * MiB;    // /etc/passwd or /etc/group of an image (P10)
inline constexpr std::size_t kMounts = 64;                     // of an app; also volumes of a pod
inline constexpr std::size_t kSupplementaryGids = 256;
inline constexpr std::size_t kHostnameBytes = 64;              // HOST_NAME_MAX
inline constexpr std::uint32_t kModeMax = 07777;
inline constexpr std::int32_t kOomScoreMax = 1000;             // either sign (proc(5))
inline constexpr std::int32_t kSignalMax = 64;                 // SIGRTMAX
inline constexpr std::uint32_t kPodUids = 65536;               // uids of one pod
inline constexpr std::uint32_t kFirstPodUid = 0x78000000;      // see docs/decisions/0010
inline constexpr std::uint32_t kPodUidSlots = 1024;

// Policy
inline constexpr std::size_t kPolicyFileBytes = 256 * KiB;
inline constexpr std::size_t kPolicyLineBytes = 4 * KiB;

}  // namespace airlock::limits
