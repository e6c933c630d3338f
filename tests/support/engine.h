// SPDX-License-Identifier: Apache-2.0
// A scratch engine: its own store, configuration and, where a test needs it, its own copy of the
// programs.  Tests only.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/process.h"
#include "ipc/channel.h"
#include "ipc/helper_messages.h"
#include "store/store.h"
#include "tests/support/host_state.h"
#include "tests/support/images.h"
#include "tests/support/shell.h"

namespace airlock::test {

// What came back for a request.
struct Reply {
  std::optional<ipc::HelperReply> reply;
  ipc::FdTable fds;
  std::string transport;  // why there is no reply
  std::optional<ExitStatus> helper;

  // "" for success, the code of a Failure, "(none)" when no answer came.
  std::string code() const;
  std::string text() const;  // of a Failure
  template <class T>
  const T& as() const {
    return std::get<T>(reply.value());
  }
};
std::ostream& operator<<(std::ostream& stream, const Reply& reply);

// A connection to a helper.
class Connection {
 public:
  Connection(ipc::Channel channel, std::optional<Child> process)
      : channel_(std::move(channel)), process_(std::move(process)) {}
  ipc::Channel& channel() { return channel_; }
  Child& process() { return *process_; }  // the helper, or the one that connected in our place
  void send(const ipc::HelperRequest& request, std::span<const FdRef> fds = {});
  Reply receive(int milliseconds = 60'000);
  Reply ask(const ipc::HelperRequest& request, std::span<const FdRef> fds = {});
  // How many answers come until the end.
  int answers();
  void close();

 private:
  ipc::Channel channel_;
  std::optional<Child> process_;
};

struct StartOptions {
  std::string fault;  // the point at which the helper dies
  int deadline = 0;   // milliseconds a role has, instead of minutes
  bool child = true;  // --child, as the CLI of root does; otherwise --connection
  std::vector<std::string> environment;
};

class Engine {
 public:
  // Default policy.  In a place of its own when `dataDirectory` is given.
  explicit Engine(const std::string& dataDirectory = "");
  ~Engine();

  const std::string& data() const { return data_; }
  std::string config() const { return scratch_ / "config"; }
  std::string scratch(const std::string& name) const { return scratch_ / name; }
  std::string program(const std::string& name) const { return libexec_ + "/" + name; }
  std::vector<std::string> pathArguments() const;

  // A file below policy.d; "50-airlock.policy" replaces the one that ships.
  void policy(const std::string& name, const std::string& content) const;
  // Below root.d (prefix "") or prefix.d.
  void trust(const Signer& signer, const std::string& prefix = "") const;
  void trustKey(const std::string& fingerprint, const std::string& content,
                const std::string& prefix = "") const;
  // Own copies of all programs, one of them replaced; `mode` is for the replacement to find beside
  // itself.
  void replaceProgram(const std::string& name, const std::string& with, const std::string& mode);

  Connection start(const StartOptions& options = {}) const;
  // One request to a helper started for it; returns when the helper has ended.
  Reply ask(const ipc::HelperRequest& request, std::span<const FdRef> fds = {},
            const StartOptions& options = {}) const;

  // `--listen`, for callers that are not root.
  void listen();
  pid_t listener() const { return listener_->pid(); }
  std::string socket() const { return data_ + "/run/helper.sock"; }
  // A connection that the kernel says is of this user, whose process lives as long as the
  // connection does.
  Connection connectAs(const Identity& identity) const;

  Reply import(const std::string& image, const std::optional<std::string>& signature,
               ipc::ImportRequest request = {}, const StartOptions& options = {}) const;

  HostState state() const { return hostState(data_); }
  std::vector<ipc::CatalogRecord> images() const;

 private:
  Scratch scratch_;
  std::string data_;
  std::string libexec_;
  std::optional<Child> listener_;
};

// A pod under way.
struct RunningPod {
  PodId id;
  Fd process;
  ipc::Channel leash;
  std::vector<ipc::Layer> layers;
};
ipc::RunRequest runRequest(const ImageId& image, std::vector<std::string> exec);
// Its streams; without `out`, /dev/null.
struct Streams {
  Fd in, out, err;
  std::vector<FdRef> refs() const { return {in, out, err}; }
  std::string printed() const;  // what has been written to `out` and `err`, which are one file
};
Streams makeStreams();
RunningPod takePod(Reply& reply);
// Every event up to the end of the leash, or until nothing came for `milliseconds`.
std::vector<ipc::LeashEvent> eventsOf(RunningPod& pod, int milliseconds = 30'000);
// Waits for Ready.
bool becomesReady(RunningPod& pod);
// The status of PodExited; -1 without one.
int exitOf(const std::vector<ipc::LeashEvent>& events);

// A user without an account, in the group airlock alone.
Identity memberOfAirlock(uid_t uid = 4242);

}  // namespace airlock::test

#define AIRLOCK_NEEDS_ROOT() \
  if (::geteuid() != 0) GTEST_SKIP() << "needs root (CAP_SYS_ADMIN)"
