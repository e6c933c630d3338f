// SPDX-License-Identifier: Apache-2.0
// The processes as they run: users, rights, what they inherit and what they share with the host.
// docs/boundaries.md names these tests.
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>

#include "base/accounts.h"
#include "base/syscall.h"
#include "tests/support/engine.h"

namespace airlock::test {
namespace {

class Boundary : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    files_ = std::make_unique<Scratch>();
    signer_ = std::make_unique<Signer>();
    image_ = makeImage(*files_ / "good.aci");
    signer_->sign(image_);
  }
  static void TearDownTestSuite() {
    signer_.reset();
    files_.reset();
  }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root (CAP_SYS_ADMIN)";
    engine_ = std::make_unique<Engine>();
    engine_->trust(*signer_);
  }
  Reply import() { return engine_->import(image_, image_ + ".asc"); }
  void send(Connection& connection) {
    const Fd image = sys::openPath(image_, O_RDONLY).value();
    const Fd signature = sys::openPath(image_ + ".asc", O_RDONLY).value();
    const FdRef fds[] = {image, signature};
    connection.send(ipc::ImportRequest{.hasSignature = true}, fds);
  }

  static inline std::unique_ptr<Scratch> files_;
  static inline std::unique_ptr<Signer> signer_;
  static inline std::string image_;
  std::unique_ptr<Engine> engine_;
};

std::string statusLine(pid_t pid, const std::string& field) {
  for (const std::string& line : lines(readFile("/proc/" + std::to_string(pid) + "/status"))) {
    if (line.starts_with(field + ":\t")) return line.substr(field.size() + 2);
  }
  return "";
}

// The child of `parent` whose program has this name; 0 when it is not there within the usual time.
pid_t childOf(pid_t parent, const std::string& name) {
  pid_t found = 0;
  eventually([&] {
    const std::string path =
        "/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children";
    std::istringstream children(readFile(path));
    for (pid_t pid; children >> pid;) {
      const std::string own = readFile("/proc/" + std::to_string(pid) + "/cmdline");
      if (std::string(own.c_str()) == name.substr(0, name.find(' ')) &&
          (name.find(' ') == name.npos || std::string(own.c_str() + std::strlen(own.c_str()) + 1) ==
                                              name.substr(name.find(' ') + 1))) {
        found = pid;
      }
    }
    return found != 0;
  });
  return found;
}

std::string fourTimes(uid_t id) {
  const std::string one = std::to_string(id);
  return one + "\t" + one + "\t" + one + "\t" + one;
}

TEST_F(Boundary, RolesRunAsTheirUserWithNothingOfRoots) {
  const Account account = requireUser(kVerifyUser).value();
  for (const std::string role : {"authenticate", "inflate", "unpack", "check"}) {
    SCOPED_TRACE(role);
    engine_->replaceProgram("airlock-verify", AIRLOCK_BINARY_DIR "/tests/evil_role",
                            role + " silent");
    Connection connection = engine_->start();
    send(connection);
    const pid_t pid = childOf(connection.process().pid(), "airlock-verify " + role);
    ASSERT_NE(pid, 0);
    EXPECT_EQ(statusLine(pid, "Uid"), fourTimes(account.uid));
    EXPECT_EQ(statusLine(pid, "Gid"), fourTimes(account.gid));
    EXPECT_EQ(statusLine(pid, "Groups"), " ");
    EXPECT_EQ(statusLine(pid, "CapEff"), "0000000000000000");
    EXPECT_EQ(statusLine(pid, "CapPrm"), "0000000000000000");
    EXPECT_EQ(statusLine(pid, "NoNewPrivs"), "1");
    EXPECT_EQ(readFile("/proc/" + std::to_string(pid) + "/environ"), "");
    for (const char* space : {"net", "pid", "mnt", "ipc", "uts"}) {
      const std::string link = std::string("/ns/") + space;
      EXPECT_NE(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + link),
                std::filesystem::read_symlink("/proc/self" + link))
          << space;
    }
    ::kill(pid, SIGKILL);
    EXPECT_EQ(connection.receive().code(), "E_ROLE");
    static_cast<void>(connection.process().wait());
  }
}

