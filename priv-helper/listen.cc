// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/accounts.h"
#include "base/local_socket.h"
#include "base/log.h"
#include "base/process.h"
#include "base/syscall.h"
#include "priv-helper/server.h"

namespace airlock::helper {

namespace {

constexpr std::size_t kMostPerUser = 8;  // I04: connections served at once for one uid
constexpr std::size_t kMostServed = 64;

struct Served {
  pid_t pid;
  uid_t uid;
};

Result<Fd> bindSocket(const Configuration& configuration) {
  const std::string directory = configuration.runtimeDirectory();
  for (const std::string& made : {configuration.dataDirectory, directory}) {
    if (::mkdir(made.c_str(), 0755) != 0 && errno != EEXIST) return failErrno("make " + made);
    // Users find the socket and the catalog below it, whatever the umask was.
    if (::chmod(made.c_str(), 0755) != 0) return failErrno("chmod " + made);
  }
  const std::string path = directory + "/" + store::kHelperSocketName;
  const sockaddr_un address = TRY(sys::localAddress(path));
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return failErrno("socket");
  ::unlink(path.c_str());  // of a listener before us; the directory is root's
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failErrno("bind " + path);
  }
  // Everyone may connect: who may do what is policy's to say, by the kernel's word on the peer.
  if (::chmod(path.c_str(), 0666) != 0) return failErrno("chmod " + path);
  if (::listen(socket.get(), 64) != 0) return failErrno("listen");
  return socket;
}

// A fresh program for each connection: a new address space, nothing left over from a caller before.
Result<pid_t> startServing(FdRef self, const std::vector<std::string>& arguments,
                           FdRef connection) {
  std::vector<std::string> argv = {"airlock-helper", "--connection=3"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  Child child = TRY(
      spawn({.executable = self,
             .arguments = std::move(argv),
             .environment = {},
             .descriptors = {{connection, ipc::kChannelFd}, {FdRef(STDERR_FILENO), STDERR_FILENO}},
             .limits = {},
             .noNewPrivileges = false,  // pods would inherit it before they choose it themselves
             .dieWithParent = false}));
  const pid_t pid = child.pid();
  child.disown();
  return pid;
}

}  // namespace

Result<void> listenForever(const Configuration& configuration,
                           const std::vector<std::string>& arguments) {
  const Fd socket = TRY(bindSocket(configuration));
  const Fd self = TRY(sys::openPath("/proc/self/exe", O_RDONLY));
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&signals, number);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const Fd events = Fd::own(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!events.valid()) return failErrno("signalfd");
  log(LogLevel::Info, "helper",
      "listening on " + configuration.runtimeDirectory() + "/" + store::kHelperSocketName);

  std::vector<Served> served;
  for (;;) {
    pollfd polled[] = {
        {socket.get(), static_cast<short>(served.size() < kMostServed ? POLLIN : 0), 0},
        {events.get(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) return failErrno("poll");
    signalfd_siginfo info;
    while (::read(events.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      if (info.ssi_signo != SIGCHLD) {
        ::unlink((configuration.runtimeDirectory() + "/" + store::kHelperSocketName).c_str());
        return {};  // pods live on: they are not ours to end
      }
    }
    for (pid_t pid; (pid = ::waitpid(-1, nullptr, WNOHANG)) > 0;) {
      std::erase_if(served, [pid](const Served& one) { return one.pid == pid; });
    }
    if ((polled[0].revents & POLLIN) == 0) continue;
    const Fd connection = Fd::own(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.valid()) continue;
    const auto peer = ipc::identifyPeer(connection);
    if (!peer || std::ranges::count(served, peer->uid, &Served::uid) >=
                     static_cast<std::ptrdiff_t>(kMostPerUser)) {
      continue;  // closed: this user has enough under way
    }
    if (auto pid = startServing(self, arguments, connection)) {
      served.push_back({*pid, peer->uid});
    } else {
      log(LogLevel::Error, "helper", pid.error().text());
    }
  }
}

}  // namespace airlock::helper
