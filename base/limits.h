// SPDX-License-Identifier: Apache-2.0
// Every size limit of the project, in one table.  Anyone may use it; no literal limit stands
// elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

// clang-format off: a table
namespace airlock::limits {

inline constexpr std::size_t KiB = 1024;
inline constexpr std::size_t MiB = 1024 * KiB;
inline constexpr std::size_t GiB = 1024 * MiB;

// Messages (docs/ipc.md)
inline constexpr std::size_t kMessageBytes = 64 * KiB;
inline constexpr std::size_t kMessageSegments = 8;
inline constexpr std::size_t kMessageDescriptors = 136;  // an image has up to 127 layers
inline constexpr int kMessageNesting = 16;
inline constexpr std::size_t kTextBytes =
    4 * KiB;  // one Text field, unless its struct says otherwise
inline constexpr std::size_t kSealedBytes =
    4 * MiB;  // a sealed memfd that travels beside a message
inline constexpr std::size_t kArgumentBytes =
    32 * KiB;  // one argument, or one value of the environment
inline constexpr std::size_t kPodManifestBytes = 48 * KiB;  // of what `cat-manifest` shows
inline constexpr std::size_t kPolicySummaryBytes = 16 * KiB;
inline constexpr std::size_t kLabelBytes = 4 * KiB;  // an SELinux label: one write of /proc/…/attr
inline constexpr std::size_t kLayers = 32;
inline constexpr std::size_t kPcrBanks = 8;
inline constexpr std::uint32_t kPcrMax = 23;
inline constexpr std::size_t kPrograms = 32;       // that the engine consists of
inline constexpr std::size_t kTrustEntries = 512;  // (scope, fingerprint) pairs that are measured
inline constexpr std::size_t kKeyParts = 64;       // subkeys or user ids of one key
inline constexpr std::size_t kReasons = 64;        // lines of an explanation or a list of problems
inline constexpr std::size_t kFetchedKeys = 64;

// Images
inline constexpr std::uint64_t kImageBytes = 16 * GiB;  // one image file as downloaded
inline constexpr std::uint64_t kTreeBytes = 64 * GiB;   // one image, unpacked
inline constexpr std::uint64_t kInflateRatio = 200;  // T14: bomb = more than ratio * input + slack
inline constexpr std::uint64_t kInflateSlack = 10 * MiB;
inline constexpr std::size_t kInflateBuffer = 256 * KiB;  // one read, and one write
inline constexpr std::size_t kFilterHead = 512;  // bytes that tell the compression of an image
inline constexpr std::uint64_t kInflateMemory = 128 * MiB;  // of a decompressor (T15)
inline constexpr int kInflateWindowLog = 27;                // zstd: the same 128 MiB
inline constexpr std::size_t kManifestBytes = 1 * MiB;
inline constexpr std::size_t kSignatureBytes = 64 * KiB;
inline constexpr std::size_t kSignatures = 8;
inline constexpr std::size_t kKeyFileBytes = 1 * MiB;
inline constexpr std::size_t kTrustedKeys = 64;  // keys that can be trusted for one name
inline constexpr std::size_t kDependencies =
    24;  // images that one tree is rendered with besides its own
inline constexpr std::size_t kCollectedImages = 64;  // that one answer names
inline constexpr std::size_t kDependencyDepth =
    16;                                           // of fetching: a chain of images that need others
inline constexpr std::size_t kSuperseded = 1024;  // entries of a layer that later ones replace
inline constexpr std::size_t kTreeEntries = 200'000;
inline constexpr std::size_t kStackEntries = 1'000'000;  // that a stack of layers shows
inline constexpr std::size_t kTreeDepth = 255;
inline constexpr std::size_t kPathBytes = 4095;
inline constexpr std::size_t kNameBytes = 255;
inline constexpr std::size_t kXattrsPerFile = 64;
inline constexpr std::size_t kXattrBytes = 4000;     // all of one file: fits an EROFS inode's block
inline constexpr std::uint32_t kImageIdMax = 65534;  // uid and gid in an image (T11)
inline constexpr std::uint64_t kTreeXattrBytes = 16 * MiB;  // all of one image
inline constexpr std::uint64_t kTreeInlineBytes =
    32 * MiB;  // ends of files that unpack keeps in memory
inline constexpr std::uint64_t kTimeMax =
    253'402'300'799;  // 9999-12-31: an mtime in an image, in seconds
inline constexpr std::size_t kTarHeaderBytes = 64 * KiB;  // a pax or GNU extension header (T13)
inline constexpr std::size_t kTrailingZeros = 1 * MiB;    // padding after the end of a tar (T17)

// Verifier roles
inline constexpr int kStallSeconds = 120;  // with nothing to read
inline constexpr unsigned kRoleSeconds =
    4 * 3600;  // one role's whole life: a slow download included
inline constexpr std::uint64_t kRoleCpuSeconds = 900;
inline constexpr std::uint64_t kRoleMemory = 512 * MiB;  // address space
inline constexpr std::uint64_t kRoleFiles = 160;         // an image's layers, and its own
inline constexpr std::uint64_t kRoleProcesses = 16;
inline constexpr std::size_t kSignedBuffer = 64 * KiB;  // one write to gpg: what its pipe holds
inline constexpr std::size_t kUserIds = 16;             // of a key, in what we say about it
inline constexpr std::size_t kUserIdBytes = 256;
inline constexpr std::size_t kSubkeys = 64;
inline constexpr std::uint64_t kKeyRingBytes = 32 * MiB;  // the private tmpfs

// JSON (image/json.h)
inline constexpr std::size_t kJsonDepth = 32;
inline constexpr std::size_t kJsonValues = 65'536;  // of one document, containers included

// Manifests (image/manifest.h)
inline constexpr std::size_t kLabels =
    64;  // also dependencies, ports and isolators of one manifest
inline constexpr std::size_t kAnnotations = 1024;
inline constexpr std::uint64_t kMemoryLimitMinimum =
    4096;  // bytes: rkt refuses less, and no process starts in it
inline constexpr std::size_t kQuantityBytes = 64;        // text of one resource quantity
inline constexpr std::size_t kReferenceBytes = 4 * KiB;  // an image as named on a command line

// Network (unpriv-fetch)
inline constexpr std::size_t kDiscoveryPageBytes = 512 * KiB;
inline constexpr std::size_t kHeaderBytes = 64 * KiB;
inline constexpr std::size_t kHeadTagBytes = 4 * KiB;  // one tag in the head of a discovery page
inline constexpr long kRedirects = 5;
inline constexpr std::size_t kUrlBytes = 3 * KiB;
inline constexpr std::size_t kTagBytes = 256;  // an ETag that is worth remembering
inline constexpr std::size_t kKeyUrls = 16;    // keys that one discovery page may name
inline constexpr std::size_t kCaBundleBytes = 4 * MiB;
inline constexpr std::size_t kConfigurationBytes = 64 * KiB;  // one file of auth.d and the like
inline constexpr std::size_t kConfigurationFiles = 1024;      // in one of these directories
inline constexpr std::size_t kCredentials = 64;  // hosts that one fetcher can show one to

// Docker and OCI images
inline constexpr std::size_t kOciLayers = 127;  // what overlay and docker's own limit come to
inline constexpr std::size_t kOciManifestBytes = 4 * MiB;  // also an index (distribution spec)
inline constexpr std::size_t kOciConfigBytes = 8 * MiB;
inline constexpr std::size_t kOciPlatforms = 256;   // manifests of one index that are looked at
inline constexpr std::size_t kOciAttachments = 64;  // signatures of one image
inline constexpr std::size_t kOciAttachmentBytes = 1 * MiB;
inline constexpr std::size_t kOciAnnotationBytes = 256 * KiB;  // of one signature
inline constexpr std::size_t kOciEndpoints = 8;                // mirrors, and the registry itself
inline constexpr std::size_t kOciLookasides = 8;               // places of simple signatures
inline constexpr std::size_t kOciLookasideFiles = 16;  // signature-1 to signature-16 of one place
inline constexpr std::size_t kMediaTypeBytes = 256;
inline constexpr std::size_t kTokenBytes = 64 * KiB;     // one answer of a token server
inline constexpr std::size_t kChallenges = 16;           // of one answer 401
inline constexpr std::size_t kArchiveEntries = 100'000;  // of an archive of an image

// Pods
inline constexpr std::size_t kApps = 16;
inline constexpr std::size_t kActivatedSockets = 16;  // of a pod
inline constexpr std::size_t kNotifyBytes =
    4 * KiB;  // one datagram of sd_notify: what systemd takes
inline constexpr std::size_t kNotifyStatusBytes = 256;  // of a STATUS that is passed on
inline constexpr std::size_t kAttachments = 64;         // to the streams of a pod, at a time
inline constexpr std::size_t kInputBytes = 64 * KiB;    // typed for an app and not read by it yet
inline constexpr std::size_t kLogLineBytes =
    16 * KiB;  // what the CRI format calls a full line is no longer
inline constexpr std::uint64_t kLogFileBytes =
    8 * MiB;  // of an app; one older file of that size stays
inline constexpr std::int64_t kStallMilliseconds =
    1'000;  // that an attachment may keep an app waiting
inline constexpr std::int64_t kPostStopMilliseconds =
    90'000;  // of a post-stop handler: systemd's TimeoutStopSec
inline constexpr std::size_t kArguments = 1024;
inline constexpr std::size_t kEnvironment = 1024;
inline constexpr std::int64_t kStopMilliseconds = 10'000;  // between TERM and KILL
inline constexpr std::size_t kImageAccountsBytes =
    1 * MiB;                                // /etc/passwd or /etc/group of an image (P10)
inline constexpr std::size_t kMounts = 64;  // of an app; also volumes of a pod
inline constexpr std::size_t kSupplementaryGids = 256;
inline constexpr std::size_t kHostnameBytes = 64;         // HOST_NAME_MAX
inline constexpr std::size_t kGivenFileBytes = 16 * KiB;  // resolv.conf or hosts of a pod
inline constexpr std::uint32_t kModeMax = 07777;
inline constexpr std::int32_t kOomScoreMax = 1000;         // either sign (proc(5))
inline constexpr std::int32_t kSignalMax = 64;             // SIGRTMAX
inline constexpr std::uint32_t kPodUids = 65536;           // uids of one pod
inline constexpr std::uint32_t kFirstPodUid = 0x78000000;  // see docs/decisions/0010
inline constexpr std::uint32_t kPodUidSlots = 1024;

// Measurement (tpm)
inline constexpr std::size_t kEventRecordBytes =
    1 * MiB;  // one line: a message's facts, escaped and in base64
inline constexpr std::size_t kEventLogBytes = 64 * MiB;  // a boot's log: about 40 000 pods
inline constexpr std::size_t kEventStateBytes =
    16 * MiB;  // what is kept so that the log need not be read again
inline constexpr std::size_t kEventLogArchives = 1000;  // logs of earlier boots under one name

// Attestation (tpm, attest)
inline constexpr std::size_t kNonceLeastBytes = 16;
inline constexpr std::size_t kNonceMostBytes = 64;        // what a TPM2B_DATA takes
inline constexpr std::size_t kEvidenceBytes = 256 * MiB;  // one archive, its images' files included
inline constexpr std::size_t kEvidenceFiles = 100'000;
inline constexpr std::size_t kQuoteBytes = 4 * KiB;  // a TPMS_ATTEST, or a signature
inline constexpr std::size_t kFirmwareLogBytes = 16 * MiB;
inline constexpr std::size_t kFirmwareEvents = 100'000;
inline constexpr std::size_t kFleetPolicyBytes = 4 * MiB;
inline constexpr std::size_t kFleetEntries = 16'384;   // of one list of it
inline constexpr std::size_t kAttestationKeys = 1024;  // of one inventory
inline constexpr std::size_t kRootsBytes = 4 * MiB;    // certificates of TPM makers
inline constexpr std::size_t kRoots = 1024;
inline constexpr std::size_t kCrlBytes = 16 * MiB;     // what their makers revoked
inline constexpr std::size_t kRevokedBytes = 4 * MiB;  // a list of attestation keys
inline constexpr std::size_t kReportBytes = 256 * MiB;
inline constexpr std::size_t kPcrSelections = 8;
inline constexpr std::size_t kChallengeBytes = 2 * KiB;      // a file of tpm2_makecredential
inline constexpr std::size_t kPasswordBytes = 64;  // of a hierarchy of a TPM: its largest digest
inline constexpr std::size_t kAttestedFiles = 8;             // in one answer
inline constexpr std::size_t kAttestedFileBytes = 16 * KiB;  // the registers of all banks, as JSON
inline constexpr std::size_t kCertificateBytes = 8 * KiB;    // of an endorsement key, in NV
inline constexpr std::size_t kKernelCommandLineBytes = 64 * KiB;

// The audit record
inline constexpr std::size_t kAuditLineBytes = 64 * KiB;
inline constexpr std::size_t kAuditTextBytes = 1 * KiB;  // a text in it that comes from outside
inline constexpr std::uint64_t kAuditSegmentBytes = 16 * MiB;  // of one file; then a new one begins

// Policy
inline constexpr std::size_t kPolicyFileBytes = 256 * KiB;
inline constexpr std::size_t kPolicyLineBytes = 4 * KiB;

}  // namespace airlock::limits
