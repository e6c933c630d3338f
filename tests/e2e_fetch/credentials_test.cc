// SPDX-License-Identifier: Apache-2.0
// Credentials of auth.d from end to end: a server that gives nothing without them.
#include "tests/e2e_fetch/fixture.h"

namespace airlock::test {
namespace {

class Credentials : public Fetching {
 protected:
  void SetUp() override {
    Fetching::SetUp();
    if (IsSkipped()) return;
    publish(kName, &signer());
  }
  std::string configuration() const {
    for (const std::string& argument : engine_->pathArguments()) {
      constexpr std::string_view flag = "--local-config=";
      if (argument.starts_with(flag)) return argument.substr(flag.size());
    }
    return "";
  }
  void configure(const std::string& rest, mode_t mode = 0600) const {
    must("mkdir -p " + configuration() + "/auth.d");
    writeFile(configuration() + "/auth.d/test.json",
              R"({"rktKind":"auth","rktVersion":"v1","domains":["example.test"],)" + rest + "}",
              mode);
  }
};
constexpr const char* kBasic =
    R"("type":"basic","credentials":{"user":"user","password":"canary"})";

TEST_F(Credentials, OpenAServerThatDemandsBasic) {
  demand("Basic dXNlcjpjYW5hcnk=");
  configure(kBasic);
  const Outcome outcome = airlock(root(), std::string("--debug fetch ") + kImage);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(engine_->images().size(), 1U);
  EXPECT_FALSE((outcome.err + outcome.out).contains("canary"));
  EXPECT_EQ(shell("grep -rl canary " + engine_->data()).out, "");
}
TEST_F(Credentials, OpenAServerThatDemandsAToken) {
  demand("Bearer canary");
  configure(R"("type":"oauth","credentials":{"token":"canary"})");
  EXPECT_EQ(airlock(root(), std::string("fetch ") + kImage).code, 0);
}
TEST_F(Credentials, ThatAreMissingAreAskedFor) {
  demand("Bearer canary");
  const Outcome outcome = airlock(root(), std::string("fetch ") + kImage);
  EXPECT_EQ(outcome.code, 254);
  EXPECT_TRUE(outcome.err.contains("401")) << outcome.err;
}
TEST_F(Credentials, ThatAreWrongOpenNothing) {
  demand("Bearer other");
  configure(kBasic);
  const Outcome outcome = airlock(root(), std::string("fetch ") + kImage);
  EXPECT_EQ(outcome.code, 254);
  EXPECT_FALSE(outcome.err.contains("canary")) << outcome.err;
}
TEST_F(Credentials, ThatEveryoneCanReadAreWarnedOf) {
  configure(kBasic, 0644);
  const Outcome outcome = airlock(root(), std::string("fetch ") + kImage);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(outcome.err.contains("warning: everyone on this machine can read the credentials"))
      << outcome.err;
}
TEST_F(Credentials, OfAUserAreTheUsersOwn) {
  demand("Bearer canary");
  const Caller caller = user(true);
  must("mkdir -p " + caller.home + "/.config/airlock/auth.d");
  const std::string file = caller.home + "/.config/airlock/auth.d/test.json";
  writeFile(
      file,
      R"({"airlockKind":"auth","airlockVersion":"v1","domains":["example.test"],"type":"oauth","credentials":{"token":"canary"}})");
  must("chown -R 4242:4242 " + caller.home + "; chmod 0600 " + file);
  const Outcome outcome = airlock(caller, std::string("fetch ") + kImage);
  if (outcome.err.contains("user namespace")) GTEST_SKIP() << "needs user namespaces for users";
  EXPECT_EQ(outcome.code, 0) << outcome.err;
}
TEST_F(Credentials, TheFileOfTheReleasePostIsNoObstacle) {
  must("mkdir -p " + configuration() + "/auth.d");
  writeFile(configuration() + "/auth.d/myuser.json",
            R"({ "rktKind": "dockerAuth", "rktVersion": "v1", "registries": [""], )"
            R"("credentials": { "user": "myuser", "password": "sekr3tstuff" } })",
            0600);
  EXPECT_EQ(airlock(root(), std::string("fetch ") + kImage).code, 0);
  const Outcome config = airlock(root(), "config");
  EXPECT_TRUE(config.out.contains("registry-1.docker.io")) << config.out << config.err;
  EXPECT_FALSE(config.out.contains("sekr3tstuff"));
}
TEST_F(Credentials, AndKeysOfRktAreTakenOver) {
  demand("Bearer canary");
  const std::string rkt = engine_->scratch("etc-rkt");
  const Signer other;
  const std::string keys = rkt + "/trustedkeys/prefix.d/example.test/other";
  must("mkdir -p " + rkt + "/auth.d " + keys);
  writeFile(
      rkt + "/auth.d/a.json",
      R"({"rktKind":"auth","rktVersion":"v1","domains":["example.test"],"type":"oauth","credentials":{"token":"canary"}})",
      0600);
  writeFile(keys + "/" + other.fingerprint(), other.publicKey());
  const Outcome dry = airlock(root(), "config import-rkt --dry-run --from=" + rkt);
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_EQ(lines(dry.out).size(), 2U) << dry.out;
  EXPECT_FALSE(exists(configuration() + "/auth.d/a.json"));
  EXPECT_EQ(airlock(root(), "config import-rkt --from=" + rkt).code, 0);
  EXPECT_TRUE(airlock(root(), "trust list").out.contains(other.fingerprint()));
  EXPECT_EQ(airlock(root(), std::string("fetch ") + kImage).code, 0);
  const Outcome again = airlock(root(), "config import-rkt --from=" + rkt);
  EXPECT_TRUE(again.out.starts_with("already there: ")) << again.out;
  // A key under another's name is refused, and nothing is taken over.
  writeFile(keys + "/" + std::string(40, 'a'), other.publicKey());
  const Outcome refused = airlock(root(), "config import-rkt --from=" + rkt);
  EXPECT_EQ(refused.code, 254);
  EXPECT_TRUE(refused.err.contains("fingerprint mismatch")) << refused.err;
}

}  // namespace
}  // namespace airlock::test
