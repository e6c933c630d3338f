// SPDX-License-Identifier: Apache-2.0
// Hierarchies with passwords: airlock-measure against a real swtpm, and what goes over the bus
// between the two.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <thread>

#include "base/digest.h"
#include "base/syscall.h"
#include "tpm/test_tpm.h"

namespace airlock::tpm {
namespace {

using test::attestJob;
using test::factOf;
using test::fileOf;
using test::runAttest;
using test::shell;
using test::Swtpm;
using test::TemporaryDirectory;
using testing::HasSubstr;
using testing::Not;

const std::string kOwner = "the owner's own word";
const std::string kEndorsement = "another one, of the endorsement";

// All that goes to a TPM and comes back; `edit` may change what comes back.
class Bus {
 public:
  using Edit = std::function<void(const std::string& command, std::string& response)>;
  explicit Bus(const Swtpm& tpm, Edit edit = {})
      : tpm_(tpm.connect()), edit_(std::move(edit)), thread_([this] { relay(); }) {}
  // For airlock-measure, which closes it.
  Fd device() { return std::move(pair_[0]); }
  // After the job.
  std::vector<std::string> commands() {
    if (thread_.joinable()) thread_.join();
    return commands_;
  }
  std::size_t count(std::uint32_t code) {
    return static_cast<std::size_t>(std::ranges::count(commands(), code, [](const auto& command) {
      return static_cast<std::uint32_t>(static_cast<unsigned char>(command[8])) << 8 |
             static_cast<unsigned char>(command[9]);
    }));
  }

 private:
  static std::array<Fd, 2> makePair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {Fd::own(ends[0]), Fd::own(ends[1])};
  }
  // One command or response: its header says how long it is.  Empty at the end.
  static std::string whole(FdRef from) {
    std::string bytes;
    std::size_t wanted = 10;
    while (bytes.size() < wanted) {
      std::array<std::uint8_t, 4096> buffer;
      const auto got =
          sys::read(from, std::span(buffer).first(std::min(wanted - bytes.size(), buffer.size())));
      if (!got || *got == 0) return {};
      bytes.append(reinterpret_cast<const char*>(buffer.data()), *got);
      if (bytes.size() == 10) {
        wanted = static_cast<std::size_t>(static_cast<unsigned char>(bytes[4])) << 8 |
                 static_cast<unsigned char>(bytes[5]);
      }
    }
    return bytes;
  }
  // swtpm serves one connection at a time: ours ends with the job's.
  void relay() {
    while (passOne()) continue;
    tpm_.reset();
  }
  bool passOne() {
    const std::string command = whole(pair_[1]);
    if (command.empty()) return false;
    commands_.push_back(command);
    if (!sys::writeAll(tpm_, command)) return false;
    std::string response = whole(tpm_);
    if (edit_) edit_(command, response);
    return sys::writeAll(pair_[1], response).has_value();
  }

  std::array<Fd, 2> pair_ = makePair();
  Fd tpm_;
  Edit edit_;
  std::vector<std::string> commands_;
  std::jthread thread_;
};

class HierarchyPasswords : public testing::Test {
 protected:
  void SetUp() override {
    EXPECT_EQ(tpm_.tools("tpm2_changeauth -c owner \"" + kOwner + "\""), "");
    EXPECT_EQ(tpm_.tools("tpm2_changeauth -c endorsement \"" + kEndorsement + "\""), "");
  }
  Result<ipc::Attested> run(decltype(ipc::AttestRequest::what) what, bool owner, bool endorsement,
                            std::optional<Fd> device = {}) {
    return runAttest(
        attestJob(std::move(what)), log_.fd(), &tpm_,
        {.fault = {},
         .device = std::move(device),
         .ownerPassword = owner ? std::optional(kOwner) : std::nullopt,
         .endorsementPassword = endorsement ? std::optional(kEndorsement) : std::nullopt});
  }
  void expectRefusal(const Result<ipc::Attested>& refused, const std::string& code,
                     const std::string& text) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), code) << refused.error().text();
    EXPECT_THAT(refused.error().message(), HasSubstr(text));
  }
  // Nothing of ours is left in it.
  void expectEmpty() {
    EXPECT_EQ(tpm_.tools("tpm2_getcap handles-transient"), "");
    EXPECT_EQ(tpm_.tools("tpm2_getcap handles-loaded-session"), "");
  }

  const Swtpm tpm_;
  const TemporaryDirectory log_;
  const TemporaryDirectory files_;
};

