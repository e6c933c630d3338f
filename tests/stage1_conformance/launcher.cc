// SPDX-License-Identifier: Apache-2.0
#include "tests/stage1_conformance/launcher.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "base/limits.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "tests/stage1_conformance/steps.h"

namespace airlock::conformance {

namespace {

constexpr std::uint64_t kPodNamespaces =
    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// As installed: others may execute it, not read it (see stage1/container/CMakeLists.txt).  One copy
// for all tests.
FdRef stage1Program() {
  static const Fd program = [] {
    Fd writable = Fd::own(::memfd_create("stage1", MFD_CLOEXEC));
    check(writable.valid(), "memfd_create");
    need(sys::writeAll(writable, contentOf(stage1Path())));
    check(::fchmod(writable.get(), 0711) == 0, "chmod");
    return need(sys::reopen(writable, O_RDONLY));
  }();
  return program.ref();
}

void writeMap(pid_t pid, const char* name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  need(sys::writeAll(need(sys::openPath(path, O_WRONLY)),
                     "0 " + std::to_string(kHostBase) + " 65536\n"));
}

// Puts descriptors[i] at number 3 + i, closes the rest and execs.  A negative one leaves its number
// closed.
[[noreturn]] void become(int program, const std::vector<int>& descriptors, const char* entry,
                         const std::vector<std::string>& environment) {
  constexpr int scratch = 300;
  std::vector<int> copies;
  for (const int fd : descriptors) copies.push_back(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD, scratch));
  program = ::fcntl(program, F_DUPFD, scratch);
  const int null = ::open("/dev/null", O_RDWR);
  if (null >= 0) {
    ::dup2(null, 0);
    ::dup2(null, 1);
  }
  ::syscall(SYS_close_range, 3, scratch - 1, 0);
  for (std::size_t index = 0; index < copies.size(); ++index) {
    if (copies[index] >= 0) ::dup2(copies[index], 3 + static_cast<int>(index));
  }
  ::fcntl(program, F_SETFD, FD_CLOEXEC);
  ::syscall(SYS_close_range, scratch, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  std::vector<char*> envp;
  for (const std::string& text : environment) envp.push_back(const_cast<char*>(text.c_str()));
  envp.push_back(nullptr);
  char name[] = "airlock-stage1-container";
  char* argv[] = {name, const_cast<char*>(entry), nullptr};
  ::syscall(SYS_execveat, program, "", argv, envp.data(), AT_EMPTY_PATH);
  ::_exit(126);
}

// With an abstract name that the kernel chooses: `address` is that, as connect(2) takes it.
Fd listenAnywhere(std::string& address) {
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un any{};
  any.sun_family = AF_UNIX;
  check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&any), sizeof any.sun_family) == 0 &&
            ::listen(socket.get(), 64) == 0,
        "listen");
  socklen_t size = sizeof any;
  check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&any), &size) == 0, "getsockname");
  address.assign(reinterpret_cast<const char*>(&any), size);
  return socket;
}

void becomePodRoot() {
  if (::setgroups(0, nullptr) != 0 || ::setresgid(0, 0, 0) != 0 || ::setresuid(0, 0, 0) != 0) {
    ::_exit(125);
  }
}

