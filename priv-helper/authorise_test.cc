// SPDX-License-Identifier: Apache-2.0
#include "priv-helper/authorise.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "policy/policy.h"

namespace airlock::helper {
namespace {

using policy::Capabilities;
using policy::Extent;
using policy::Grants;
using policy::loadPolicy;
using policy::parsePolicy;

namespace fs = std::filesystem;

Policy parsed(const std::string& text) {
  Policy policy;
  auto result = parsePolicy(text, "site.policy", policy);
  EXPECT_TRUE(result) << (result ? "" : result.error().text());
  return policy;
}

TEST(PolicyFile, EveryWordOfALineIsRead) {
  const Policy policy = parsed(
      "# a comment\n"
      "\n"
      "  allow user:1000 fetch,run image=example.com/app net=host volumes=own capabilities=all "
      "signer=any insecure=image pods=any  # why\n"
      "deny anyone *\n"
      "require measurement content\n"
      "measure mode=require pcr=14 ak=0x8101abcd software-tpm=/run/tpm\n"
      "limit pids=100\n"
      "selinux types=container range=c8.c15\n");
  ASSERT_EQ(policy.rules.size(), 2U);
  const Rule& rule = policy.rules[0];
  EXPECT_TRUE(rule.allow);
  EXPECT_EQ(rule.who, Rule::Who::User);
  EXPECT_EQ(rule.id, 1000U);
  EXPECT_EQ(rule.verbs, (std::vector<Verb>{Verb::Fetch, Verb::Run}));
  EXPECT_EQ(rule.grants.image, "example.com/app");
  EXPECT_TRUE(rule.grants.hostNetwork);
  EXPECT_TRUE(rule.grants.unsignedImages);
  EXPECT_TRUE(rule.grants.skipSignature);
  EXPECT_EQ(rule.grants.volumes, Extent::Own);
  EXPECT_EQ(rule.grants.pods, Extent::Any);
  EXPECT_EQ(rule.grants.capabilities, Capabilities::All);
  EXPECT_EQ(rule.where, "site.policy:3");
  EXPECT_FALSE(policy.rules[1].allow);
  EXPECT_EQ(policy.attestationKey, 0x8101abcdU);
  EXPECT_TRUE(policy.demands("measurement"));
  EXPECT_TRUE(policy.demands("content"));
  EXPECT_FALSE(policy.demands("content=rehash"));
  EXPECT_TRUE(parsed("require content=rehash\n").demands("content=rehash"));
  EXPECT_FALSE(policy.demands("selinux"));
  EXPECT_EQ(policy.measureMode, ipc::MeasureMode::Require);
  EXPECT_EQ(policy.pcr, 14U);
  EXPECT_EQ(policy.softwareTpm, "/run/tpm");
  EXPECT_EQ(policy.pidsMax, 100U);
  EXPECT_EQ(Policy().pidsMax, 4096U);
  EXPECT_TRUE(policy.labels.containerTypes);
  EXPECT_EQ(policy.labels.range.last, 15U);
}

TEST(PolicyFile, AnAbsentKeyMeansTheNarrowThing) {
  const Grants grants = parsed("allow anyone run image=*\n").rules[0].grants;
  EXPECT_FALSE(grants.hostNetwork);
  EXPECT_FALSE(grants.unsignedImages);
  EXPECT_FALSE(grants.skipSignature);
  EXPECT_EQ(grants.volumes, Extent::None);
  EXPECT_EQ(grants.pods, Extent::Own);
  EXPECT_EQ(grants.capabilities, Capabilities::Default);
}

TEST(PolicyFile, WhatIsNotUnderstoodRefusesTheWholeFile) {
  for (const char* line : {"permit root *",
                           "allow",
                           "allow root",
                           "allow somebody *",
                           "allow user: run",
                           "allow group:0 fly",
                           "allow root run image=UPPER",
                           "allow root run net=maybe",
                           "allow root run net",
                           "allow root run colour=blue",
                           "require",
                           "require everything",
                           "measure mode=often",
                           "measure pcr=0",
                           "measure pcr=10",
                           "measure pcr=11",
                           "measure pcr=12",
                           "measure ak=",
                           "measure ak=81018000",
                           "measure ak=0x80ffffff",
                           "measure ak=0x81800000",
                           "measure ak=0x8101800",
                           "measure ak=0x8101800g",
                           "measure pcr=16",
                           "measure pcr=99999999999",
                           "measure software-tpm=relative",
                           "measure mode",
                           "limit",
                           "limit pids=",
                           "limit pids=0",
                           "limit pids=max",
                           "limit memory=5",
                           "limit pids=1 pids=2",
                           "selinux types=svirt",
                           "selinux range=c1",
                           "selinux colour=blue",
                           "allow root run signers=0",
                           "allow root run kinds=pgp",
                           "allow root run signer=any signers=2",
                           "allow root run kinds=cosign signer=any",
                           "allow root run digest=sha256-00",
                           "allow user:99999999999 run"}) {
    Policy policy;
    const auto result = parsePolicy(line, "site.policy", policy);
    ASSERT_FALSE(result) << line;
    EXPECT_EQ(result.error().code(), "E_POLICY");
    EXPECT_TRUE(result.error().message().starts_with("site.policy:1: "))
        << result.error().message();
  }
}

TEST(PolicyFile, ANameThatDoesNotExistMatchesNobody) {
  const Policy policy =
      parsed("allow user:no-such-user-here run\nallow group:no-such-group-here run\n");
  EXPECT_EQ(policy.rules[0].id, static_cast<uid_t>(-1));
  EXPECT_EQ(policy.rules[1].id, static_cast<uid_t>(-1));
}

TEST(PolicyFile, MoreThanALineHoldsIsRefused) {
  Policy policy;
  EXPECT_FALSE(parsePolicy("allow root run " + std::string(5000, 'x'), "p", policy));
}

class PolicyFilesTest : public testing::Test {
 protected:
  PolicyFilesTest() {
    if (::geteuid() != 0) return;
    char name[] = "/tmp/airlock-policy-XXXXXX";
    top_ = ::mkdtemp(name);
    ::umask(022);
  }
  ~PolicyFilesTest() override { fs::remove_all(top_); }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: policy files must be root's";
  }
  void put(const std::string& path, const std::string& content) {
    fs::create_directories((top_ / path).parent_path());
    std::ofstream(top_ / path) << content;
  }
  Result<Policy> load() const { return loadPolicy({top_ / "sys", top_ / "loc"}); }
  fs::path top_;
};

TEST_F(PolicyFilesTest, FilesAreOrderedByNameAcrossTheLayers) {
  put("sys/policy.d/50-vendor.policy", "allow anyone run\n");
  put("loc/policy.d/10-site.policy", "deny anyone run\n");
  const Policy policy = load().value();
  ASSERT_EQ(policy.rules.size(), 2U);
  EXPECT_FALSE(policy.rules[0].allow);
}

TEST_F(PolicyFilesTest, TheSameNameInALaterLayerReplacesAndAnEmptyFileTakesAway) {
  put("sys/policy.d/50.policy", "allow anyone run\n");
  put("loc/policy.d/50.policy", "deny anyone run\n");
  EXPECT_FALSE(load().value().rules.at(0).allow);
  put("loc/policy.d/50.policy", "");
  EXPECT_TRUE(load().value().rules.empty());
}

TEST_F(PolicyFilesTest, S22_WhatOthersCanWriteIsNotAPolicy) {
  put("loc/policy.d/50.policy", "allow root *\n");
  fs::permissions(top_ / "loc/policy.d/50.policy", fs::perms::group_write, fs::perm_options::add);
  EXPECT_EQ(load().error().code(), "E_POLICY");
  fs::permissions(top_ / "loc/policy.d/50.policy", fs::perms::group_write,
                  fs::perm_options::remove);
  ASSERT_TRUE(load());
  ASSERT_EQ(::chown((top_ / "loc/policy.d").c_str(), 65534, 65534), 0);
  EXPECT_EQ(load().error().code(), "E_POLICY");
}

TEST_F(PolicyFilesTest, TheDigestChangesWithEveryByte) {
  put("loc/policy.d/50.policy", "allow root *\n");
  const ContentDigest before = load().value().digest;
  put("loc/policy.d/50.policy", "allow root *\n# changed\n");
  EXPECT_NE(load().value().digest, before);
}

TEST_F(PolicyFilesTest, NoPolicyIsNothingAllowed) { EXPECT_TRUE(load().value().rules.empty()); }

// --- decisions ----------------------------------------------------------------------------------

class AuthoriserTest : public testing::Test {
 protected:
  Authoriser as(uid_t uid, std::vector<gid_t> groups = {}) const {
    return Authoriser(policy_, keys_, uid, std::move(groups));
  }
  void use(const std::string& text) { policy_ = parsed(text); }
  static RunQuestion question(ipc::Network network = ipc::Network::Loopback,
                              std::uint64_t capabilities = 0) {
    ipc::AppSpec app{
        .name = AppName::parse("app").value(), .exec = {"/x"}, .capabilities = capabilities};
    RunQuestion result;
    result.pod.network = network;
    result.pod.apps.push_back(app);
    result.images.push_back({.image = {}, .name = ImageName::parse("example.com/app").value()});
    return result;
  }
  Policy policy_;
  store::KeyStore keys_ = store::KeyStore::open({}).value();
};

TEST_F(AuthoriserTest, FirstMatchingLineWins) {
  use("deny user:7 run image=example.com\nallow anyone run signer=any\n");
  EXPECT_FALSE(as(7).run(question()));
  EXPECT_TRUE(as(8).run(question()));
  use("allow user:7 run signer=any\ndeny anyone run\n");
  EXPECT_TRUE(as(7).run(question()));
  EXPECT_FALSE(as(8).run(question()));
}

TEST_F(AuthoriserTest, ADenialHoldsForWhatNamesNoImage) {
  use("deny user:7 *\nallow anyone *\n");
  EXPECT_FALSE(as(7).some(Verb::Report));
  EXPECT_FALSE(as(7).plain(Verb::Report));
  EXPECT_TRUE(as(8).some(Verb::Report));
  EXPECT_TRUE(as(8).plain(Verb::Report));
  use("deny user:7 fetch image=example.com\nallow anyone fetch\n");
  EXPECT_TRUE(as(7).some(Verb::Fetch)) << "another image may be allowed";
  EXPECT_FALSE(as(7).import({"example.com/app", false}));
}

TEST_F(AuthoriserTest, R13_SocketsOfTheHostsNetworkAreGrantedByName) {
  RunQuestion asked = question();
  asked.hostSockets = true;
  use("allow anyone run signer=any\n");
  EXPECT_FALSE(as(7).run(asked));
  use("allow anyone run signer=any sockets=none\n");
  EXPECT_FALSE(as(7).run(asked));
  use("allow anyone run signer=any sockets=activated\n");
  EXPECT_TRUE(as(7).run(asked));
  use("allow anyone run signer=any net=host\n");
  EXPECT_TRUE(as(7).run(asked)) << "who has the network has its sockets";
}

TEST_F(AuthoriserTest, NoLineIsDenialAndSaysSo) {
  const auto answer = as(7).run(question());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), "E_DENIED");
  EXPECT_NE(answer.error().message().find("no line"), std::string::npos);
}