TEST_F(HierarchyPasswords, WhatIsMissingIsToldByNameBeforeAnythingIsMade) {
  Bus bus(tpm_);
  const auto refused = run(ipc::InitKeyRequest{}, false, false, bus.device());
  expectRefusal(refused, "E_TPM_AUTH", "owner and endorsement hierarchies have passwords");
  EXPECT_THAT(refused.error().hint(), HasSubstr("--owner-auth-file=FILE"));
  EXPECT_THAT(refused.error().hint(), HasSubstr("--endorsement-auth-file=FILE"));
  EXPECT_EQ(bus.count(0x131), 0U);  // CreatePrimary
  const auto half = run(ipc::InitKeyRequest{}, true, false);
  expectRefusal(half, "E_TPM_AUTH", "the TPM's endorsement hierarchy has a password");
  EXPECT_THAT(half.error().hint(), Not(HasSubstr("--owner-auth-file")));
}

TEST_F(HierarchyPasswords, AKeyIsMadeEnrolledChallengedQuotedReplacedAndRevoked) {
  const auto made = run(ipc::InitKeyRequest{}, true, true);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(factOf(*made, "done"), "made");
  EXPECT_THAT(tpm_.tools("tpm2_readpublic -c 0x81018000"), HasSubstr(factOf(*made, "name")));

  expectRefusal(run(ipc::EnrollRequest{}, false, false), "E_TPM_AUTH", "endorsement hierarchy");
  const auto enrolled = run(ipc::EnrollRequest{}, false, true);
  ASSERT_TRUE(enrolled) << enrolled.error().text();
  for (const char* name : {"ek.pub", "ak.name"}) files_.write(name, fileOf(*enrolled, name));
  files_.write("sent", "thirty-two bytes of a secret....");
  const std::string at = files_.path() + "/";
  const std::string name = files_.read("ak.name");
  shell("tpm2_makecredential -T none -u " + at + "ek.pub -s " + at + "sent -n " +
        toHex(Bytes(name.begin(), name.end())) + " -o " + at + "challenge 2>&1");
  const ipc::ActivateRequest challenge{files_.read("challenge")};
  expectRefusal(run(challenge, false, false), "E_TPM_AUTH", "endorsement hierarchy");
  const auto activated = run(challenge, false, true);
  ASSERT_TRUE(activated) << activated.error().text();
  EXPECT_EQ(fileOf(*activated, "secret"), files_.read("sent"));

  // A quote is for users, who know no password.
  const auto quoted =
      run(ipc::QuoteRequest{.nonce = std::string(20, 'n'), .selection = {}}, false, false);
  ASSERT_TRUE(quoted) << quoted.error().text();

  const auto replaced = run(ipc::InitKeyRequest{.rotate = true}, true, true);
  ASSERT_TRUE(replaced) << replaced.error().text();
  EXPECT_EQ(factOf(*replaced, "revoked"), factOf(*made, "name"));
  expectRefusal(run(ipc::RevokeKeyRequest{}, false, false), "E_TPM_AUTH", "owner hierarchy");
  const auto revoked = run(ipc::RevokeKeyRequest{}, true, false);
  ASSERT_TRUE(revoked) << revoked.error().text();
  EXPECT_EQ(factOf(*revoked, "revoked"), factOf(*replaced, "name"));
  expectEmpty();
}

TEST_F(HierarchyPasswords, NoPasswordGoesOverTheBus) {
  std::string all;
  const auto listen = [&](decltype(ipc::AttestRequest::what) what) {
    Bus bus(tpm_);
    const auto done = run(std::move(what), true, true, bus.device());
    EXPECT_TRUE(done) << done.error().text();
    for (const std::string& command : bus.commands()) all += command;
  };
  listen(ipc::InitKeyRequest{});
  listen(ipc::EnrollRequest{});
  listen(ipc::InitKeyRequest{.rotate = true});
  listen(ipc::RevokeKeyRequest{});
  EXPECT_GT(all.size(), 1000U);
  EXPECT_EQ(all.find(kOwner), all.npos);
  EXPECT_EQ(all.find(kEndorsement), all.npos);
  expectEmpty();
}