std::string drain(const Fd& fd) {
  std::string text;
  if (!fd.valid()) return text;
  char buffer[4096];
  for (;;) {
    pollfd event{fd.get(), POLLIN, 0};
    if (::poll(&event, 1, 5000) <= 0) return text;
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

int codeOf(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::string stage1Path() {
  if (const char* path = std::getenv("AIRLOCK_STAGE1")) return path;
  return AIRLOCK_BINARY_DIR "/libexec/airlock/airlock-stage1-container";
}

std::optional<std::string> missingNeed() {
  if (::geteuid() != 0) return "needs root";
  if (::access("/bin/busybox", X_OK) != 0) return "needs busybox-static";
#ifdef AIRLOCK_SANITIZED
  // An instrumented stage1 is dynamic, and a pod has no loader for it.
  if (std::getenv("AIRLOCK_STAGE1") == nullptr) return "needs a static stage1";
#endif
  return std::nullopt;
}

std::uint64_t defaultCapabilities() {
  std::uint64_t mask = 0;
  for (const int number : {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FSETID, CAP_FOWNER, CAP_SETGID,
                           CAP_SETUID, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_KILL}) {
    mask |= std::uint64_t{1} << number;
  }
  return mask;
}

ipc::AppSpec shellApp(const std::string& name, const std::string& script) {
  ipc::AppSpec app{.name = need(AppName::parse(name))};
  app.imageName = "example.com/" + name;
  app.exec = {"/bin/sh", "-c", script};
  app.capabilities = defaultCapabilities();
  return app;
}

PodRequest shellPod(const std::string& script) {
  PodRequest request;
  request.spec.id = PodId::random();
  request.spec.apps.push_back(shellApp("app", script));
  request.roots.emplace_back();
  return request;
}

PodGroupOfTest::~PodGroupOfTest() { static_cast<void>(sandbox::removeCgroup(path)); }

std::optional<std::string> giveCgroups(PodRequest& request) {
  const auto hierarchy = sandbox::openCgroupHierarchy();
  if (!hierarchy) return "no cgroup v2 hierarchy is mounted";
  const auto place = sandbox::findCgroupPlace(*hierarchy, need(sandbox::cgroupOf(::getpid())), 0);
  if (!place) return place.error().text();
  const Component name = need(Component::parse("airlock-" + request.spec.id.text()));
  sandbox::PodGroups wanted{
      .name = name, .whole = {}, .apps = {}, .owner = kHostBase, .leader = std::nullopt};
  for (const ipc::AppSpec& app : request.spec.apps)
    wanted.apps.push_back({app.name, {app.memoryBytes, app.cpuMillis, app.cpuShares, app.pidsMax}});
  auto made = sandbox::makePodCgroup(*hierarchy, *place, wanted);
  const std::string path = sandbox::cgroupPath(place->path, name);
  if (!made) {
    static_cast<void>(sandbox::removeCgroup(path));
    return made.error().text();
  }
  request.spec.hasCgroups = true;
  request.cgroup = std::make_shared<PodGroupOfTest>(path, *std::move(made));
  return std::nullopt;
}

Stage1 startPod(PodRequest request) {
  Stage1 stage1;
  sys::SocketPair leash = need(sys::socketPair());
  sys::Pipe input = need(sys::pipe());
  sys::Pipe output = need(sys::pipe());
  sys::Pipe errors = need(sys::pipe());
  sys::Pipe go = need(sys::pipe());
  stage1.statusDir_ = newMount("0700");
  stage1.spec_ = need(ipc::encode(request.spec));
  Sealed spec = need(Sealed::make("pod", stage1.spec_));
  Fd lock = need(sys::openPath("/dev/null", O_RDONLY));
  const FdRef program = stage1Program();
  std::vector<Sealed> filters;
  for (const std::string& filter : request.filters)
    filters.push_back(need(Sealed::make("bpf", filter)));
  std::vector<int> descriptors{leash.second.get(),   stage1.statusDir_.get(), spec.fd().get(),
                               lock.get(),           input.readEnd.get(),     output.writeEnd.get(),
                               errors.writeEnd.get()};
  for (const ImageRoot& root : request.roots) descriptors.push_back(root.mount().get());
  for (const Fd& volume : request.volumes) descriptors.push_back(volume.get());
  for (const Sealed& filter : filters) descriptors.push_back(filter.fd().get());
  for (const Fd& other : request.others) descriptors.push_back(other.get());
  if (request.cgroup) {
    for (const Fd& group : request.cgroup->made.apps) descriptors.push_back(group.get());
  }

  Fd attachSocket;
  if (ipc::keepsStreams(request.spec)) {
    stage1.logDir_ = newMount("0750");
    attachSocket = listenAnywhere(stage1.attachAddress_);
    descriptors.push_back(stage1.logDir_.get());
    descriptors.push_back(attachSocket.get());
  }

  clone_args arguments{};
  arguments.flags = kPodNamespaces;
  if (request.cgroup) {
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<std::uint64_t>(request.cgroup->made.init.get());
  }
  if (request.spec.network == ipc::Network::Loopback) arguments.flags |= CLONE_NEWNET;
  arguments.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  check(pid >= 0, "clone3");
  if (pid == 0) {
    go.writeEnd.reset();
    char byte;
    if (::read(go.readEnd.get(), &byte, 1) != 1) ::_exit(124);
    becomePodRoot();
    std::vector<std::string> environment;
    for (const auto& [name, value] : request.hostEnvironment)
      environment.push_back(name + "=" + value);
    become(program.get(), descriptors, "run", environment);
  }
  stage1.pid_ = static_cast<pid_t>(pid);
  stage1.cgroup_ = request.cgroup;
  writeMap(stage1.pid_, "uid_map");
  writeMap(stage1.pid_, "gid_map");
  check(::write(go.writeEnd.get(), "", 1) == 1, "start the child");
  stage1.leash_ = std::move(leash.first);
  stage1.input_ = std::move(input.writeEnd);
  stage1.output_ = std::move(output.readEnd);
  stage1.errors_ = std::move(errors.readEnd);
  return stage1;
}

Stage1 runPod(PodRequest request) {
  Stage1 stage1 = startPod(std::move(request));
  stage1.finish();
  return stage1;
}

Stage1 Stage1::enter(const ipc::EnterSpec& wanted) const {
  Stage1 stage1;
  sys::SocketPair leash = need(sys::socketPair());
  sys::Pipe in = need(sys::pipe());
  sys::Pipe out = need(sys::pipe());
  sys::Pipe err = need(sys::pipe());
  Sealed spec = need(Sealed::make("pod", spec_));
  Sealed what = need(Sealed::make("enter", need(ipc::encode(wanted))));
  const FdRef program = stage1Program();
  Fd target = need(sys::pidfdOpen(pid_));
  const std::vector<int> descriptors{leash.second.get(), -1,
                                     spec.fd().get(),    what.fd().get(),
                                     in.readEnd.get(),   out.writeEnd.get(),
                                     err.writeEnd.get()};
  const pid_t pid = ::fork();
  check(pid >= 0, "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::setns(target.get(), static_cast<int>(kPodNamespaces | CLONE_NEWNET)) != 0) ::_exit(123);
    becomePodRoot();
    const pid_t inner = ::fork();  // a pid namespace is for children
    if (inner == 0) become(program.get(), descriptors, "enter", {});
    ::syscall(SYS_close_range, 3, ~0U, 0);
    int status = 0;
    ::waitpid(inner, &status, 0);
    ::_exit(codeOf(status));
  }
  stage1.pid_ = pid;
  stage1.spec_ = spec_;
  stage1.leash_ = std::move(leash.first);
  stage1.input_ = std::move(in.writeEnd);
  stage1.output_ = std::move(out.readEnd);
  stage1.errors_ = std::move(err.readEnd);
  return stage1;
}

Stage1::Stage1(Stage1&& other) noexcept
    : output(std::move(other.output)),
      errors(std::move(other.errors)),
      events(std::move(other.events)),
      code(other.code),
      terminal(std::move(other.terminal)),
      pid_(std::exchange(other.pid_, -1)),
      leash_(std::move(other.leash_)),
      input_(std::move(other.input_)),
      output_(std::move(other.output_)),
      errors_(std::move(other.errors_)),
      statusDir_(std::move(other.statusDir_)),
      logDir_(std::move(other.logDir_)),
      attachAddress_(std::move(other.attachAddress_)),
      spec_(std::move(other.spec_)),
      cgroup_(std::move(other.cgroup_)) {}

Stage1::~Stage1() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<ipc::LeashEvent> Stage1::next(int milliseconds) {
  pollfd event{leash_.get(), POLLIN, 0};
  if (!leash_.valid() || ::poll(&event, 1, milliseconds) <= 0) return std::nullopt;
  alignas(8) char bytes[limits::kMessageBytes];
  iovec part{bytes, sizeof bytes};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(leash_.get(), &message, MSG_CMSG_CLOEXEC);
  if (got <= 0) return std::nullopt;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    terminal = Fd::own(fd);
  }
  events.push_back(
      need(ipc::decodeLeashEvent(std::string_view(bytes, static_cast<std::size_t>(got)))));
  return events.back();
}

void Stage1::waitFor(ipc::LeashEvent::Kind kind) {
  while (const auto event = next()) {
    if (event->kind == kind) return;
    if (event->kind == ipc::LeashEvent::Kind::Failed) break;
  }
  throw std::runtime_error("the event did not come; " +
                           (events.empty() ? std::string("nothing did") : events.back().text));
}

void Stage1::finish() {
  while (next(30'000)) {
  }
  int status = 0;
  Fd pidfd = need(sys::pidfdOpen(pid_));
  if (!need(sys::pidfdWait(pidfd, 30'000))) throw std::runtime_error("stage1 does not end");
  check(::waitpid(pid_, &status, 0) == pid_, "waitpid");
  pid_ = -1;
  code = codeOf(status);
  output += drain(output_);
  errors += drain(errors_);
}

std::string Stage1::readLine() {
  std::string line;
  for (;;) {
    pollfd event{output_.get(), POLLIN, 0};
    if (::poll(&event, 1, 20'000) <= 0) throw std::runtime_error("no line came: " + line);
    char byte;
    if (::read(output_.get(), &byte, 1) != 1 || byte == '\n') return line;
    line += byte;
  }
}
void Stage1::write(const std::string& text) { need(sys::writeAll(input_, text)); }
void Stage1::command(const ipc::LeashCommand& what) {
  const std::string bytes = ipc::encode(what);
  check(::send(leash_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0, "send a command");
}
std::string Stage1::watcher() const {
  const std::string pid = std::to_string(pid_);
  std::string children = contentOf("/proc/" + pid + "/task/" + pid + "/children");
  return children.substr(0, children.find(' '));
}
std::string Stage1::status(const std::string& app) const {
  auto text = sys::readFile(statusDir_, need(Component::parse(app)), 64);
  return text ? *text : std::string();
}
std::string Stage1::log(const std::string& app) const {
  return sys::readFile(logDir_, need(Component::parse(app)), 64 * limits::MiB).value_or("");
}
Fd Stage1::attach(const ipc::AttachSpec& wanted) const {
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(attachAddress_.data()),
                  static_cast<socklen_t>(attachAddress_.size())) == 0,
        "connect");
  const std::string bytes = need(ipc::encode(wanted));
  check(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0, "attach");
  return socket;
}
const ipc::LeashEvent* Stage1::event(ipc::LeashEvent::Kind kind) const {
  for (const ipc::LeashEvent& each : events) {
    if (each.kind == kind) return &each;
  }
  return nullptr;
}

}  // namespace airlock::conformance
