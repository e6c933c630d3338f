// SPDX-License-Identifier: Apache-2.0
// The streams of apps that PID 1 keeps: into logs, and from and to whoever attaches.  Nothing here
// waits: an app that writes much, a reader that does not read, and a full disk hold up one another
// for a bounded time and PID 1 not at all.  PID 1 of a pod.  Every stage1 flavour.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/pod_spec.h"
#include "stage1/contract/log_file.h"

namespace airlock::stage1 {

// Both sides of an app's pseudo terminal.
struct TerminalPair {
  Fd master;
  Fd slave;
};

class AppStreams {
 public:
  AppStreams() = default;  // keeps none
  AppStreams(Fd logDirectory, Fd attachSocket)
      : logDirectory_(std::move(logDirectory)), attachSocket_(std::move(attachSocket)) {}

  // The app's ends of the streams that are kept; not valid where the mode is another.
  struct Ends {
    Fd input;
    Fd output;
    Fd errors;
  };
  // `owner`: the app's user, which may open its own streams again by name (/dev/stdout).
  // `terminal`: of an app that has the mode tty.
  Result<Ends> open(const ipc::AppSpec& app, uid_t owner, TerminalPair terminal);
  // The app runs, as the pod numbers it.
  void started(const AppName& app, pid_t pid);

  // What to poll(2) for is added; serve() gets the same part with what came of it.
  void watch(std::vector<pollfd>& events);
  void serve(std::span<const pollfd> events);
  // When serve() is to be called although nothing came: milliseconds of sys::now().
  std::optional<std::int64_t> deadline() const;
  // What apps have written last is passed on, within limits::kStallMilliseconds; then everybody is
  // told the end.
  void finish();

 private:
  struct Output {
    AppName app;
    bool errors = false;
    Fd end;
    LogFile* log = nullptr;
    LogLines lines;
  };
  struct Input {
    AppName app;
    Fd end;
    bool terminal = false;
    std::string pending;
    bool ending = false;  // to be closed when `pending` is written
  };
  struct Attachment {
    Fd socket;
    std::optional<ipc::AttachSpec> wanted;  // once its first message has come
    std::string unsent;                     // one message that found no room
    std::int64_t stalledAt = 0;
  };

  Result<Fd> openOutput(const ipc::AppSpec& app, bool errors, ipc::StreamMode mode, uid_t owner);
  Result<Fd> openInput(const ipc::AppSpec& app, uid_t owner);
  LogFile* logOf(const AppName& app);
  Input* inputOf(const AppName& app);

  void accept();
  void receive(Attachment& from);
  void obey(Attachment& from, std::string_view message);
  void read(Output& from);
  void write(Input& to);
  void send(Attachment& to, std::string message);
  void flush(Attachment& to);
  bool reaches(const Output& output, const Attachment& attachment) const;
  bool isHeldUp(const Output& output) const;
  bool isBackedUp(const Attachment& attachment);
  void endFinished();
  void dropStalled();

  Fd logDirectory_;
  Fd attachSocket_;
  std::vector<std::pair<AppName, std::unique_ptr<LogFile>>> logs_;
  std::vector<Output> outputs_;
  std::vector<Input> inputs_;
  std::vector<Attachment> attachments_;
};

}  // namespace airlock::stage1
