// SPDX-License-Identifier: Apache-2.0
// Starts a stage1 as the helper does: namespaces, uid map, descriptors, nothing else.  The
// conformance tests only. Everything it makes is a detached mount, a socket or a process of its
// own: nothing is left behind.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "ipc/pod_spec.h"
#include "sandbox/pod_cgroup.h"

namespace airlock::conformance {

inline constexpr std::uint32_t kHostBase = 0x78000000;  // pod uid 0 on the host

// The stage1 under test: AIRLOCK_STAGE1, or the container flavour of this build.
std::string stage1Path();
// The reason why the tests cannot run here, or nothing.
std::optional<std::string> missingNeed();

// A file system as an image's tree would be: Debian's static busybox and the probe in /bin, owned
// by the pod's root.
class ImageRoot {
 public:
  ImageRoot();
  ImageRoot& directory(const std::string& path, mode_t mode = 0755);
  ImageRoot& file(const std::string& path, const std::string& content, mode_t mode = 0644);
  ImageRoot& link(const std::string& path, const std::string& target);
  ImageRoot& owner(const std::string& path, std::uint32_t podUid, std::uint32_t podGid);
  ImageRoot& mode(const std::string& path, mode_t mode);
  ImageRoot& fifo(const std::string& path);
  ImageRoot& remove(const std::string& path);
  FdRef mount() const { return mount_.ref(); }
  // This tree as the read-only layer of an overlay whose upper layer is in `scratch`, as the helper
  // lends it.
  ImageRoot& stack(const std::string& scratch);

 private:
  Fd mount_;
};
// An empty file system to lend as a volume or to keep statuses in.
Fd newMount(const char* mode);  // a tmpfs of the pod's root, attached nowhere
Fd emptyMount();

// The cgroups of a pod below the test's own, removed with the last who has them.
class PodGroupOfTest {
 public:
  PodGroupOfTest(std::string where, sandbox::PodCgroup groups)
      : path(std::move(where)), made(std::move(groups)) {}
  PodGroupOfTest(const PodGroupOfTest&) = delete;
  PodGroupOfTest& operator=(const PodGroupOfTest&) = delete;
  ~PodGroupOfTest();
  const std::string path;  // below the hierarchy
  const sandbox::PodCgroup made;
};

struct PodRequest {
  ipc::PodSpec spec;
  std::vector<ImageRoot> roots;      // one for each app
  std::vector<Fd> volumes;           // one for each volume
  std::vector<std::string> filters;  // BPF of each app with hasExtraFilter
  std::vector<Fd> others;            // each app's sockets, then each app's own streams
  std::vector<std::pair<std::string, std::string>> hostEnvironment;  // which must not arrive
  std::shared_ptr<PodGroupOfTest> cgroup;                            // giveCgroups()
};
// One app "app" that runs `script` in a shell as the pod's root with the default capabilities.
PodRequest shellPod(const std::string& script);
ipc::AppSpec shellApp(const std::string& name, const std::string& script);
std::uint64_t defaultCapabilities();
// Cgroups for the pod and its apps, with the apps' limits; the reason why there can be none, else.
std::optional<std::string> giveCgroups(PodRequest& request);

// A started stage1, `run` or `enter`.  Destroying it kills what is left.
class Stage1 {
 public:
  Stage1(Stage1&& other) noexcept;
  Stage1& operator=(Stage1&&) = delete;
  ~Stage1();

  // The next event; nullopt when none comes within `milliseconds` or the leash is closed.
  std::optional<ipc::LeashEvent> next(int milliseconds = 20'000);
  // Collects until the leash ends, then the streams and the exit code.
  void finish();
  void waitFor(ipc::LeashEvent::Kind kind);
  std::string readLine();               // of standard output
  void write(const std::string& text);  // to standard input
  void command(const ipc::LeashCommand& command);
  void dropLeash() { leash_.reset(); }
  std::string status(
      const std::string& app) const;  // of the status directory; "" when there is none
  const ipc::LeashEvent* event(ipc::LeashEvent::Kind kind) const;
  std::string log(const std::string& app) const;  // likewise of the directory for logs
  // A connection to the attach socket, as the helper makes it.
  Fd attach(const ipc::AttachSpec& spec) const;

  // Starts the entry point `enter` in this pod.
  Stage1 enter(const ipc::EnterSpec& spec) const;

  pid_t pid() const { return pid_; }
  // The process of an enter() that watches the entered one, as the host numbers it.
  std::string watcher() const;
  std::string output;
  std::string errors;
  std::vector<ipc::LeashEvent> events;
  int code = -1;  // exit code, or 128 + signal
  Fd terminal;    // the master side, once it has arrived

 private:
  friend Stage1 startPod(PodRequest request);
  Stage1() = default;

  pid_t pid_ = -1;
  Fd leash_;
  Fd input_;
  Fd output_;
  Fd errors_;
  Fd statusDir_;
  Fd logDir_;
  std::string attachAddress_;
  std::string spec_;
  std::shared_ptr<PodGroupOfTest> cgroup_;
};

Stage1 startPod(PodRequest request);
// startPod and finish.
Stage1 runPod(PodRequest request);

}  // namespace airlock::conformance