TEST_F(AuthoriserTest, ARefusalNamesItsLine) {
  use("\nallow anyone run signer=any\n");
  const auto answer = as(7).run(question(ipc::Network::Host));
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message().find("site.policy:2: allow anyone run"), std::string::npos)
      << answer.error().message();
}

TEST_F(AuthoriserTest, EachGrantIsAskedForByItself) {
  use("allow anyone run signer=any\n");
  EXPECT_FALSE(as(7).run(question(ipc::Network::Host)));
  EXPECT_FALSE(as(7).run(question(ipc::Network::Loopback, 1ULL << 21)));  // CAP_SYS_ADMIN
  RunQuestion volume = question();
  volume.volumeOwners = {7};
  EXPECT_FALSE(as(7).run(volume));
  use("allow anyone run signer=any volumes=own\n");
  EXPECT_TRUE(as(7).run(volume));
  EXPECT_FALSE(as(8).run(volume));
  use("allow anyone run signer=any net=host\n");
  EXPECT_TRUE(as(7).run(question(ipc::Network::Host)));
}

TEST_F(AuthoriserTest, AnImageWhoseSignerIsNotTrustedTodayDoesNotStart) {
  use("allow anyone run\n");
  EXPECT_EQ(as(7).run(question()).error().code(), "E_SIG_UNTRUSTED");
  RunQuestion signedBefore = question();
  signedBefore.images[0].signers.push_back(
      {KeyFingerprint::parse(std::string(40, 'a')).value(), "A <a@example.com>"});
  EXPECT_EQ(as(7).run(signedBefore).error().code(), "E_SIG_UNTRUSTED");
}