TEST_F(HierarchyPasswords, AWrongOneIsTriedOnceAndToldInOneLine) {
  for (const bool owner : {false, true}) {
    Bus bus(tpm_);
    test::RunOptions options{.fault = {}, .device = bus.device()};
    options.ownerPassword = owner ? "a guess" : kOwner;
    options.endorsementPassword = owner ? kEndorsement : "a guess";
    const auto refused =
        runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm_, std::move(options));
    expectRefusal(refused, "E_TPM_PASSWORD",
                  std::string("given for the TPM's ") + (owner ? "owner" : "endorsement") +
                      " hierarchy is not its password");
    EXPECT_THAT(refused.error().message(), Not(HasSubstr("guess")));
    EXPECT_THAT(refused.error().text(), Not(HasSubstr("\n")));
    EXPECT_EQ(bus.count(0x131), 1U);               // CreatePrimary
    EXPECT_EQ(bus.count(0x120), owner ? 1U : 0U);  // EvictControl
  }
  EXPECT_EQ(tpm_.tools("tpm2_getcap handles-persistent"), "");
  EXPECT_THAT(tpm_.tools("tpm2_getcap properties-variable"),
              HasSubstr("TPM2_PT_LOCKOUT_COUNTER: 0x0"));
  expectEmpty();
}

TEST_F(HierarchyPasswords, AnAnswerThatSomebodyChangedOnTheBusIsFound) {
  Bus bus(tpm_, [](const std::string& command, std::string& response) {
    // EvictControl: in the HMAC.
    if (command[8] == '\x01' && command[9] == '\x20') response[response.size() - 1] ^= 1;
  });
  const auto refused = run(ipc::InitKeyRequest{}, true, true, bus.device());
  expectRefusal(refused, "E_TPM_RESPONSE", "EvictControl");
  expectEmpty();
}

TEST_F(HierarchyPasswords, OneForAHierarchyThatHasNoneIsRefused) {
  tpm_.tools("tpm2_changeauth -c owner -p \"" + kOwner + "\"");
  expectRefusal(run(ipc::InitKeyRequest{}, true, true), "E_TPM_PASSWORD",
                "owner hierarchy has no password, and one was given");
  const auto made = run(ipc::InitKeyRequest{}, false, true);
  EXPECT_TRUE(made) << made.error().text();
}

TEST_F(HierarchyPasswords, EmptyAndOverlongOnesAreRefusedAndZerosAtTheEndDoNotCount) {
  const auto with = [&](const std::string& password) {
    test::RunOptions options;
    options.ownerPassword = password;
    options.endorsementPassword = kEndorsement;
    return runAttest(attestJob(ipc::InitKeyRequest{}), log_.fd(), &tpm_, std::move(options));
  };
  expectRefusal(with(""), "E_TPM_PASSWORD", "is empty");
  expectRefusal(with(std::string(3, '\0')), "E_TPM_PASSWORD", "is empty");
  expectRefusal(with(std::string(65, 'x')), "E_TPM_PASSWORD", "more than 64 bytes");
  expectRefusal(with(std::string(64, 'x')), "E_TPM_PASSWORD", "is not its password");
  const auto made = with(kOwner + std::string(2, '\0'));
  EXPECT_TRUE(made) << made.error().text();
}

TEST_F(HierarchyPasswords, AHierarchyThatIsSwitchedOffIsToldAsThat) {
  tpm_.tools("tpm2_hierarchycontrol -C p ehEnable clear");
  expectRefusal(run(ipc::InitKeyRequest{}, true, true), "E_TPM_AUTH",
                "endorsement hierarchy is switched off");
}

// A certificate that only the owner may read.
TEST_F(HierarchyPasswords, WhatTheOwnerAloneReadsNeedsHisPasswordAndAQuoteGoesWithout) {
  files_.write("cert", std::string("\x30\x82\x00\x04", 4) + "cert");
  EXPECT_THAT(tpm_.tools("tpm2_nvdefine 0x1c0000a -C p -s 8 -a "
                         "'ownerread|ppwrite|platformcreate|ppread'"),
              HasSubstr("nv-index"));
  tpm_.tools("tpm2_nvwrite 0x1c0000a -C p -i " + files_.path() + "/cert");
  const auto made = run(ipc::InitKeyRequest{}, true, true);
  ASSERT_TRUE(made) << made.error().text();
  expectRefusal(run(ipc::EnrollRequest{}, false, true), "E_TPM_AUTH", "");
  const auto enrolled = run(ipc::EnrollRequest{}, true, true);
  ASSERT_TRUE(enrolled) << enrolled.error().text();
  EXPECT_EQ(fileOf(*enrolled, "ek.crt"), files_.read("cert"));
  const auto quoted =
      run(ipc::QuoteRequest{.nonce = std::string(20, 'n'), .selection = {}}, false, false);
  EXPECT_TRUE(quoted) << quoted.error().text();
}

}  // namespace
}  // namespace airlock::tpm
