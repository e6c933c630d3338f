// SPDX-License-Identifier: Apache-2.0
// Asking the helper.  CLI only.  Root starts one as its child; a user connects to the socket of
// systemd or --listen.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "base/process.h"
#include "base/result.h"
#include "cli/command.h"
#include "ipc/channel.h"
#include "ipc/helper_messages.h"

namespace airlock::cli {

// Whether `options` lead to a helper: root always has one, a user when there is a socket of root's
// to which the user may write.  No connection is made; askHelper() looks at who really serves it.
// E_HELPER otherwise, with why and what to do.
Result<void> findHelper(const Options& options);
bool helperReachable(const Options& options);

struct HelperAnswer {
  ipc::HelperReply reply;  // never Failure, never Progress
  std::vector<Fd> fds;
};

// A connection over which more than one message goes either way.
class HelperConversation {
 public:
  static Result<HelperConversation> open(const Options& options);
  // What the helper has said in the meantime is the error where it takes no more.
  Result<void> say(const std::string& bytes, std::span<const FdRef> fds);
  Result<HelperAnswer> hear(const std::function<void(const ipc::Progress&)>& progress = {});
  // After its last answer.
  void end();

 private:
  HelperConversation(ipc::Channel channel, std::optional<Child> child)
      : channel_(std::move(channel)), child_(std::move(child)) {}
  ipc::Channel channel_;
  std::optional<Child> child_;  // a helper that was started for this
};

// One request, one answer; a Failure comes back as the error.  E_HELPER when no helper can be
// reached, with what to do. `progress` hears of steps on the way.
Result<HelperAnswer> askHelper(const Options& options, const ipc::HelperRequest& request,
                               std::span<const FdRef> fds,
                               const std::function<void(const ipc::Progress&)>& progress = {});

// The answer as the kind that the request has.
template <class Reply>
Result<Reply> askFor(const Options& options, const ipc::HelperRequest& request,
                     std::span<const FdRef> fds = {}) {
  HelperAnswer answer = TRY(askHelper(options, request, fds));
  if (auto* wanted = std::get_if<Reply>(&answer.reply)) return std::move(*wanted);
  return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
}

}  // namespace airlock::cli