TEST_F(Boundary, HelperVerifiesItsOwnCopyOfTheImage) {
  for (const std::string role : {"authenticate", "inflate"}) {
    engine_->replaceProgram("airlock-verify", AIRLOCK_BINARY_DIR "/tests/evil_role",
                            role + " silent");
    Connection connection = engine_->start();
    send(connection);
    const pid_t pid = childOf(connection.process().pid(), "airlock-verify " + role);
    ASSERT_NE(pid, 0);
    bool own = false;
    EXPECT_TRUE(eventually([&] {
      for (const auto& entry :
           std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
        std::error_code error;
        const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
        EXPECT_NE(target, image_) << "the caller's file itself";
        own = own || target.starts_with(engine_->data() + "/store/blob/");
      }
      return own;
    })) << role;
    ::kill(pid, SIGKILL);
    EXPECT_EQ(connection.receive().code(), "E_ROLE");
    static_cast<void>(connection.process().wait());
  }
}

TEST_F(Boundary, MeasurerRunsAsItsUser) {
  ASSERT_EQ(import().code(), "");
  engine_->replaceProgram("airlock-measure", AIRLOCK_BINARY_DIR "/tests/evil_stage1", "silent");
  const Account account = requireUser(kMeasureUser).value();
  Connection connection = engine_->start();
  connection.send(ipc::ReportRequest{});
  const pid_t pid = childOf(connection.process().pid(), "airlock-measure");
  ASSERT_NE(pid, 0);
  EXPECT_EQ(statusLine(pid, "Uid"), fourTimes(account.uid));
  EXPECT_EQ(statusLine(pid, "Groups"), " ");
  EXPECT_EQ(statusLine(pid, "CapEff"), "0000000000000000");
  EXPECT_EQ(statusLine(pid, "NoNewPrivs"), "1");
  ::kill(pid, SIGKILL);
  static_cast<void>(connection.process().wait());
}

