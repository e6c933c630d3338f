// SPDX-License-Identifier: Apache-2.0
// The small value grammars of appc (spec, "AC types"): versions, dates, image hashes, platforms.
// Pure; unprivileged code may use it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"

namespace airlock::image {

// The appc version that we implement and write into manifests of our own.
inline constexpr std::string_view kAppcVersion = "0.8.11";

// "acVersion must be set" (for an empty text too) or "X is not in dotted-tri format".
Result<void> checkSemVer(std::string_view text);
// An AC Identifier that is no image name: a label, an annotation, an isolator.  Texts as
// ImageName's.
Result<void> checkIdentifier(std::string_view text);
// RFC 3339, "2015-01-01T00:00:00Z"; days are checked against the month.
Result<void> checkDate(std::string_view text);
// http:// or https:// with a host and no white space or control characters.
Result<void> checkWebUrl(std::string_view text);
// "sha512-" and 2 to 128 hex digits, or "sha256-" and 2 to 64: the id of an OCI image.  appc does
// not check the length, and pod manifests that rkt wrote hold half a digest: the store decides
// which image it is.
Result<void> checkImageHash(std::string_view text);
// ^[A-Za-z_][A-Za-z_0-9.-]*$ (test J09: no '=', newline or NUL).
Result<void> checkEnvironmentName(std::string_view text);

// The labels of an image: identifiers, none called "name", none twice, os and arch from appc's
// table.
Result<void> checkLabels(const std::vector<Label>& labels);
// The same for os and arch alone.  An arch without an os says nothing and is not checked, as in
// appc.
Result<void> checkPlatform(const std::vector<Label>& labels);
// For an image with an app: "missing os/arch label in the image manifest" unless both are there.
Result<void> requirePlatform(const std::vector<Label>& labels);

// appc's name of an architecture, from uname(2)'s `machine` or from Go's name ("arm64"); empty when
// appc has none.
std::string_view appcArchitecture(std::string_view machine);
// What this program was compiled for, in appc's names; os is always "linux".
std::string_view hostArchitecture();

// Makes an AC Name of any text (rkt: the default name of an app from the last component of its
// image's name): lower case, '-' for what is not allowed, trimmed.  Refused when nothing is left.
Result<AppName> sanitizeAppName(std::string_view text);

}  // namespace airlock::image
