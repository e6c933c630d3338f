// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e_fetch/fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "base/accounts.h"
#include "base/syscall.h"

namespace airlock::test {

namespace {

constexpr uid_t kUser = 4242;
constexpr const char* kProgram = AIRLOCK_BINARY_DIR "/bin/airlock";

struct World {
  Scratch directory;
  Signer signer;
  std::optional<Child> server;
};
std::unique_ptr<World>& world() {
  static std::unique_ptr<World> one;
  return one;
}
std::string& skipReason() {
  static std::string reason;
  return reason;
}

bool replaceFile(const std::string& path, const std::string& with, const std::string& content) {
  writeFile(with, content);
  return ::mount(with.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0;
}

// "" when this process has a network and mounts of its own from now on, in which example.test is
// this machine and no other name is anything.
std::string ownNetwork() {
  if (::geteuid() != 0) return "needs root (CAP_SYS_ADMIN)";
  const auto account = findUser(kFetchUser);
  if (!account || !*account) return "needs the user airlock-fetch";
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 ||
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return "needs namespaces of its own";
  if (shell("ip link set lo up").code != 0) return "needs iproute2";
  world() = std::make_unique<World>();
  const Scratch& files = world()->directory;
  const bool replaced =
      replaceFile("/etc/hosts", files / "hosts", "127.0.0.1 localhost example.test\n") &&
      replaceFile("/etc/resolv.conf", files / "resolv.conf",
                  "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  return replaced ? "" : "needs to mount over /etc/hosts";
}

std::string startServer() {
  const std::string directory = world()->directory.path();
  const std::string servers = AIRLOCK_SOURCE_DIR "/tests/servers/";
  if (shell(servers + "make_test_ca.sh " + directory).code != 0) return "needs openssl";
  const auto python = sys::openPath("/usr/bin/python3", O_RDONLY);
  if (!python) return "needs /usr/bin/python3";
  auto server = spawn({.executable = *python,
                       .arguments = {"python3", servers + "image_httpd.py", directory},
                       .environment = {"PATH=/usr/bin:/bin"},
                       .descriptors = {{FdRef(STDERR_FILENO), STDERR_FILENO}}});
  if (!server) return server.error().text();
  world()->server.emplace(*std::move(server));
  const bool ready = eventually([&] { return exists(directory + "/ready"); });
  return ready ? "" : "the test server did not start";
}

std::vector<std::string> environmentOf(const Caller& caller) {
  return {"HOME=" + caller.home, "SSL_CERT_FILE=" + (world()->directory / "ca.pem")};
}

}  // namespace

void Fetching::SetUpTestSuite() {
  skipReason() = ownNetwork();
  if (skipReason().empty()) skipReason() = startServer();
}

void Fetching::TearDownTestSuite() {
  // The next suite of this program has files of its own.
  if (skipReason().empty()) {
    ::umount2("/etc/hosts", MNT_DETACH);
    ::umount2("/etc/resolv.conf", MNT_DETACH);
  }
  world().reset();
}

void Fetching::SetUp() {
  if (!skipReason().empty()) GTEST_SKIP() << skipReason();
  must("rm -rf " + (world()->directory / "credentials") + " " + (world()->directory / "www") + " " +
       (world()->directory / "requests"));
  behave("whole");
  engine_ = std::make_unique<Engine>();
  engine_->trust(signer(), "example.test/tools");
  // Made by the first download; here it is to be the same before and after each.
  must("install -d -m 0700 " + engine_->data() + "/cache");
  const std::string user = std::to_string(kUser);
  must("install -d " + engine_->scratch("root") + "; install -d -o " + user + " -g " + user + " " +
       engine_->scratch("home"));
}

const Signer& Fetching::signer() { return world()->signer; }

std::string Fetching::published(const std::string& name) {
  return world()->directory / ("www/images/" + name + "-1.35-linux-amd64.aci");
}

void Fetching::publish(const std::string& name, const Signer* signer,
                       const std::string& manifestName) {
  const std::string path = published(name);
  must("mkdir -p $(dirname " + path + "); rm -f " + path + ".asc");
  makeImage(path, {.name = manifestName.empty() ? name : manifestName});
  if (signer != nullptr) signer->sign(path);
}

std::string Fetching::served(const std::string& path) {
  return world()->directory / ("www/" + path);
}

std::string Fetching::certificate() { return world()->directory / "ca.pem"; }

void Fetching::demand(const std::string& authorization) {
  writeFile(world()->directory / "credentials", authorization + "\n");
}

void Fetching::behave(const std::string& how) {
  // At once, for the server reads it at any time.
  writeFile(world()->directory / "behaviour.new", how + "\n");
  std::filesystem::rename(world()->directory / "behaviour.new", world()->directory / "behaviour");
}

std::vector<std::string> Fetching::requestsFor(const std::string& name) {
  std::vector<std::string> found;
  for (const std::string& line : lines(readFile(world()->directory / "requests"))) {
    if (line.starts_with("/images/" + name + "-1.35-linux-amd64.aci ")) found.push_back(line);
  }
  return found;
}

Caller Fetching::user(bool ownStore) const {
  Identity identity{kUser, kUser, {}};
  if (!ownStore) identity = memberOfAirlock(kUser);
  return {engine_->scratch("home"), identity, ownStore};
}

Caller Fetching::stranger() const {
  return {engine_->scratch("home"), Identity{kUser, kUser, {}}, false};
}

Outcome Fetching::airlock(const Caller& caller, const std::string& arguments,
                          const std::vector<std::string>& environment) const {
  std::string command = kProgram;
  for (const std::string& argument : engine_->pathArguments()) {
    if (!caller.ownStore || !argument.starts_with("--dir=")) command += " " + argument;
  }
  std::vector<std::string> all = environmentOf(caller);
  if (!environment.empty()) all = {all.front()};
  all.insert(all.end(), environment.begin(), environment.end());
  return shell(command + " " + arguments,
               {.environment = all, .identity = caller.identity, .input = ""});
}

Child Fetching::start(const Caller& caller, const std::vector<std::string>& arguments) const {
  const Fd program = sys::openPath(kProgram, O_RDONLY).value();
  const Fd output =
      sys::openPath(engine_->scratch("started"), O_WRONLY | O_CREAT | O_TRUNC, 0644).value();
  std::vector<std::string> words = {"airlock"};
  for (const std::string& argument : engine_->pathArguments()) words.push_back(argument);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return spawn({.executable = program,
                .arguments = words,
                .environment = environmentOf(caller),
                .descriptors = {{output, 1}, {output, 2}},
                .identity = caller.identity,
                .noNewPrivileges = false})
      .value();
}

std::vector<std::string> Fetching::files(const std::string& ending) const {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(engine_->data())) {
    if (entry.path().string().ends_with(ending)) found.push_back(entry.path());
  }
  return found;
}

std::string Fetching::errorLine(const Outcome& outcome) {
  std::vector<std::string> errors;
  for (const std::string& line : lines(outcome.err)) {
    const bool tells = line.starts_with("airlock: ") || line.starts_with("Downloading ");
    if (!tells) errors.push_back(line);
  }
  EXPECT_EQ(errors.size(), 1U) << outcome.err;
  return errors.empty() ? "" : errors.back();
}

void Fetching::expectRefused(const std::string& arguments,
                             const std::vector<std::string>& words) const {
  const HostState before = engine_->state();
  const Outcome outcome = airlock(root(), arguments);
  EXPECT_EQ(outcome.code, 254) << outcome.out << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const std::string line = errorLine(outcome);
  EXPECT_TRUE(line.starts_with("fetch: ")) << line;
  for (const std::string& word : words)
    EXPECT_NE(line.find(word), line.npos) << "no " << word << " in: " << line;
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}

}  // namespace airlock::test
