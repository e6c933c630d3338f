// SPDX-License-Identifier: Apache-2.0
// In the place of airlock-verify: one role misbehaves, as the file "<this program>.mode" says
// ("ROLE MODE"); the others are the real ones.  For tests/attack alone.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/syscall.h"
#include "ipc/channel.h"
#include "ipc/verify_messages.h"

namespace {

using namespace airlock;  // NOLINT: a program's main file

ipc::VerifyReply lie(const std::string& mode, const ipc::VerifyReply& honest) {
  ipc::VerifyReply told = honest;
  if (mode == "lie-name")
    std::get<ipc::Unpacked>(told).name = ImageName::parse("example.test/secret/other").value();
  if (mode == "lie-labels") std::get<ipc::Unpacked>(told).labels = {{"version", "9.9"}};
  if (mode == "accept-nothing") told = ipc::Authenticated{.accepted = true, .signatures = {}};
  if (mode == "accept-unknown") {
    ipc::Authenticated all{.accepted = true, .signatures = {}};
    all.signatures.push_back(
        {.code = "good", .fingerprint = std::string(40, 'a'), .userId = "Nobody"});
    told = all;
  }
  if (mode == "accept-junk") {
    ipc::Authenticated all{.accepted = true, .signatures = {}};
    all.signatures.push_back(
        {.code = "good", .fingerprint = "../../etc/shadow", .userId = "\x1b[2J\n"});
    told = all;
  }
  if (mode == "invented-code") {
    std::get<ipc::Authenticated>(told).signatures.at(0).code = "E_SOMETHING\nNEW";
  }
  return told;
}

// Runs the real role on the job and returns what it says; the descriptors stay open here as well.
ipc::VerifyReply honestAnswer(const std::string& real, char** argv, const std::string& job,
                              std::span<const FdRef> fds) {
  auto pair = sys::socketPair().value();
  if (::fork() == 0) {
    ::dup2(pair.second.get(), ipc::kChannelFd);
    ::fcntl(ipc::kChannelFd, F_SETFD, 0);
    ::execv(real.c_str(), argv);
    ::_exit(127);
  }
  pair.second.reset();
  ipc::Channel role(std::move(pair.first));
  role.send(job, fds).value();
  return ipc::decodeVerifyReply(role.receive(60'000).value()->bytes).value();
}

void misbehave(const std::string& mode, const std::string& real, char** argv) {
  ipc::Channel up(Fd::own(ipc::kChannelFd));
  auto message = up.receive(10'000).value().value();
  if (mode == "die")
    __builtin_trap();  // a signal that the first process of a namespace sends itself is ignored
  if (mode == "exit") ::_exit(0);
  if (mode == "silent") {
    for (;;) ::pause();
  }
  if (mode == "four-bytes") {
    static_cast<void>(up.send("\xff\xff\xff\xff"));
    return;
  }
  if (mode == "garbage") {
    static_cast<void>(up.send(std::string(60'000, '\x5a')));
    return;
  }
  if (mode == "wrong-answer") {
    static_cast<void>(up.send(
        ipc::encode(ipc::VerifyReply(ipc::KeyFacts{
                        .fingerprint = KeyFingerprint::parse(std::string(40, 'b')).value()}))
            .value()));
    return;
  }
  if (mode == "descriptors") {
    const FdRef fds[] = {FdRef(0), FdRef(1)};
    static_cast<void>(up.send(ipc::encode(ipc::VerifyReply(ipc::Checked{})).value(), fds));
    return;
  }
  std::vector<Fd> own;
  for (std::size_t i = 0; i < message.fds.size(); ++i) own.push_back(message.fds.take(i).value());
  const std::vector<FdRef> fds(own.begin(), own.end());
  const ipc::VerifyReply honest = honestAnswer(real, argv, message.bytes, fds);
  if (mode == "late-write" && ::fork() == 0) {
    // Keeps changing the tree for as long as it lives.
    for (;;) static_cast<void>(::pwrite(own.at(1).get(), "evil", 4, 20'000));
  }
  static_cast<void>(up.send(ipc::encode(lie(mode, honest)).value()));
  if (mode == "late-write") {
    for (;;) ::pause();
  }
}

}  // namespace

int main(int argc, char** argv) {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0 || argc < 2) return 1;
  const std::string self(path, static_cast<std::size_t>(length));
  std::ifstream file(self + ".mode");
  std::string role;
  std::string mode;
  file >> role >> mode;
  if (role != argv[1]) {
    ::execv((self + ".real").c_str(), argv);
    return 127;
  }
  misbehave(mode, self + ".real", argv);
  return 0;
}
