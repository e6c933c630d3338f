// SPDX-License-Identifier: Apache-2.0
// What passes between a service manager and a pod, with the manager's real protocols: a datagram
// socket for notifications, descriptors from 3 on, a stream into a journal.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "base/syscall.h"
#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kProbe = "example.test/tools/probe:1.35";

// sd_listen_fds(3), the giving side: SPEC… -- PROGRAM…; a SPEC is tcp:PORT, udp:PORT, unix or file.
// With COUNT and PID in the environment it says those instead of the truth.
constexpr const char* kActivate = R"(
import os, socket, sys
end = sys.argv.index("--")
made = []
for spec in sys.argv[1:end]:
    kind, _, port = spec.partition(":")
    if kind == "file":
        made.append(os.open("/etc/hostname", os.O_RDONLY))
        continue
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    if kind != "unix":
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", int(port)))
    if kind == "tcp": one.listen(8)
    made.append(one.detach())
parked = [os.dup(fd) for fd in made]
high = [__import__("fcntl").fcntl(fd, 1030, 100) for fd in parked]
for i, fd in enumerate(high): os.dup2(fd, 3 + i)
os.closerange(3 + len(high), 256)
os.environ["LISTEN_FDS"] = os.environ.get("COUNT", str(len(high)))
os.environ["LISTEN_PID"] = os.environ.get("PID", str(os.getpid()))
os.environ["LISTEN_FDNAMES"] = ":".join("unit" for _ in high)
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
)";

class Service : public World {
 protected:
  void SetUp() override {
    World::SetUp();
    if (IsSkipped()) return;
    trust();
    const std::string file = engine_->scratch("probe.aci");
    makeImage(
        file,
        {.name = "example.test/tools/probe",
         .prepare = "cp " AIRLOCK_BINARY_DIR "/tests/stage1_probe rootfs/bin/probe",
         .manifest =
             R"({"acKind":"ImageManifest","acVersion":"0.8.11",)"
             R"("name":"example.test/tools/probe","labels":[)"
             R"({"name":"version","value":"1.35"},{"name":"os","value":"linux"},)"
             R"({"name":"arch","value":"amd64"}],"app":{"exec":["/bin/sh"],)"
             R"("user":"0","group":"0","ports":[)"
             R"({"name":"http","protocol":"tcp","port":8080,"socketActivated":true},)"
             R"({"name":"dns","protocol":"udp","port":8053,"count":2,"socketActivated":true},)"
             R"({"name":"plain","protocol":"tcp","port":9090}]},"annotations":[)"
             R"({"name":"appc.io/executor/supports-systemd-notify","value":"true"}]})"});
    site_->signer().sign(file);
    done(Who::Root, "fetch " + file);
    writeFile(engine_->scratch("activate.py"), kActivate);
  }
  void TearDown() override {
    if (background_ > 0) {
      ::kill(background_, SIGTERM);
      wait();
    }
    World::TearDown();
  }

