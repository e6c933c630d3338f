// SPDX-License-Identifier: Apache-2.0
// What the helper tells airlock-measure to record.  Sent by the helper only; the texts in it may
// come from a signed image and are put into canonical JSON by the measuring process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/attest_messages.h"
#include "ipc/failure.h"
#include "ipc/helper_messages.h"

namespace airlock::ipc {

// The facts of the engine: measured at first use in a boot, and again when one changes.
struct EngineFacts {
  std::string version;
  std::vector<std::pair<std::string, ContentDigest>>
      programs;  // (name, SHA-512 of the file), sorted by name
  std::string bootId;
  ContentDigest policy;       // over the policy files in their order
  std::string policySummary;  // the lines in force, for the log's reader
  ContentDigest trust;        // over the sorted list of (scope, fingerprint)
  std::vector<std::pair<std::string, std::string>> trusted;  // that list
  std::vector<Layer> layers;
  std::optional<ContentDigest> trustFiles;  // over the key files (store/keystore.h)
};
struct ImageFacts {
  ImageId image;
  std::string name;
  std::vector<Label> labels;
  TreeDigest tree;
  std::string content;  // "verity:sha256-<64 hex>", "rehash" or "store-trust"
  std::vector<std::string> signers;
  std::string rule;
  std::string origin;
  bool insecure = false;                  // imported without a signature
  std::vector<std::string> dependencies;  // "name sha512-…" of what the tree was rendered with
  std::vector<OciDigest> layers;          // of an OCI image, the bottom one first
};
struct PodFacts {
  PodId pod;
  ContentDigest manifest;  // of the pod manifest's bytes
  ContentDigest spec;      // of the PodSpec that stage1 gets
  std::string stage1;
  ContentDigest stage1Digest;
  std::vector<std::pair<std::string, ImageId>> apps;
  std::uint32_t callerUid = 0;
  std::uint32_t firstUid = 0;
  std::string network;
  std::vector<std::string> volumes;  // "name:host:ro"
  std::string selinux;               // type of its processes; "": not labelled
  std::string audit;  // "sha256-…" of the line of the audit record that says so; "": there is none
};
struct EnterFacts {
  PodId pod;
  std::string app;
  ContentDigest arguments;
  std::uint32_t callerUid = 0;
  std::string audit;  // as in PodFacts
};
struct AbortFacts {
  PodId pod;
  std::string reason;
};

enum class MeasureMode : std::uint16_t { Require, Log, Off };

// Something with the keys of the TPM, instead of images and event.
struct AttestJob {
  AttestRequest request;
  std::uint32_t keyHandle = kDefaultKeyHandle;  // of the attestation key
  std::uint32_t callerUid = 0;                  // each gets one quote in a second
};

// Descriptors: 0 the log directory; 1 the TPM (character device or connected socket), when hasTpm.
struct MeasureJob {
  MeasureMode mode = MeasureMode::Log;
  std::uint32_t pcr = 15;
  bool hasTpm = false;
  bool softwareTpm = false;  // configured as software: said so in every record's reader
  EngineFacts engine;
  std::vector<ImageFacts> images;  // each recorded once in a boot
  // What happens now, after the engine's and images' own events.
  std::optional<std::variant<PodFacts, EnterFacts, AbortFacts>> event;
  bool readOnly = false;  // only report the register
  std::optional<AttestJob> attest = {};
};
struct Measured {
  std::uint64_t records = 0;   // in the log
  std::vector<PcrBank> banks;  // values now; empty without a TPM
  std::string anchor;          // "hardware", "software" or "none"
};
using MeasureReply = std::variant<Failure, Measured, Attested>;

Result<std::string> encode(const MeasureJob& job);
Result<MeasureJob> decodeMeasureJob(std::string_view bytes);
Result<std::string> encode(const MeasureReply& reply);
Result<MeasureReply> decodeMeasureReply(std::string_view bytes);

}  // namespace airlock::ipc
