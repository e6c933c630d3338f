// SPDX-License-Identifier: Apache-2.0
// Showing a key, asking about it, and putting it where it is trusted.  CLI only; `trust`, and
// `fetch` for keys that a prefix advertises.  The key's bytes are only ever read by a verifier
// process.
#pragma once

#include <optional>
#include <string>

#include "base/names.h"
#include "base/result.h"
#include "cli/command.h"
#include "ipc/verify_messages.h"

namespace airlock::cli {

struct KeyScope {
  std::optional<ImageName> prefix;  // nullopt: every image
  bool log = false;                 // of a transparency log, not of a signer
  std::string text() const { return prefix ? prefix->text() : ""; }
};
struct OfferedKey {
  std::string source;  // URL or path, as shown
  std::string content;
};

enum class Review { Ask, Skip };
enum class Verdict { Added, AlreadyThere, Refused };

Result<ipc::KeyFacts> inspectKey(const std::string& content);

// "prefix: …" with `before` in front, "key: …", the fingerprint and the identities, as rkt shows
// them.
std::string keyText(const char* before, const KeyScope& scope, const std::string& source,
                    const ipc::KeyFacts& facts);

// Shows the key, asks (yes/no) unless told not to, and adds it.  E_NO_TTY when nobody can be asked.
Result<Verdict> offerKey(const Options& options, const KeyScope& scope, const OfferedKey& key,
                         Review review);

// What had to be done so that a key is trusted no longer.
struct Removal {
  std::string path;    // of the file that was removed, or of the empty one that masks
  bool masks = false;  // the key itself is in a directory that this one overrides
};
// E_NOT_FOUND when the key is not trusted for that scope itself (it may be for one above it).
Result<Removal> removeKey(const Options& options, const KeyScope& scope,
                          const KeyFingerprint& fingerprint);

// After an image was refused for its key: which prefixes have keys at all, on stderr.
void tellTrustedPrefixes(const Options& options);

// While fetching: when no key is trusted for `name`, fetches those that its prefix advertises and
// offers them.  When there are some, the text about those of them that are advertised: a new key
// is offered to nobody who has one.  Whatever goes wrong is told on stderr only (a network that
// fails is not: the download tells): without a key the verification refuses the image anyway.
std::string discoverKeysFor(const Options& options, const ImageName& name);

}  // namespace airlock::cli