  std::string command(const std::string& arguments) const {
    std::string text = AIRLOCK_BINARY_DIR "/bin/airlock";
    for (const std::string& path : engine_->pathArguments()) text += " " + path;
    return text + " " + arguments;
  }
  std::string activated(const std::string& sockets, const std::string& arguments) const {
    return "exec /usr/bin/python3 " + engine_->scratch("activate.py") + " " + sockets + " -- " +
           command(arguments);
  }
  ShellOptions options(Who who, std::vector<std::string> environment = {}) const {
    environment.push_back("HOME=" + engine_->scratch(who == Who::Root ? "root-home" : "home"));
    ShellOptions result;
    result.environment = std::move(environment);
    if (who == Who::Alice) result.identity = memberOfAirlock(4242);
    return result;
  }
  // In the background; its output goes to scratch("output").
  void start(const std::string& script, const ShellOptions& options) {
    background_ = ::fork();
    if (background_ != 0) return;
    // The shell itself must be what is signalled.
    std::vector<std::string> words = {"/bin/sh", "-c",
                                      script + " >" + engine_->scratch("output") + " 2>&1"};
    for (const std::string& each : options.environment) ::putenv(::strdup(each.c_str()));
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int wait() {
    const pid_t pid = std::exchange(background_, -1);
    return Child(pid, sys::pidfdOpen(pid).value()).wait().value().shellCode();
  }
  std::string output() const { return readFile(engine_->scratch("output")); }
  pid_t background_ = -1;
};

// A manager that listens for notifications.
class Manager {
 public:
  explicit Manager(const std::string& path) : path_(path) {
    socket_ = Fd::own(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    const timeval patience{20, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  std::string variable() const { return "NOTIFY_SOCKET=" + path_; }
  std::string next() {
    char bytes[4096];
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    return got < 0 ? "(nothing)" : std::string(bytes, static_cast<std::size_t>(got));
  }
  bool silent() {
    char byte;
    return ::recv(socket_.get(), &byte, 1, MSG_DONTWAIT) < 0;
  }

 private:
  std::string path_;
  Fd socket_;
};

TEST_F(Service, APodWithoutAnAppThatNotifiesIsReadyWhenItRuns) {
  done(Who::Root, std::string("fetch ") + kImage);
  Manager manager(engine_->scratch("notify"));
  start("exec " + command(std::string("run ") + kImage + " --exec=/bin/sleep -- 1000"),
        options(Who::Root, {manager.variable()}));
  EXPECT_EQ(manager.next(), "READY=1");
  ::kill(background_, SIGTERM);
  EXPECT_EQ(manager.next(), "STOPPING=1");
  EXPECT_EQ(wait(), 143);
  EXPECT_TRUE(manager.silent());
}

TEST_F(Service, AnAppSaysItselfWhenItIsReady) {
  Manager manager(engine_->scratch("notify"));
  start("exec " + command(std::string("run ") + kProbe +
                          " --exec=/bin/probe -- notify 'STATUS=serving|READY=1|MAINPID=1'"),
        options(Who::Root, {manager.variable(), "WATCHDOG_USEC=5"}));
  EXPECT_EQ(manager.next(), "STATUS=serving");
  EXPECT_EQ(manager.next(), "READY=1");
}

TEST_F(Service, APodThatFailsBeforeItIsReadyNeverIs) {
  Manager manager(engine_->scratch("notify"));
  const Outcome outcome = shell(command(std::string("run ") + kProbe + " -- -c 'exit 3'"),
                                options(Who::Root, {manager.variable()}));
  EXPECT_EQ(outcome.code, 3) << outcome.err;
  EXPECT_TRUE(manager.silent());
}

TEST_F(Service, H01_TheManagersVariablesReachNobodyElse) {
  Manager manager(engine_->scratch("notify"));
  const Outcome outcome =
      shell(command(std::string("run --inherit-env ") + kProbe + " --name=app -- -c env"),
            options(Who::Root, {manager.variable(), "LISTEN_FDS=1", "LISTEN_PID=1",
                                "LISTEN_FDNAMES=x", "JOURNAL_STREAM=1:1", "OTHER=stays"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("OTHER=stays"));
  EXPECT_THAT(outcome.out, HasSubstr("NOTIFY_SOCKET=/dev/notify"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("LISTEN_")));
  EXPECT_THAT(outcome.out, Not(HasSubstr("JOURNAL_STREAM")));
}

TEST_F(Service, ADeclaredSocketServesFromThePod) {
  start(activated("tcp:8080", std::string("run ") + kProbe + " --exec=/bin/probe -- serve"),
        options(Who::Root));
  ASSERT_TRUE(eventually([&] { return output().contains("http"); })) << output();
  EXPECT_THAT(output(), HasSubstr("mine 1 http"));
  Fd client = Fd::own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(8080);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  EXPECT_EQ(sys::readAll(client, 100).value(), "from the pod\n");
  EXPECT_EQ(wait(), 0);
}

TEST_F(Service, R13_NothingUndeclaredCrosses) {
  const Outcome outcome =
      shell(activated("unix file tcp:9090 udp:8054 tcp:8081 tcp:8080",
                      std::string("run ") + kProbe +
                          " -- -c 'echo $LISTEN_FDS $LISTEN_FDNAMES; exec /bin/probe fds'"),
            options(Who::Root));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "2 http:dns\nfd 0\nfd 1\nfd 2\nfd 3\nfd 4\n");
  for (const char* left : {"descriptor 3 (no IP socket)", "descriptor 4 (no IP socket)",
                           "descriptor 5 (tcp 9090)", "descriptor 7 (tcp 8081)"})
    EXPECT_THAT(outcome.err, HasSubstr(left));
}

TEST_F(Service, R13_ADeclaredPortWithoutASocketIsSaid) {
  const Outcome outcome =
      shell(command(std::string("run ") + kProbe + " -- -c true"), options(Who::Root));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err,
              HasSubstr("no socket was passed for the socket-activated port \"http\" (tcp 8080)"));
  EXPECT_THAT(outcome.err, Not(HasSubstr("plain")));
}

TEST_F(Service, R13_DescriptorsThatAreAnnouncedAndNotThereRefuseTheStart) {
  for (const char* count : {"COUNT=2", "COUNT=17", "COUNT=4000000000"}) {
    const Outcome outcome =
        shell(activated("tcp:8080", std::string("run ") + kProbe), options(Who::Root, {count}));
    EXPECT_EQ(outcome.code, 254) << count;
    EXPECT_THAT(outcome.err, HasSubstr("descriptor"));
  }
}

TEST_F(Service, R13_WhatIsMeantForAnotherProcessIsNotTaken) {
  const Outcome outcome =
      shell(activated("tcp:8080", std::string("run ") + kProbe + " -- -c 'exec /bin/probe fds'"),
            options(Who::Root, {"PID=1"}));
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "fd 0\nfd 1\nfd 2\n");
}

TEST_F(Service, R13_PolicyHasASayInSocketsOfTheHostsNetwork) {
  const std::string run =
      activated("tcp:8080", std::string("run ") + kProbe + " -- -c 'echo $LISTEN_FDS'");
  const Outcome denied = shell(run, options(Who::Alice));
  EXPECT_EQ(denied.code, 254);
  EXPECT_THAT(denied.err, HasSubstr("a socket of the host's network is not granted"));
  engine_->policy("20-site.policy", "allow group:airlock run sockets=activated\n");
  const Outcome allowed = shell(run, options(Who::Alice));
  EXPECT_EQ(allowed.code, 0) << allowed.err;
  EXPECT_EQ(allowed.out, "1\n");
}

// A journal of our own: what journald's socket takes.
TEST_F(Service, WithoutAJournalTheAppsShareTheStreams) {
  const Outcome outcome = shell(command(std::string("run ") + kProbe + " -- -c 'echo hello'"),
                                options(Who::Root, {"JOURNAL_STREAM=8:1"}));
  EXPECT_EQ(outcome.out, "hello\n");
  const Outcome missing =
      shell(command(std::string("run --journal=nowhere ") + kProbe), options(Who::Root));
  EXPECT_EQ(missing.code, 254);
  EXPECT_THAT(missing.err, HasSubstr("journal namespace nowhere"));
}

}  // namespace
}  // namespace airlock::test
