// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/syscall.h"
#include "unpriv-fetch/fetch_test.h"

namespace airlock::fetch {
namespace {

constexpr Identity kNobody{.uid = 65534, .gid = 65534, .groups = {}};
constexpr int kPatience = 120'000;  // milliseconds: no test is about being this slow

// The world of the tests: 127.0.0.1 and three addresses that only look like other networks.
constexpr char kHosts[] =
    "127.0.0.1 localhost example.com good.example\n"
    "203.0.113.5 public.example\n"
    "10.9.8.7 site.example\n"
    "169.254.169.254 link.example\n";

struct World {
  std::filesystem::path directory;
  std::optional<Child> server;
  std::string bundle;
  std::size_t seen = 0;  // lines of the log before the running test
};
World& world() {
  static World one;
  return one;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }

// "" when the process has a network and mounts of its own from now on.
std::string ownNetwork() {
  if (::geteuid() != 0) return "needs root";
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
    return "needs root with CAP_SYS_ADMIN for namespaces of its own";
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return "needs to make mounts private";
  if (!shell("ip link set lo up && ip addr add 203.0.113.5/32 dev lo && ip addr add 10.9.8.7/32 "
             "dev lo && "
             "ip addr add 169.254.169.254/32 dev lo")) {
    return "needs iproute2";
  }
  return "";
}

std::string startServer() {
  const std::string directory = world().directory;
  const std::string servers = AIRLOCK_SOURCE_DIR "/tests/servers/";
  if (!shell(servers + "make_test_ca.sh " + directory + " >" + directory + "/ca.log 2>&1"))
    return "needs openssl";
  const Result<Fd> python = sys::openPath("/usr/bin/python3", O_RDONLY);
  if (!python) return "needs /usr/bin/python3";
  Result<Child> server =
      spawn({.executable = *python,
             .arguments = {"python3", servers + "evil_httpd.py", directory, "--fixed"},
             .environment = {"PATH=/usr/bin:/bin"},
             .descriptors = {{FdRef(STDERR_FILENO), STDERR_FILENO}}});
  if (!server) return server.error().text();
  world().server.emplace(std::move(*server));
  for (int tries = 0; tries < 600; ++tries) {
    if (std::filesystem::exists(directory + "/ports")) {
      world().bundle = content(directory + "/ca.pem");
      return "";
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return "the test server did not start";
}

Fd memory(const std::string& before) {
  Fd file = Fd::own(::memfd_create("fetched", MFD_CLOEXEC));
  EXPECT_TRUE(sys::writeAll(file, before));
  return file;
}

std::string everything(FdRef file) {
  std::string bytes = sys::readAll(file, 64 << 20).value_or("unreadable");
  return bytes;
}

Result<Child> spawnProgram(const std::string& name, std::vector<std::string> arguments,
                           std::vector<std::pair<FdRef, int>> descriptors, bool asRoot) {
  const Fd program = TRY(sys::openPath(AIRLOCK_BINARY_DIR "/libexec/airlock/" + name, O_RDONLY));
  arguments.insert(arguments.begin(), name);
  Program start{.executable = program,
                .arguments = std::move(arguments),
                .environment = {"https_proxy=http://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1",
                                "SSL_CERT_FILE=/nonexistent", "HOME=/root"},
                .descriptors = std::move(descriptors)};
  if (!asRoot && ::geteuid() == 0) start.identity = kNobody;
  return spawn(start);
}

}  // namespace

std::string Fetch::skipReason_;

std::string imageBytes() {
  std::string bytes;
  for (std::uint32_t i = 0; i < 256 * 1024; ++i) {
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(i >> shift);
  }
  return bytes;
}

std::string at(const std::string& door, const std::string& path) {
  std::ifstream ports(world().directory / "ports");
  std::string name;
  std::string number;
  while (ports >> name >> number) {
    if (name == door) return "https://example.com:" + number + path;
  }
  return "";
}

void Fetch::SetUpTestSuite() {
  skipReason_ = ownNetwork();
  if (!skipReason_.empty()) return;
  std::string pattern = std::filesystem::temp_directory_path() / "airlock-fetch-test-XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  world().directory = pattern;
  std::ofstream(world().directory / "hosts") << kHosts;
  ::chmod((world().directory / "hosts").c_str(), 0644);
  ASSERT_EQ(::mount((world().directory / "hosts").c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr),
            0);
  std::ofstream(world().directory / "resolv.conf") << "nameserver 127.0.0.1\n";
  ::chmod((world().directory / "resolv.conf").c_str(), 0644);
  ASSERT_EQ(::mount((world().directory / "resolv.conf").c_str(), "/etc/resolv.conf", nullptr,
                    MS_BIND, nullptr),
            0);
  skipReason_ = startServer();
}

void Fetch::TearDownTestSuite() {
  world().server.reset();
  // The next suite of this program has files of its own.
  if (skipReason_.empty()) {
    ::umount2("/etc/hosts", MNT_DETACH);
    ::umount2("/etc/resolv.conf", MNT_DETACH);
  }
  if (!world().directory.empty()) std::filesystem::remove_all(world().directory);
}

void Fetch::SetUp() {
  if (!skipReason_.empty()) GTEST_SKIP() << skipReason_;
  std::ifstream log(world().directory / "requests");
  world().seen =
      static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(log), {}, '\n'));
}

ipc::FetchImageJob Fetch::imageJob(const std::string& url) {
  ipc::FetchImageJob job;
  job.options.mostBytes = 16 << 20;
  job.hasCaBundle = true;
  job.url = url;
  job.wantSignature = false;
  return job;
}

ipc::FetchImageJob Fetch::nameJob(const std::string& name, std::vector<Label> labels) {
  ipc::FetchImageJob job = imageJob("");
  job.name = name;
  job.labels = std::move(labels);
  job.labels.push_back({"os", "linux"});
  job.labels.push_back({"arch", "amd64"});
  job.wantSignature = true;
  return job;
}

ipc::FetchKeysJob Fetch::keysJob(const std::string& prefix) {
  return {.options = {}, .hasCaBundle = true, .prefix = prefix, .url = ""};
}

Running Fetch::start(const ipc::FetchJob& job, const std::string& before, bool asRoot, FdRef source,
                     std::vector<FdRef> others) {
  sys::SocketPair sockets = sys::socketPair().value();
  Result<Child> child = spawnProgram(
      "airlock-fetch", {},
      {{sockets.second.ref(), ipc::kChannelFd}, {FdRef(STDERR_FILENO), STDERR_FILENO}}, asRoot);
  EXPECT_TRUE(child) << child.error().text();
  Running running{.child = std::move(child.value()),
                  .channel = ipc::Channel(std::move(sockets.first)),
                  .output = memory(before),
                  .signature = memory("")};
  const Fd bundle = memory(world().bundle);
  std::vector<FdRef> fds{running.output};
  if (std::holds_alternative<ipc::FetchImageJob>(job)) fds.push_back(running.signature);
  if (source.valid()) fds.push_back(source);
  if (std::visit([](const auto& one) { return one.hasCaBundle; }, job)) fds.push_back(bundle);
  fds.insert(fds.end(), others.begin(), others.end());
  // A fetcher that refuses at once does not wait for its job.
  const Result<void> sent = running.channel.send(ipc::encode(job).value(), fds);
  EXPECT_TRUE(sent || asRoot);
  return running;
}

Outcome Fetch::finish(Running running) {
  Outcome outcome;
  for (;;) {
    Result<std::optional<ipc::Message>> message = running.channel.receive(kPatience);
    EXPECT_TRUE(message) << message.error().text();
    if (!message || !*message) break;
    Result<ipc::FetchEvent> event = ipc::decodeFetchEvent((*message)->bytes);
    EXPECT_TRUE(event) << event.error().text();
    if (!event) break;
    outcome.events.push_back(std::move(*event));
  }
  outcome.status = running.child.wait().value();
  EXPECT_FALSE(outcome.events.empty()) << "no answer, and " << outcome.status.text();
  if (!outcome.events.empty()) {
    outcome.last = std::move(outcome.events.back());
    outcome.events.pop_back();
  }
  outcome.output = everything(running.output);
  outcome.signature = everything(running.signature);
  return outcome;
}

std::vector<std::string> Fetch::requests() {
  std::vector<std::string> lines;
  std::ifstream log(world().directory / "requests");
  std::string line;
  for (std::size_t number = 0; std::getline(log, line); ++number) {
    if (number >= world().seen) lines.push_back(line);
  }
  return lines;
}

std::string Fetch::directory() { return world().directory; }

ExitStatus Fetch::probe(const std::string& attempt) {
  Result<Child> child =
      spawnProgram("fetch_probe", {attempt}, {{FdRef(STDERR_FILENO), STDERR_FILENO}}, false);
  EXPECT_TRUE(child) << child.error().text();
  return child->wait().value();
}

std::string Outcome::code() const {
  const auto* failed = std::get_if<ipc::Failure>(&last);
  return failed != nullptr ? failed->error.code() : "";
}

std::string Outcome::failure() const {
  const auto* failed = std::get_if<ipc::Failure>(&last);
  return failed != nullptr ? failed->error.text() : "";
}

std::vector<std::string> Outcome::notes() const {
  std::vector<std::string> texts;
  for (const ipc::FetchEvent& event : events) {
    if (const auto* note = std::get_if<ipc::FetchNote>(&event)) texts.push_back(note->text);
  }
  return texts;
}

std::vector<ipc::FetchProgress> Outcome::progress() const {
  std::vector<ipc::FetchProgress> all;
  for (const ipc::FetchEvent& event : events) {
    if (const auto* one = std::get_if<ipc::FetchProgress>(&event)) all.push_back(*one);
  }
  return all;
}

std::optional<ipc::FetchFound> Outcome::found() const {
  std::optional<ipc::FetchFound> latest;
  for (const ipc::FetchEvent& event : events) {
    if (const auto* one = std::get_if<ipc::FetchFound>(&event)) latest = *one;
  }
  return latest;
}

}  // namespace airlock::fetch
