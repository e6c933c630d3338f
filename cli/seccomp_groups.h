// SPDX-License-Identifier: Apache-2.0
// Seccomp isolators, compiled: rkt's groups of calls against the filter that every app has anyway.
// run.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/sealed.h"
#include "image/isolators.h"

namespace airlock::cli {

// The program that stands on top of the pod's own filter; nullopt when that one already refuses all
// that `filter` does.  Refused (J08): a call that no Linux has, an errno that there is not, a
// filter that leaves nothing.
Result<std::optional<Sealed>> compileSeccomp(const image::SeccompFilter& filter);

}  // namespace airlock::cli