TEST_F(AuthoriserTest, APinLetsAnUnsignedImageInAndRunAndNoOther) {
  const std::string pin = "sha256-" + std::string(64, '0');
  use("allow anyone fetch,run signer=any digest=" + pin + "\n");
  RunQuestion asked = question();
  ipc::CatalogRecord& image = asked.images[0];
  image.image = OciDigest();
  EXPECT_TRUE(as(7).pins(image.name, image.image));
  EXPECT_TRUE(as(7).import({image.name.text(), false, &image}));
  EXPECT_TRUE(as(7).run(asked));
  image.image = AciId();
  EXPECT_FALSE(as(7).pins(image.name, image.image));
  EXPECT_EQ(as(7).import({image.name.text(), false, &image}).error().code(), "E_SIG_PIN");
  EXPECT_EQ(as(7).run(asked).error().code(), "E_SIG_PIN");
  // Without signer=any it has to be signed, too.
  use("allow anyone fetch,run digest=" + pin + "\n");
  image.image = OciDigest();
  EXPECT_FALSE(as(7).pins(image.name, image.image));
  EXPECT_EQ(as(7).import({image.name.text(), false, &image}).error().code(), "E_SIG_UNTRUSTED");
  EXPECT_EQ(as(7).run(asked).error().code(), "E_SIG_UNTRUSTED");
}

