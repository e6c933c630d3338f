// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/world.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/syscall.h"

namespace airlock::test {

namespace {

void enterOwnNetwork(const std::string& hosts) {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) throw std::runtime_error("unshare");
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  const Fd socket = Fd::own(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", sizeof request.ifr_name - 1);
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) throw std::runtime_error("loopback");
  if (::mount(hosts.c_str(), "/etc/hosts", nullptr, MS_BIND, nullptr) != 0)
    throw std::runtime_error("/etc/hosts");
}

}  // namespace

Site::Site() {
  writeFile(scratch_ / "hosts", "127.0.0.1 localhost example.test\n");
  enterOwnNetwork(scratch_ / "hosts");
  must("cd " + scratch_.path() +
       "\n"
       "mkdir -p www/images/example.test/tools\n"
       "new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
       "openssl req -x509 $new -days 2 -subj '/CN=Test CA' -keyout ca.key -out ca.pem 2>/dev/null\n"
       "openssl req $new -subj /CN=example.test -keyout server.key -out server.csr 2>/dev/null\n"
       "printf 'subjectAltName=DNS:example.test\\n' > san\n"
       "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile "
       "san "
       "-out server.pem 2>/dev/null");
  writeFile(keyFile(), signer_.publicKey());
  for (const char* name : {"busybox", "tampered", "cut", "misnamed"}) {
    makeImage(fileOf(name), {.name = std::string("example.test/tools/") +
                                     (std::string(name) == "misnamed" ? "busybox" : name)});
    signer_.sign(fileOf(name));
  }
  makeImage(fileOf("unsigned"), {.name = "example.test/tools/unsigned"});
  makeImage(fileOf("foreign"), {.name = "example.test/tools/foreign"});
  Signer().sign(fileOf("foreign"));
  must("printf x >> " + fileOf("tampered") + "; truncate -s 100000 " + fileOf("cut"));

  const Fd python = sys::openPath("/usr/bin/python3", O_RDONLY).value();
  const std::string ready = scratch_ / "ready";
  server_ = spawn({.executable = python,
                   .arguments = {"python3", AIRLOCK_SOURCE_DIR "/tools/quickstart.d/serve.py",
                                 www(), scratch_ / "server.pem", scratch_ / "server.key", ready},
                   .environment = {"PATH=/usr/bin:/bin"},
                   .descriptors = {},
                   .identity = {},
                   .limits = {},
                   .noNewPrivileges = true,
                   .dieWithParent = true})
                .value();
  if (!eventually([&] { return exists(ready); }))
    throw std::runtime_error("the server does not start");
}

Site::~Site() = default;

std::string Site::fileOf(const std::string& name) const {
  return www() + "/images/example.test/tools/" + name + "-1.35-linux-amd64.aci";
}

void World::SetUpTestSuite() {
  if (::geteuid() == 0 && !site_) site_ = std::make_unique<Site>();
}

void World::SetUp() {
  AIRLOCK_NEEDS_ROOT();
  tpm_ = std::make_unique<SoftwareTpm>();
  engine_ = std::make_unique<Engine>();
  engine_->policy("60-measure.policy", tpm_->policyLine("require"));
  must("mkdir " + engine_->scratch("root-home") + " " + engine_->scratch("home") + " " +
       engine_->scratch("other") + "; chown 4242:4242 " + engine_->scratch("home") +
       "; chown 4243:4243 " + engine_->scratch("other"));
  engine_->listen();
}

void World::TearDown() { engine_.reset(); }

Outcome World::airlock(Who who, const std::string& arguments) {
  std::string command = AIRLOCK_BINARY_DIR "/bin/airlock";
  for (const std::string& path : engine_->pathArguments()) command += " " + path;
  ShellOptions options;
  const char* home = who == Who::Root ? "root-home" : who == Who::Alice ? "home" : "other";
  options.environment = {"HOME=" + engine_->scratch(home), "SSL_CERT_FILE=" + site_->certificate()};
  if (who == Who::Alice) options.identity = memberOfAirlock(4242);
  if (who == Who::Stranger) options.identity = Identity{4243, 4243, {}};
  return shell(command + " " + arguments, options);
}

std::string World::done(Who who, const std::string& arguments) {
  const Outcome outcome = airlock(who, arguments);
  EXPECT_EQ(outcome.code, 0) << "airlock " << arguments << "\n" << outcome.out << outcome.err;
  return outcome.out;
}

void World::refused(Who who, const std::string& arguments, const std::string& words) {
  SCOPED_TRACE("airlock " + arguments);
  const HostState before = engine_->state();
  const Outcome outcome = airlock(who, arguments);
  EXPECT_EQ(outcome.code, 254) << outcome.out << outcome.err;
  EXPECT_EQ(outcome.out, "");
  const std::vector<std::string> said = lines(outcome.err);
  ASSERT_FALSE(said.empty());
  EXPECT_NE(said.back().find(words), std::string::npos) << outcome.err;
  // What went before are steps under way; the refusal is one line, and the last.
  const bool group = arguments.starts_with("app ") || arguments.starts_with("attest ");
  const std::size_t second = group ? arguments.find(' ') + 1 : 0;
  // Of rkt's groups the last word alone.
  const std::size_t begin = arguments.starts_with("app ") ? second : 0;
  const std::string verb = arguments.substr(begin, arguments.find(' ', second) - begin) + ": ";
  const auto isRefusal = [&](const std::string& line) { return line.starts_with(verb); };
  EXPECT_TRUE(isRefusal(said.back())) << outcome.err;
  EXPECT_EQ(std::ranges::count_if(said, isRefusal), 1) << outcome.err;
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}

void World::trust() {
  done(Who::Root,
       "trust --prefix=example.test/tools --skip-fingerprint-review " + site_->keyFile());
}

void World::fetch(Who who) {
  trust();
  done(who, std::string("fetch ") + kImage);
}

}  // namespace airlock::test
