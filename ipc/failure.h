// SPDX-License-Identifier: Apache-2.0
// An Error as it crosses a boundary.  Every reply union has one.  Anyone may use it.
#pragma once

#include "base/result.h"

namespace airlock::ipc {

// kind, code, message and hint survive; errno and context are folded into the message.  Text from
// the other side is cut at 4 KiB and shown through printable().
struct Failure {
  Error error;
};

}  // namespace airlock::ipc
