// SPDX-License-Identifier: Apache-2.0
// Downloads that break, and what a later command makes of what came.
#include <signal.h>

#include "tests/e2e_fetch/fixture.h"

namespace airlock::test {
namespace {

const std::string kFetch = std::string("fetch ") + kImage;

// Where the last request for the image asked the server to go on: "bytes=N-", or "-".
std::string rangeOf(const std::string& request) {
  const std::size_t first = request.find(' ') + 1;
  return request.substr(first, request.find(' ', first) - first);
}

TEST_F(Fetching, KeepsNothingOfATruncatedImageWhoseVersionIsUnknown) {
  publish(kName, &signer());
  behave("untagged");
  expectRefused(kFetch, {"example.test", "ended", "and try again"});
}

TEST_F(Fetching, GoesOnFromWhereTheServerWentAway) {
  publish(kName, &signer());
  behave("half");
  const Outcome broken = airlock(root(), kFetch);
  EXPECT_EQ(broken.code, 254);
  EXPECT_TRUE(errorLine(broken).contains("bytes are kept")) << broken.err;
  EXPECT_TRUE(engine_->images().empty());
  ASSERT_EQ(files(".part").size(), 1U);
  const std::size_t kept = readFile(files(".part").front()).size();
  EXPECT_GT(kept, 0U);

  behave("whole");
  const Outcome outcome = airlock(root(), kFetch);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(rangeOf(requestsFor(kName).back()), "bytes=" + std::to_string(kept) + "-");
  EXPECT_EQ(engine_->images().size(), 1U);
  EXPECT_TRUE(files(".part").empty());
  EXPECT_TRUE(files(".resume").empty());
}

TEST_F(Fetching, StartsAnewWhenTheServerHasAnotherVersionByThen) {
  publish(kName, &signer());
  behave("half");
  EXPECT_EQ(airlock(root(), kFetch).code, 254);
  must("sleep 1");  // gzip and tar: another time, another image
  publish(kName, &signer());
  behave("whole");
  const Outcome outcome = airlock(root(), kFetch);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(engine_->images().size(), 1U);
  EXPECT_TRUE(files(".part").empty());
}

TEST_F(Fetching, DropsWhatTurnsOutToBeBad) {
  publish(kName, &signer());
  behave("half");
  EXPECT_EQ(airlock(root(), kFetch).code, 254);
  ASSERT_EQ(files(".part").size(), 1U);
  const std::string part = files(".part").front();
  must("printf x | dd of=" + part + " bs=1 seek=1000 conv=notrunc status=none");
  behave("whole");
  const Outcome outcome = airlock(root(), kFetch);
  EXPECT_EQ(outcome.code, 254);
  EXPECT_TRUE(errorLine(outcome).contains("does not fit")) << outcome.err;
  EXPECT_TRUE(files(".part").empty());
  EXPECT_TRUE(engine_->images().empty());
  EXPECT_EQ(airlock(root(), kFetch).code, 0);
}

TEST_F(Fetching, GoesOnAfterAnInterrupt) {
  publish(kName, &signer());
  behave("hold");
  Child first = start(root(), {"fetch", kImage});
  ASSERT_TRUE(eventually([&] {
    const auto parts = files(".part");
    return !files(".resume").empty() && !parts.empty() && !readFile(parts.front()).empty();
  }));
  ASSERT_TRUE(first.signal(SIGINT));
  EXPECT_EQ(first.wait().value().signal, SIGINT);
  behave("whole");
  const Outcome outcome = airlock(root(), kFetch);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_TRUE(rangeOf(requestsFor(kName).back()).starts_with("bytes="));
  EXPECT_TRUE(files(".part").empty());
}

TEST_F(Fetching, TwoCommandsDownloadOnce) {
  publish(kName, &signer());
  behave("hold");
  Child first = start(root(), {"fetch", kImage});
  ASSERT_TRUE(eventually([&] { return !files(".resume").empty(); }));
  Child second = [&] {
    must("mv " + engine_->scratch("started") + " " + engine_->scratch("first"));
    return start(root(), {"fetch", kImage});
  }();
  EXPECT_TRUE(eventually([&] {
    return readFile(engine_->scratch("started"))
        .contains("airlock: another airlock is downloading this file, waiting...\n");
  })) << readFile(engine_->scratch("started"));
  behave("whole");
  EXPECT_EQ(first.wait().value().shellCode(), 0) << readFile(engine_->scratch("first"));
  EXPECT_EQ(second.wait().value().shellCode(), 0) << readFile(engine_->scratch("started"));
  const auto requests = requestsFor(kName);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(requests.back().ends_with("\"")) << "the second asked for more than news";
  EXPECT_EQ(engine_->images().size(), 1U);
}

}  // namespace
}  // namespace airlock::test
