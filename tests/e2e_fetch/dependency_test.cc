// SPDX-License-Identifier: Apache-2.0
// Images that need others, fetched from end to end.
#include "tests/e2e_fetch/fixture.h"

namespace airlock::test {
namespace {

const std::string kTools = "example.test/tools/";

class FetchingDependencies : public Fetching {
 protected:
  // Publishes example.test/tools/NAME:1.35 with a file of that name that holds `content`.
  static void put(const std::string& name, const std::string& needs = "",
                  const std::string& content = "1") {
    publish(kTools + name, nullptr);
    const std::string manifest =
        R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":")" + kTools + name +
        R"(","labels":[{"name":"version","value":"1.35"},{"name":"os","value":"linux"},)"
        R"({"name":"arch","value":"amd64"}],"app":{"exec":["/bin/true"],"user":"0","group":"0"},)"
        R"("dependencies":[)" +
        needs + "]}";
    makeImage(published(kTools + name), {.name = kTools + name,
                                         .prepare = "echo " + content + " > rootfs/" + name,
                                         .manifest = manifest});
    signer().sign(published(kTools + name));
  }
  static std::string one(const std::string& name, const std::string& more = "") {
    return R"({"imageName":")" + kTools + name +
           R"(","labels":[{"name":"version","value":"1.35"}])" + more + "}";
  }
  Outcome fetch(const std::string& name, const std::string& options = "") const {
    return airlock(root(), "fetch " + options + kTools + name + ":1.35");
  }
  ipc::CatalogRecord record(const std::string& name) const {
    for (const auto& each : engine_->images())
      if (each.name.text() == kTools + name) return each;
    ADD_FAILURE() << "no image " << name;
    return {.name = ImageName::parse("missing").value()};
  }
};

TEST_F(FetchingDependencies, AllThatIsNeededIsFetched) {
  put("dd");
  put("bb");
  put("cc", one("dd"));
  put("aa", one("bb") + "," + one("cc"));
  const Outcome outcome = fetch("aa");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(lines(outcome.out).size(), 1U) << outcome.out;
  EXPECT_EQ(engine_->images().size(), 4U);
  EXPECT_EQ(record("aa").dependencies.size(), 3U);
  EXPECT_NE(outcome.err.find("fetching dependency example.test/tools/dd:1.35"), std::string::npos)
      << outcome.err;
  EXPECT_TRUE(files(".part").empty());
}

TEST_F(FetchingDependencies, AnotherVersionOfADependencyMakesTheImageAnew) {
  put("bb", "", "old");
  put("aa", one("bb"));
  ASSERT_EQ(fetch("aa").code, 0);
  const ipc::CatalogRecord before = record("aa");
  put("bb", "", "newer");
  // What is rendered stays as it is until somebody asks for what is new.
  ASSERT_EQ(fetch("aa", "--pull-policy=new ").code, 0);
  EXPECT_EQ(record("aa").tree, before.tree);
  const Outcome outcome = fetch("aa");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(record("aa").tree, before.tree) << outcome.err;
  EXPECT_EQ(record("aa").image, before.image);
  EXPECT_EQ(record("aa").signers, before.signers);
}

TEST_F(FetchingDependencies, ImagesThatNeedEachOtherAreRefused) {
  put("xx", one("yy"));
  put("yy", one("xx"));
  const Outcome outcome = fetch("xx");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_NE(errorLine(outcome).find("that depends on it in turn"), std::string::npos)
      << outcome.err;
  EXPECT_TRUE(engine_->images().empty());
}

TEST_F(FetchingDependencies, ADependencyMustHaveTheSizeAndIdThatAreAskedFor) {
  put("bb");
  put("aa", one("bb", R"(,"size":7)"));
  const Outcome size = fetch("aa");
  EXPECT_EQ(size.code, 254);
  EXPECT_NE(errorLine(size).find("asks for one of 7"), std::string::npos) << size.err;
  EXPECT_TRUE(engine_->images().empty());
  put("aa", one("bb", R"(,"imageID":"sha512-abababababab")"));
  const Outcome id = fetch("aa");
  EXPECT_EQ(id.code, 254);
  EXPECT_NE(id.err.find("instead of sha512-abababababab"), std::string::npos) << id.err;
}

TEST_F(FetchingDependencies, ADependencyIsVerifiedByTheKeysOfItsOwnName) {
  put("bb");
  put("aa", one("bb"));
  const Signer stranger;
  stranger.sign(published(kTools + "bb"));
  const Outcome outcome = fetch("aa");
  EXPECT_EQ(outcome.code, 254);
  EXPECT_TRUE(engine_->images().empty()) << outcome.err;
}

TEST_F(FetchingDependencies, WithoutTheNetworkItIsSaidWhatIsMissing) {
  put("bb");
  put("aa", one("bb"));
  const Outcome outcome = airlock(root(), "fetch --pull-policy=never " + published(kTools + "aa"));
  EXPECT_EQ(outcome.code, 254);
  EXPECT_NE(errorLine(outcome).find("it is not in the store, and nothing is fetched"),
            std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace airlock::test
