// SPDX-License-Identifier: Apache-2.0
// Starting one verifier process for one job and hearing its answer.  Whoever imports: the helper,
// or the CLI for a user's own store.  A verdict counts only because it comes from here (rule 2 of
// docs/architecture.md).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/process.h"
#include "base/result.h"
#include "ipc/channel.h"
#include "ipc/verify_messages.h"

namespace airlock::store {

// How verifier processes are started on behalf of this process.
class RoleStarter {
 public:
  // Opens airlock-verify.  As root: its user airlock-verify, in empty namespaces; otherwise the
  // caller's own uid in namespaces of its own where the host lets users have them.
  static Result<RoleStarter> create();

  FdRef program() const { return program_; }
  const std::optional<Identity>& identity() const { return identity_; }
  std::uint64_t namespaces() const { return namespaces_; }

 private:
  RoleStarter(Fd program, std::optional<Identity> identity, std::uint64_t namespaces)
      : program_(std::move(program)), identity_(std::move(identity)), namespaces_(namespaces) {}
  Fd program_;
  std::optional<Identity> identity_;
  std::uint64_t namespaces_;
};

// A running role.  Destroying it ends the process.
class Role {
 public:
  // `fds` in the order of the job's comment.
  static Result<Role> start(const RoleStarter& starter, const char* role, const ipc::VerifyJob& job,
                            std::span<const FdRef> fds);
  // The answer, within `milliseconds`.  A Failure is returned as an error; a role that died says
  // so.
  template <class Reply>
  Result<Reply> finish(int milliseconds) {
    ipc::VerifyReply reply = TRY(receive(milliseconds));
    if (auto* wanted = std::get_if<Reply>(&reply)) return std::move(*wanted);
    return unexpected();
  }

 private:
  Role(const char* role, Child child, ipc::Channel channel)
      : role_(role), child_(std::move(child)), channel_(std::move(channel)) {}
  Result<ipc::VerifyReply> receive(int milliseconds);
  std::unexpected<Error> unexpected() const;

  const char* role_;
  Child child_;
  ipc::Channel channel_;
};

}  // namespace airlock::store
