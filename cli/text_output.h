// SPDX-License-Identifier: Apache-2.0
// What goes to stdout and stderr.  CLI only.  Results are stdout's, everything else is stderr's.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "cli/command.h"
#include "image/json.h"

namespace airlock::cli {

// Whole texts, newline included by the caller; foreign parts must be escaped by then.
void out(std::string_view text);
void note(std::string_view text);
// What `out` could not write, of all that it was given: for the end of a command, which must not
// succeed then.  A reader that went away (EPIPE) is no failure: `airlock audit query | head`.
Result<void> outputIsWhole();
// "airlock: TEXT\n" on stderr, as rkt's information lines.
void inform(std::string_view text);
// A document on stdout, with a newline.
void printJson(const image::Json& document, image::JsonStyle style = image::JsonStyle::Pretty);

// "fetch: text" and what to do; with --debug a line for each context, as rkt; an object of command,
// code, message and hint with --json.
std::string errorText(const std::string& command, const Error& error, const Options& options);

// "2C36 5F79 1822 3B4B 7BAF  598F AB5D 427F 1E00 6E47"; a minisign key id as it is.
std::string spacedFingerprint(const std::string& fingerprint);

// Whether somebody can be asked: stdin and stderr are terminals.
bool canAsk();

}  // namespace airlock::cli