TEST_F(Boundary, MeasureIsConfinedBeforeItDecodes) {
  auto pair = sys::socketPair().value();
  const std::string log = engine_->scratch("log");
  const std::string trace = engine_->scratch("trace");
  must("mkdir " + log);
  const Fd directory = sys::openPath(log, O_RDONLY | O_DIRECTORY).value();
  ipc::Channel channel(std::move(pair.first));
  const FdRef fds[] = {directory};
  channel.send("no message at all", fds).value();
  const Fd strace = sys::openPath("/usr/bin/strace", O_RDONLY).value();
  Child child =
      spawn({.executable = strace,
             .arguments = {"strace", "-f", "-o", trace, "-e", "trace=seccomp,prctl,sendmsg",
                           AIRLOCK_BINARY_DIR "/libexec/airlock/airlock-measure"},
             .environment = {},
             .descriptors = {{pair.second, 3}},
             .identity = {},
             .limits = {},
             .noNewPrivileges = false,
             .dieWithParent = true})
          .value();
  pair.second.reset();
  const auto reply = channel.receive(20'000);
  ASSERT_TRUE(reply && *reply) << readFile(trace);
  static_cast<void>(child.wait());
  const std::string calls = readFile(trace);
  const auto filter = calls.find("SECCOMP_SET_MODE_FILTER");
  const auto answer = calls.find("sendmsg(");
  EXPECT_NE(filter, calls.npos) << calls;
  EXPECT_LT(filter, answer) << "the refusal of the message comes after the filter\n" << calls;
}

TEST_F(Boundary, HelperStartsWithNothingInherited) {
  auto pair = sys::socketPair().value();
  const std::string helper = engine_->program("airlock-helper");
  const std::vector<std::string> paths = engine_->pathArguments();
  const pid_t pid = ::fork();
  if (pid == 0) {
    // H03, H05, H06, H07, H09: what a careless or hostile starter leaves behind.
    ::umask(0);
    static_cast<void>(!::chdir("/tmp"));
    const rlimit core{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_CORE, &core);
    ::dup2(pair.second.get(), 3);
    const char* argv[] = {"airlock-helper", "--connection=3", paths[0].c_str(),
                          paths[1].c_str(), paths[2].c_str(), nullptr};
    const char* envp[] = {"LD_PRELOAD=/tmp/evil.so", "TMPDIR=/tmp/evil", "GCONV_PATH=/tmp",
                          nullptr};
    ::execve(helper.c_str(), const_cast<char**>(argv), const_cast<char**>(envp));
    ::_exit(127);
  }
  pair.second.reset();
  Connection connection(ipc::Channel(std::move(pair.first)),
                        Child(pid, sys::pidfdOpen(pid).value()));
  EXPECT_TRUE(eventually([&] { return statusLine(pid, "Umask") == "0077"; }));
  EXPECT_TRUE(eventually([&] {
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd") == "/";
  }));
  EXPECT_TRUE(eventually([&] {
    const std::string limits = readFile("/proc/" + std::to_string(pid) + "/limits");
    return limits.find("Max core file size        0                    0") != limits.npos;
  }));
  EXPECT_EQ(connection.ask(ipc::ReportRequest{}).code(), "");
  static_cast<void>(connection.process().wait());
}

TEST_F(Boundary, HelperDeniesWhatNoPolicyLineAllows) {
  ASSERT_EQ(import().code(), "");
  engine_->policy("50-airlock.policy", "");
  const ImageId image = engine_->images().at(0).image;
  const Streams streams = makeStreams();
  EXPECT_EQ(import().code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(runRequest(image, {"/bin/true"}), streams.refs()).code(), "E_DENIED");
  const PodId pod = PodId::random();
  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod}).code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod}).code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(ipc::CollectGarbageRequest{}).code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{.image = image}).code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(ipc::VerifyImageRequest{.image = image}).code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(ipc::OpenImageRequest{.image = image}).code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(ipc::CollectImagesRequest{.graceSeconds = 0}).code(), "E_DENIED");
  EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "E_DENIED");
  ipc::EnterRequest enter{.pod = pod,
                          .enter = {.app = AppName::parse("app").value(), .exec = {"/bin/sh"}}};
  EXPECT_EQ(engine_->ask(enter, streams.refs()).code(), "E_DENIED");
}

TEST_F(Boundary, HelperRefusesAPolicyThatOthersCanWrite) {
  for (const std::string& path :
       {engine_->config() + "/policy.d", engine_->config() + "/policy.d/50-airlock.policy"}) {
    struct stat info;
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    ::chmod(path.c_str(), (info.st_mode & 07777) | 020);
    EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "E_POLICY") << path << " for its group";
    ::chmod(path.c_str(), info.st_mode & 07777);
    ASSERT_EQ(::chown(path.c_str(), 4242, 0), 0);
    EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "E_POLICY") << path << " of somebody else";
    ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  }
  EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "");
}

TEST_F(Boundary, HelperMountsNothingTheHostCanSee) {
  ASSERT_EQ(import().code(), "");
  const auto ours = [&] {
    std::string found;
    for (const std::string& line : lines(readFile("/proc/self/mountinfo"))) {
      if (line.find(engine_->data()) != line.npos) found += line + "\n";
    }
    return found;
  };
  EXPECT_EQ(ours(), "");
  const Streams streams = makeStreams();
  Reply reply = engine_->ask(runRequest(engine_->images().at(0).image, {"/bin/sleep", "1000"}),
                             streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  ASSERT_TRUE(becomesReady(pod));
  EXPECT_EQ(ours(), "");
  EXPECT_EQ(must("ls -A " + engine_->data() + "/store/mnt"), "");
  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id, .force = true}).code(), "");
}

TEST_F(Boundary, HelperServesOneRequestAndEnds) {
  Connection connection = engine_->start();
  connection.send(ipc::ReportRequest{});
  connection.send(ipc::ReportRequest{});
  EXPECT_EQ(connection.answers(), 1);
  EXPECT_TRUE(connection.process().wait().value().clean());
}

