// SPDX-License-Identifier: Apache-2.0
// PodSpec: everything stage1 needs to know about a pod, and all that it believes.  The CLI writes
// one, the helper checks it against policy, fills in what only it knows and writes its own copy;
// stage1 reads that copy from a sealed memfd.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"

namespace airlock::ipc {

enum class Network : std::uint16_t {
  Loopback,  // a network namespace of its own with lo and nothing else
  Host,      // the caller's network namespace; only when policy allows
};

enum class VolumeKind : std::uint16_t { Host, Empty };

struct VolumeSpec {
  AppName name;
  VolumeKind kind = VolumeKind::Empty;
  bool readOnly = false;
  bool recursive = true;      // Host: with the mounts below it
  std::string source;         // Host: the path as the caller wrote it, for display only
  std::uint32_t mode = 0755;  // Empty
  std::uint32_t uid = 0;      // Empty: of the pod
  std::uint32_t gid = 0;
  bool operator==(const VolumeSpec&) const = default;
};

struct MountSpec {
  AppName volume;
  std::string target;  // absolute path in the app's root; links in it are resolved inside that root
  bool readOnly = false;
  bool operator==(const MountSpec&) const = default;
};

// A socket that somebody else has opened for a port of the app: the app finds it as
// sd_listen_fds(3) says.
struct SocketSpec {
  AppName port;              // the port's name
  bool datagram = false;     // UDP; else TCP, listening
  std::uint16_t number = 0;  // what the socket is bound to
  bool operator==(const SocketSpec&) const = default;
};

// Where a stream of an app leads.
enum class StreamMode : std::uint16_t {
  Inherit,  // to the pod's stream, or the app's own
  Null,
  Log,     // PID 1 writes lines to a file in the pod's directory
  Stream,  // a pipe of PID 1's, for whoever attaches
  Tty,     // a pseudo terminal of the app, for whoever attaches
};

struct AppSpec {
  AppName name;
  ImageId image;
  std::string imageName;          // "example.com/app:1.0", for display
  std::vector<std::string> exec;  // never empty
  std::vector<std::pair<std::string, std::string>> environment;
  std::string workingDirectory;  // "" or absolute
  std::string user = "0";  // number, name in the image's passwd, or "/path" whose owner is meant
  std::string group = "0";
  std::vector<std::uint32_t> supplementaryGids;
  std::uint64_t capabilities = 0;  // bounding set, bit n = capability n
  bool noNewPrivileges = true;
  bool readOnlyRoot = false;
  std::vector<MountSpec> mounts;
  std::uint64_t memoryBytes = 0;  // 0: no limit of its own
  std::uint32_t cpuMillis = 0;
  std::uint32_t cpuShares = 0;
  std::optional<std::int32_t> oomScoreAdjust;
  bool hasExtraFilter = false;  // a further seccomp program, installed on top of the default one
  std::uint32_t pidsMax = 0;    // processes and threads; 0: as many as the pod may have
  bool notify = false;          // it gets a NOTIFY_SOCKET
  std::vector<SocketSpec> sockets;  // limits::kActivatedSockets in a pod
  bool ownInput = false;            // a stream that is not the pod's
  bool ownOutput = false;
  bool ownErrors = false;
  StreamMode input = StreamMode::Inherit;  // never Log
  StreamMode output = StreamMode::Inherit;
  StreamMode errors = StreamMode::Inherit;
  std::vector<std::string> preStart;  // what runs before the app, as the app; empty: nothing
  std::vector<std::string> postStop;  // what runs after it
  std::uint8_t stopSignal = 0;        // asks it to stop; 0: SIGTERM
  bool operator==(const AppSpec&) const = default;
};

// A file that every app of the pod finds in its root.
struct GivenFile {
  enum class Rule : std::uint16_t {
    Usual,    // what the stage1 makes of its own, where the image has none
    None,     // nothing is made
    Add,      // what the stage1 makes of its own, then `content`, in place of the image's
    Replace,  // `content`, in place of the image's
  };
  Rule rule = Rule::Usual;
  std::string content;  // limits::kGivenFileBytes; empty with Usual and None
  bool operator==(const GivenFile&) const = default;
};

struct PodSpec {
  PodId id;              // set by the helper
  std::string hostname;  // "" means airlock-<UUID>, "rkt-" rkt-<UUID>
  Network network = Network::Loopback;
  bool terminal = false;  // the single app gets a pseudo terminal of the pod
  std::vector<AppSpec> apps;
  std::vector<VolumeSpec> volumes;
  std::string selinuxProcess;  // label of the apps, "user:role:type:level"; set by the helper, ""
                               // where SELinux is off
  std::string selinuxMount;    // label of what they write; likewise
  std::uint64_t watchdogMicroseconds = 0;  // for apps with `notify`; 0: nobody watches
  std::string journal;      // the read-only Host volume that holds this pod's journal; "": none
  bool hasCgroups = false;  // each app's cgroup comes as a descriptor; set by the helper
  GivenFile resolvConf;     // /etc/resolv.conf
  GivenFile hosts;          // /etc/hosts
  bool sandbox = false;  // has no app: apps are added while it runs, and it does not end by itself
  bool operator==(const PodSpec&) const = default;
};

// Whether PID 1 keeps a stream of an app: then it gets the directory for logs and the attach
// socket.
bool keepsStreams(const PodSpec& spec);

// Shape checks included: counts and sizes within base/limits.h, unique app and volume names, every
// mount names a volume, absolute targets, an app unless it is a sandbox, no NUL in any text,
// terminal only with one app. E_REQUEST otherwise.
Result<std::string> encode(const PodSpec& spec);
Result<PodSpec> decodePodSpec(std::string_view bytes);

// What an entering process runs: the second sealed memfd of the contract's enter call.
struct EnterSpec {
  AppName app;
  std::vector<std::string> exec;                                 // never empty
  std::vector<std::pair<std::string, std::string>> environment;  // on top of the app's, e.g. TERM
  bool terminal = false;
};
Result<std::string> encode(const EnterSpec& spec);
Result<EnterSpec> decodeEnterSpec(std::string_view bytes);

// To which streams of a running app somebody attaches: the first message to the attach socket.
struct AttachSpec {
  AppName app;
  bool input = false;
  bool output = false;
  bool errors = false;
};
Result<std::string> encode(const AttachSpec& spec);
Result<AttachSpec> decodeAttachSpec(std::string_view bytes);

// What follows on that connection, one SOCK_SEQPACKET message each: a kind, then its bytes.
enum class StreamMessage : char {
  Input = 'i',   // to the app
  End = 'e',     // of the input; answered by Done when there is nothing else to wait for
  Window = 'w',  // of the terminal: rows and columns, two bytes each, the lower one first
  Output = 'o',  // from the app
  Errors = 'x',
  Done = 'z',  // the last one; a connection that ends without it was given up
};
inline constexpr std::size_t kStreamChunk = 16 * 1024;  // bytes of one message at most

// --- the stage1 contract's descriptors (docs/stage1-contract.md)
// -------------------------------------------------
inline constexpr int kLeashFd =
    3;  // SOCK_SEQPACKET: LeashEvent up, LeashCommand down; its end means "stop"
inline constexpr int kStatusDirFd =
    4;                             // the pod's status directory, writable for the pod's root only
inline constexpr int kSpecFd = 5;  // sealed PodSpec
inline constexpr int kLockFd =
    6;  // run: the pod's lock, held until exit.  enter: the sealed EnterSpec
inline constexpr int kStdinFd = 7;  // 7, 8, 9: the apps' standard streams
inline constexpr int kStdoutFd = 8;
inline constexpr int kStderrFd = 9;
inline constexpr int kFirstMountFd = 10;
// From kFirstMountFd on: the root of each app, then each volume in order (Host: a detached mount of
// it; Empty: its directory below the pod, a detached mount too), then a sealed BPF program for each
// app with hasExtraFilter, then for each app its sockets, then for each app its own streams, then
// with hasCgroups the cgroup of each app, a detached mount, then with keepsStreams() the directory
// for logs and the attach socket.
struct Stage1Descriptors {
  int root(std::size_t app) const { return kFirstMountFd + static_cast<int>(app); }
  int volume(std::size_t index) const;
  int filter(std::size_t app) const;  // only for an app with hasExtraFilter
  int socket(std::size_t app) const;  // the first of its sockets
  int stream(std::size_t app) const;  // the first of its own streams: input, output, errors
  int cgroup(std::size_t app) const;  // only with hasCgroups
  int logs() const;                   // only with keepsStreams(), as the next
  int attachSocket() const { return logs() + 1; }
  int end() const;  // one past the last
  const PodSpec& spec;
};

// --- leash
// -----------------------------------------------------------------------------------------------------
// stage1 -> holder.  Sent by PID 1 of the pod; believed only as far as the exit code of `airlock
// run`.
struct LeashEvent {
  enum class Kind : std::uint16_t {
    Ready,      // every app has been exec'ed
    Failed,     // set-up failed; `text` says where and why; the pod is gone
    Terminal,   // one descriptor: the master side of the pod's terminal
    AppExited,  // `app` ended with `status`
    PodExited,  // the last message: the pod ends with `status`
    OomKilled,  // before AppExited: the kernel ended `app` for want of memory; `text` says whose
    Warning,    // what went wrong with `app` and ends nothing: `text`
    Notify,     // what `app` has said by sd_notify(3): `notify`, and `text` with kNotifyStatus
  };
  Kind kind = Kind::Ready;
  std::string app;
  std::int32_t status = 0;  // exit code, or 128 + signal
  std::string text;
  std::uint32_t notify = 0;  // kNotify…
};
inline constexpr std::uint32_t kNotifyReady = 1;
inline constexpr std::uint32_t kNotifyReloading = 2;
inline constexpr std::uint32_t kNotifyStopping = 4;
inline constexpr std::uint32_t kNotifyWatchdog = 8;
inline constexpr std::uint32_t kNotifyStatus = 16;
inline constexpr std::uint32_t kNotifyAll = 31;
// holder -> stage1.
struct LeashCommand {
  enum class Kind : std::uint16_t { Stop, Signal };
  Kind kind = Kind::Stop;  // Stop: TERM, after ten seconds KILL.  Signal: `signal` to every app's
                           // main process
  std::int32_t signal = 0;
};
std::string encode(const LeashEvent& event);
Result<LeashEvent> decodeLeashEvent(std::string_view bytes);
std::string encode(const LeashCommand& command);
Result<LeashCommand> decodeLeashCommand(std::string_view bytes);

}  // namespace airlock::ipc
