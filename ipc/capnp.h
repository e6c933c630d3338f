// SPDX-License-Identifier: Apache-2.0
// The headers of libcapnp 0.9.2, made to compile as C++23.  Before any other capnp header: in ipc/
// and in the code generated from its schemas.
#pragma once

#include <kj/string.h>

// kj leaves these to the compiler, which since P2468 no longer makes them up.
namespace kj {
inline bool operator==(const char* a, const StringPtr& b) { return b.operator==(StringPtr(a)); }
inline bool operator!=(const char* a, const StringPtr& b) { return !(a == b); }
inline bool operator==(const char* a, const String& b) { return a == StringPtr(b); }
inline bool operator!=(const char* a, const String& b) { return !(a == b); }
}  // namespace kj

#include <capnp/message.h>
#include <capnp/serialize.h>