TEST_F(Boundary, PodsHaveTheirRangeOfUsersAndNoCapabilityOnTheHost) {
  ASSERT_EQ(import().code(), "");
  const Streams streams = makeStreams();
  Reply reply = engine_->ask(runRequest(engine_->images().at(0).image, {"/bin/sleep", "1000"}),
                             streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  ASSERT_TRUE(becomesReady(pod));
  const std::string dir = engine_->data() + "/pods/run/" + pod.id.text();
  const pid_t first = std::atoi(readFile(dir + "/pid").c_str());
  const pid_t app = childOf(first, "/bin/sleep");
  ASSERT_NE(app, 0);
  for (const pid_t pid : {first, app}) {
    EXPECT_GE(std::atol(statusLine(pid, "Uid").c_str()), 65'536);
    EXPECT_NE(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/user"),
              std::filesystem::read_symlink("/proc/self/ns/user"));
  }
  EXPECT_EQ(statusLine(app, "CapBnd"), "00000000000005fb");
  EXPECT_EQ(statusLine(app, "Seccomp"), "2");
  EXPECT_EQ(statusLine(app, "NoNewPrivs"), "1");
  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id, .force = true}).code(), "");
}

// --- the CLI
// ------------------------------------------------------------------------------------------------------

// A helper socket in a runtime directory of the engine, served by this process or a child of it.
Fd serve(const Engine& engine) {
  must("mkdir -p " + engine.data() + "/run");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, engine.socket().c_str(), sizeof address.sun_path - 1);
  Fd socket = Fd::own(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ::chmod(engine.socket().c_str(), 0666);
  return socket;
}

std::string command(const Engine& engine, const std::string& arguments) {
  std::string text = AIRLOCK_BINARY_DIR "/bin/airlock";
  for (const std::string& path : engine.pathArguments()) text += " " + path;
  return text + " " + arguments;
}

TEST_F(Boundary, CliRefusesAHelperSocketThatRootDoesNotServe) {
  const Fd socket = serve(*engine_);
  const pid_t pid = ::fork();
  if (pid == 0) {
    // Who listens is who a caller sees.
    if (::setgroups(0, nullptr) != 0 || ::setgid(4299) != 0 || ::setuid(4299) != 0) ::_exit(1);
    ::listen(socket.get(), 8);
    ::pause();
    ::_exit(0);
  }
  Child impostor(pid, sys::pidfdOpen(pid).value());
  EXPECT_TRUE(eventually([&] { return statusLine(pid, "Uid") == fourTimes(4299); }));
  shortPause();
  const Outcome outcome = shell(command(*engine_, "gc"), {.identity = memberOfAirlock()});
  EXPECT_EQ(outcome.code, 254) << outcome.out << outcome.err;
  EXPECT_NE(outcome.err.find("not served by root"), std::string::npos) << outcome.err;
}

TEST_F(Boundary, CliIsNotDumpable) {
  const Fd socket = serve(*engine_);
  ASSERT_EQ(::listen(socket.get(), 8), 0);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::getppid() != parent || ::setgroups(0, nullptr) != 0 || ::setgid(4242) != 0 ||
        ::setuid(4242) != 0)
      ::_exit(1);
    const std::vector<std::string> paths = engine_->pathArguments();
    const char* argv[] = {"airlock", paths[0].c_str(), paths[1].c_str(), paths[2].c_str(),
                          "gc",      nullptr};
    const char* envp[] = {nullptr};
    ::execve(AIRLOCK_BINARY_DIR "/bin/airlock", const_cast<char**>(argv), const_cast<char**>(envp));
    ::_exit(127);
  }
  Child cli(pid, sys::pidfdOpen(pid).value());
  // It has connected and waits for an answer that does not come.
  const Fd connection = Fd::own(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(connection.valid());
  EXPECT_EQ(statusLine(pid, "Uid"), fourTimes(4242));
  struct stat info;
  ASSERT_EQ(::stat(("/proc/" + std::to_string(pid) + "/environ").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0U)
      << "proc(5): of a process that is not dumpable, these files are root's";
}

}  // namespace
}  // namespace airlock::test
