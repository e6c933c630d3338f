// SPDX-License-Identifier: Apache-2.0
// I14: a verifier role that an image has taken over.  The helper keeps its own digests and its own
// rules.
#include "tests/attack/fixture.h"

namespace airlock::test {
namespace {

class EvilRole : public Attack {
 protected:
  void evil(const std::string& mode) {
    engine_->replaceProgram("airlock-verify", AIRLOCK_BINARY_DIR "/tests/evil_role", mode);
  }
  void expectRefused(const std::string& mode, const std::string& code,
                     ipc::ImportRequest request = named(), int deadline = 20'000) {
    SCOPED_TRACE(mode);
    evil(mode);
    const HostState before = engine_->state();
    const Reply reply =
        engine_->import(image_, signature_, std::move(request), {.deadline = deadline});
    EXPECT_EQ(reply.code(), code) << reply.text();
    EXPECT_EQ(reply.text().find_first_of("\n\x1b"), std::string::npos)
        << "nothing of its text is believed to be text";
    ASSERT_TRUE(reply.helper);
    EXPECT_TRUE(reply.helper->clean());
    expectUnchanged(before);
  }
};

TEST_F(EvilRole, IsTransparentWhenItDoesNothing) {
  evil("nobody nothing");
  EXPECT_EQ(engine_->import(image_, signature_, named()).code(), "");
}

TEST_F(EvilRole, EveryRoleMayDie) {
  for (const char* role : {"authenticate", "inflate", "unpack", "check"}) {
    expectRefused(std::string(role) + " die", "E_ROLE");
    expectRefused(std::string(role) + " exit", "E_ROLE");
  }
}

TEST_F(EvilRole, EveryRoleMayAnswerSomethingElse) {
  for (const char* role : {"authenticate", "inflate", "unpack", "check"}) {
    expectRefused(std::string(role) + " wrong-answer", "E_ROLE");
    expectRefused(std::string(role) + " descriptors", "E_FD");
    expectRefused(std::string(role) + " four-bytes", "E_FRAME");
    expectRefused(std::string(role) + " garbage", "E_FRAME");
  }
}

TEST_F(EvilRole, EveryRoleMayNeverAnswer) {
  for (const char* role : {"authenticate", "inflate", "unpack", "check"}) {
    expectRefused(std::string(role) + " silent", "E_TIMEOUT", named(), 2'000);
  }
}

TEST_F(EvilRole, AcceptingWhatNobodySignedConvincesNobody) {
  expectRefused("authenticate accept-nothing", "E_SIG_MISSING");
  expectRefused("authenticate accept-unknown", "E_SIG_UNTRUSTED");
  expectRefused("authenticate accept-junk", "E_SIG_UNTRUSTED");
}

TEST_F(EvilRole, ANameThatTheSignerMayNotSign) {
  expectRefused("unpack lie-name", "E_NAME");
  // Without a name to compare with, its keys decide: this signer has no say under that prefix.
  expectRefused("unpack lie-name", "E_SIG_UNTRUSTED", {});
}

TEST_F(EvilRole, LabelsThatWereNotAskedFor) {
  ipc::ImportRequest request = named();
  request.labels = {{"version", "1.35"}};
  expectRefused("unpack lie-labels", "E_LABEL", request);
}

TEST_F(EvilRole, ATreeThatChangesAfterwardsIsNotTheOneInTheRecord) {
  evil("unpack late-write");
  for (int i = 0; i < 3; ++i) {
    const Reply reply = engine_->import(image_, signature_, named());
    for (const ipc::CatalogRecord& record : engine_->images()) {
      EXPECT_EQ("blake2b-" + must("b2sum < " + engine_->data() + "/store/tree/" +
                                  record.tree.text() + " | cut -d' ' -f1 | tr -d '\\n'"),
                record.tree.text());
    }
  }
}

}  // namespace
}  // namespace airlock::test