TEST_F(AuthoriserTest, WhatComesInUnverifiedStillHasToBeWhatIsPinned) {
  use("allow anyone fetch insecure=image digest=sha256-" + std::string(64, '1') + "\n");
  RunQuestion asked = question();
  asked.images[0].image = OciDigest();
  EXPECT_EQ(as(7).import({asked.images[0].name.text(), true, &asked.images[0]}).error().code(),
            "E_SIG_PIN");
}

TEST_F(AuthoriserTest, S21_AnImagePrefixEndsAtAComponent) {
  use("allow anyone fetch image=example.com/app\n");
  EXPECT_TRUE(as(7).import({"example.com/app/sub", false}));
  EXPECT_FALSE(as(7).import({"example.com/application", false}));
}

TEST_F(AuthoriserTest, SkippingTheSignatureIsAGrantOfItsOwn) {
  use("allow anyone fetch\n");
  EXPECT_TRUE(as(7).import({"example.com/a", false}));
  EXPECT_FALSE(as(7).import({"example.com/a", true}));
}

TEST_F(AuthoriserTest, PodsOfOthersNeedTheirOwnGrant) {
  use("allow anyone stop\n");
  EXPECT_TRUE(as(7).owned({Verb::Stop, 7}));
  EXPECT_FALSE(as(7).owned({Verb::Stop, 8}));
  EXPECT_FALSE(as(7).owned({Verb::Enter, 7}));
  use("allow anyone stop pods=any\n");
  EXPECT_TRUE(as(7).owned({Verb::Stop, 8}));
}

TEST_F(AuthoriserTest, GroupsAreThePeersOwn) {
  use("allow group:50 report\n");
  EXPECT_TRUE(as(7, {10, 50}).plain(Verb::Report));
  EXPECT_FALSE(as(7, {10}).plain(Verb::Report));
}

}  // namespace
}  // namespace airlock::helper
