// SPDX-License-Identifier: Apache-2.0
// Starts airlock-verify as its starters do: for the tests of verifier/.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"
#include "ipc/channel.h"
#include "ipc/verify_messages.h"

namespace airlock::verifier {

// How the starter stands.
enum class Starter {
  Root,  // the helper: another uid, fresh namespaces, the role makes its own user namespace
  User,  // the CLI: a user namespace with the caller's own ids
};

struct Started {
  Child child;
  ipc::Channel channel;
};
// `program` is an executable of the build tree, relative to it.
Result<Started> startRole(const std::string& program, const std::string& role, Starter starter);

struct Finished {
  ipc::VerifyReply reply;
  ExitStatus status;
};
Result<Finished> runRole(const std::string& role, Starter starter, const ipc::VerifyJob& job,
                         std::span<const FdRef> fds);

}  // namespace airlock::verifier
