// SPDX-License-Identifier: Apache-2.0
// One line of the audit record: a decision, or what came of one (docs/audit.md has the fields). The
// helper writes them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "audit/json_line.h"
#include "audit/who.h"
#include "base/digest.h"
#include "ipc/helper_messages.h"
#include "ipc/records.h"

namespace airlock::audit {

inline constexpr unsigned kVersion = 1;
// result.code of what was decided and is about to happen, and of what has happened; else it is the
// code of the refusal or failure.
inline constexpr std::string_view kAllowed = "allowed";
inline constexpr std::string_view kDone = "done";
inline constexpr std::string_view kNoCode = "E_FAILED";  // of an error that has none

struct Entry {
  std::string op;          // "run", "import", …: operations() of audit/log.h
  std::optional<Who> who;  // none: noticed by the helper itself
  JsonObject subject;
  std::optional<PodId> pod;  // that it is about, where it is about one
  std::string label;         // SELinux's, of the pod's processes
  std::string rule;          // the policy line that decided
  std::string policy;        // digests of what was in force
  std::string trust;
  JsonObject layers;   // of an outcome: "enforced" and "missing"
  JsonObject measure;  // of an outcome: "anchor", "pcr", "records"
  std::string code{kAllowed};
  std::string text;                 // why not
  bool lacks = false;               // of an import: nothing was kept, other images are needed first
  std::optional<std::uint64_t> of;  // the line that this is the outcome of
};

// Without its newline.  `previous` is the SHA-256 of the line before, zero for the first.
std::string writeLine(const Entry& entry, std::uint64_t sequence, const OciDigest& previous);

// --- what is said of things
// "fingerprint", "kind" where it is known, and "user".
void addSigners(JsonObject& to, std::span<const ipc::Signer> signers);
// Of an import: image, name, labels, origin, signers.
void addImage(JsonObject& to, const ipc::CatalogRecord& image);
// What a pod may do beyond the usual.  `usualCapabilities` and `filter`, the digest of the filter
// of every app, are the helper's to know.
struct Usual {
  std::uint64_t capabilities;
  std::string_view filter;
};
// Of a start: pod, apps with their images and signers, network, volumes, label, digests of
// specification and manifest, and what weakens it.  Of arguments and environments only what the
// digests cover.
void addPod(JsonObject& to, const ipc::PodSpec& spec, std::span<const ipc::CatalogRecord> images,
            std::span<const std::string> extraFilters, const Usual& usual);
// "enforced": names, "missing": what and why.
JsonObject layersOf(std::span<const ipc::Layer> layers);

}  // namespace airlock::audit
