// SPDX-License-Identifier: Apache-2.0
// Fetching by name from end to end: who may, what comes of it, and what is refused.
#include "tests/e2e_fetch/fixture.h"

namespace airlock::test {
namespace {

void expectFetched(const Outcome& outcome) {
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(outcome.out.starts_with("sha512-")) << outcome.out;
  EXPECT_NE(outcome.err.find("airlock: signature verified:"), std::string::npos) << outcome.err;
}

TEST_F(Fetching, ByNameAsRoot) {
  publish(kName, &signer());
  expectFetched(airlock(root(), std::string("fetch ") + kImage));
  EXPECT_EQ(engine_->images().size(), 1U);
  EXPECT_TRUE(files(".part").empty());
}

TEST_F(Fetching, ByNameAsAUserThroughTheHelper) {
  publish(kName, &signer());
  engine_->listen();
  expectFetched(airlock(user(false), std::string("fetch ") + kImage));
  ASSERT_EQ(engine_->images().size(), 1U);
  EXPECT_EQ(engine_->images().front().importerUid, 4242U);
}

TEST_F(Fetching, ByNameIntoAUsersOwnStore) {
  publish(kName, &signer());
  const Outcome outcome = airlock(user(true), std::string("fetch ") + kImage);
  if (outcome.err.contains("user namespace")) GTEST_SKIP() << "needs user namespaces for users";
  expectFetched(outcome);
  EXPECT_TRUE(airlock(user(true), "image list --no-legend").out.contains(kImage));
  EXPECT_TRUE(engine_->images().empty());
}

TEST_F(Fetching, ByUrl) {
  publish(kName, &signer());
  expectFetched(airlock(
      root(), std::string("fetch https://example.test/images/") + kName + "-1.35-linux-amd64.aci"));
}

TEST_F(Fetching, AgainAsksOnlyWhetherThereIsSomethingNew) {
  publish(kName, &signer());
  expectFetched(airlock(root(), std::string("fetch ") + kImage));
  const HostState before = engine_->state();
  const Outcome again = airlock(root(), std::string("fetch ") + kImage);
  EXPECT_EQ(again.code, 0) << again.err;
  const auto requests = requestsFor(kName);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(requests.front().ends_with(" - -")) << requests.front();
  EXPECT_TRUE(requests.back().ends_with("\"")) << requests.back();
  EXPECT_EQ(engine_->images().size(), 1U);
}

TEST_F(Fetching, RefusesANameThatResolvesNowhere) {
  expectRefused("fetch nowhere.invalid/app:1",
                {"nowhere.invalid", "Could not resolve host", "Check the name"});
}

TEST_F(Fetching, RefusesAnImageOfAnotherName) {
  publish("example.test/tools/other", &signer(), kName);
  expectRefused("fetch example.test/tools/other:1.35",
                {"\"example.test/tools/other\" expected but \"example.test/tools/busybox\" found",
                 "ask its publisher"});
}

TEST_F(Fetching, RefusesAnImageWithoutASignature) {
  publish(kName, nullptr);
  expectRefused(std::string("fetch ") + kImage,
                {"has no signature", ".aci.asc", "404", "--insecure-options=image"});
}

TEST_F(Fetching, RefusesAnImageByAnUnknownKey) {
  const Signer stranger;
  publish(kName, &stranger);
  expectRefused(std::string("fetch ") + kImage,
                {kImage, "not signed by a key you trust",
                 "airlock trust --prefix=" + std::string(kName) + " <key file>"});
}

TEST_F(Fetching, RefusesAnImageByAKeyThatIsTrustedForAnotherPrefix) {
  const Signer other;
  engine_->trust(other, "example.test/other");
  publish(kName, &other);
  expectRefused(std::string("fetch ") + kImage, {kImage, "not signed by a key you trust"});
}

TEST_F(Fetching, RefusesAChangedImage) {
  publish(kName, &signer());
  must("printf x >> " + published(kName));
  expectRefused(std::string("fetch ") + kImage, {kImage, "changed after signing", "Do not use it"});
}

TEST_F(Fetching, RefusesWhatIsNoImage) {
  publish(kName, &signer());
  writeFile(published(kName), "<html>Log in to this network first</html>\n");
  signer().sign(published(kName), "--yes");
  expectRefused(std::string("fetch ") + kImage, {"not an image", "Ask its publisher"});
}

TEST_F(Fetching, RefusesAnImageForWhichThereIsNoSpace) {
  publish(kName, &signer());
  const std::string full = engine_->data() + "/cache";
  must("mount -t tmpfs -o size=256k,mode=0700 none " + full);
  expectRefused(std::string("fetch ") + kImage, {"No space left on device", "Make room"});
  must("umount " + full);
}

TEST_F(Fetching, RefusesAServerThatNobodyVouchesFor) {
  publish(kName, &signer());
  const HostState before = engine_->state();
  const Outcome outcome =
      airlock(root(), std::string("fetch ") + kImage, {"SSL_CERT_FILE=/etc/hostname"});
  EXPECT_EQ(outcome.code, 254);
  EXPECT_TRUE(errorLine(outcome).contains("TLS")) << outcome.err;
  EXPECT_TRUE(eventually([&] { return difference(before, engine_->state()).empty(); }))
      << difference(before, engine_->state());
}

TEST_F(Fetching, TellsAUserWhoIsNotInTheGroupWhatIsMissing) {
  publish(kName, &signer());
  engine_->listen();
  const Outcome outcome = airlock(stranger(), std::string("run ") + kImage);
  EXPECT_EQ(outcome.code, 254);
  EXPECT_TRUE(errorLine(outcome).contains("policy has no line")) << outcome.err;
  EXPECT_TRUE(errorLine(outcome).contains("to the group airlock")) << outcome.err;
  EXPECT_TRUE(engine_->images().empty());
}

TEST_F(Fetching, RefusesAnImageThatIsNotThere) {
  expectRefused("fetch example.test/tools/missing:1.35", {"404"});
}

TEST_F(Fetching, RunAsAUserSaysThatThereIsNoHelperBeforeItAsksTheNetwork) {
  publish(kName, &signer());
  const Outcome outcome = airlock(user(false), std::string("run ") + kImage);
  EXPECT_EQ(outcome.code, 254);
  EXPECT_TRUE(errorLine(outcome).starts_with("run: no helper can be reached: ")) << outcome.err;
  EXPECT_TRUE(requestsFor(kName).empty());
}

}  // namespace
}  // namespace airlock::test
