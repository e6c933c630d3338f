// SPDX-License-Identifier: Apache-2.0
// What a person is refused: exit code 254, one line that says what, why and what to do, and nothing
// left behind.
#include "tests/e2e/world.h"

namespace airlock::test {
namespace {

class Refusals : public World {};

TEST_F(Refusals, ImagesThatNobodyShouldRun) {
  trust();
  for (const Who who : {Who::Alice, Who::Root}) {
    refused(who, "fetch example.test/tools/unsigned:1.35", "signature");
    refused(who, "fetch example.test/tools/tampered:1.35", "changed after signing");
    refused(who, "fetch example.test/tools/foreign:1.35", "not signed by a key you trust");
    refused(who, "fetch example.test/tools/cut:1.35", "changed after signing");
    refused(who, "fetch example.test/tools/misnamed:1.35", "expected but");
    refused(who, "fetch example.test/tools/nothing:1.35", "404");
    refused(who, "fetch nowhere.test/tools/busybox", "nowhere.test");
  }
}

TEST_F(Refusals, AnImageThatNoKeyIsTrustedFor) {
  refused(Who::Alice, std::string("fetch ") + kImage, "trust");
}

TEST_F(Refusals, PeopleWhoAreNotInPolicy) {
  fetch(Who::Alice);
  refused(Who::Stranger, std::string("run ") + kImage + " --exec=/bin/true", "airlock");
  refused(Who::Alice, std::string("run --net=host ") + kImage + " --exec=/bin/true", "--net=host");
}

TEST_F(Refusals, ATpmThatIsGoneUnderRequireMeasurement) {
  fetch(Who::Alice);
  tpm_->stop();
  refused(Who::Alice, std::string("run ") + kImage + " --exec=/bin/true", "requires measurement");
}

TEST_F(Refusals, AHelperThatIsNotThere) {
  fetch(Who::Alice);
  ::kill(engine_->listener(), SIGTERM);
  EXPECT_TRUE(eventually([&] { return !exists(engine_->socket()); }));
  const Outcome outcome = airlock(Who::Alice, std::string("run ") + kImage + " --exec=/bin/true");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_NE(outcome.err.find("airlock-helper"), std::string::npos) << outcome.err;
}

TEST_F(Refusals, PodsThatAreNotThere) {
  for (const char* verb : {"status", "stop", "rm", "cat-manifest"}) {
    const Outcome outcome = airlock(Who::Alice, std::string(verb) + " 01234567");
    EXPECT_EQ(outcome.code, 254) << verb;
    EXPECT_NE(outcome.err.find("no matches found"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace airlock::test
