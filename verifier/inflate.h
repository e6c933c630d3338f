// SPDX-License-Identifier: Apache-2.0
// Takes exactly one layer of compression off an image, or a layer of one.  Verifier role inflate;
// fuzzed.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/verify_messages.h"

namespace airlock::verifier {

// Chooses the libraries' code for this processor and touches what they would open later.  Before
// confinement.
void warmUpInflate();

// Copies `in` (file or pipe), inflated, to `out`.  The filter is found by its magic number: gzip,
// bzip2, xz, zstd, or none for a tar as it is.  One stream, whole, with nothing behind it (test
// T17): gzip of several members, zstd of several frames and padding are refused, because readers of
// these disagree about where the image ends.  Of a layer of an OCI image they are one after the
// other, as every reader of these has it (stargz and zstd:chunked are made so). At most `most`
// bytes come out, and at most limits::kInflateRatio times what went in plus limits::kInflateSlack
// (T14); what went in is the whole file, or what has come through the pipe so far. E_FILTER,
// E_CORRUPT, E_TRUNCATED, E_TRAILING, E_RATIO, E_LIMIT, E_MEMLIMIT (T15).
Result<ipc::Inflated> inflate(FdRef in, FdRef out, const ipc::InflateJob& job);

}  // namespace airlock::verifier
