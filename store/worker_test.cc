// SPDX-License-Identifier: Apache-2.0
#include "store/worker.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace airlock::store {
namespace {

constexpr int kMilliseconds = 10'000;

TEST(Worker, SaysWhatItsWorkReturns) {
  Worker worker = Worker::start([]() -> Result<std::string> { return "done"; }).value();
  EXPECT_EQ(worker.finish(kMilliseconds).value(), "done");
}

TEST(Worker, SeveralWorkAtOnce) {
  // Each waits for what only the other does.
  int toFirst[2];
  int toSecond[2];
  ASSERT_EQ(::pipe(toFirst), 0);
  ASSERT_EQ(::pipe(toSecond), 0);
  const auto meet = [](int out, int in) -> Result<std::string> {
    char byte = 'x';
    if (::write(out, &byte, 1) != 1 || ::read(in, &byte, 1) != 1) return failErrno("meet");
    return "met";
  };
  Worker first = Worker::start([&] { return meet(toSecond[1], toFirst[0]); }).value();
  Worker second = Worker::start([&] { return meet(toFirst[1], toSecond[0]); }).value();
  EXPECT_EQ(second.finish(kMilliseconds).value(), "met");
  EXPECT_EQ(first.finish(kMilliseconds).value(), "met");
  for (const int fd : {toFirst[0], toFirst[1], toSecond[0], toSecond[1]}) ::close(fd);
}

TEST(Worker, OneThatDiesIsAnError) {
  Worker killed = Worker::start([]() -> Result<std::string> {
                    ::raise(SIGKILL);
                    return "";
                  }).value();
  const auto answer = killed.finish(kMilliseconds);
  EXPECT_EQ(answer.error().code(), "E_WORKER");
  EXPECT_NE(answer.error().text().find("signal 9"), std::string::npos) << answer.error().text();
  Worker failed =
      Worker::start([]() -> Result<std::string> { return fail(ErrorKind::Failed, "no"); }).value();
  EXPECT_EQ(failed.finish(kMilliseconds).error().code(), "E_WORKER");
}

TEST(Worker, OneThatIsGivenUpEnds) {
  int alive[2];
  ASSERT_EQ(::pipe(alive), 0);
  {
    const Worker worker = Worker::start([]() -> Result<std::string> {
                            ::pause();
                            return "";
                          }).value();
    ::close(alive[1]);
    pollfd event{alive[0], POLLIN, 0};
    EXPECT_EQ(::poll(&event, 1, 0), 0);  // it holds the other end
  }
  pollfd event{alive[0], POLLIN, 0};
  EXPECT_EQ(::poll(&event, 1, kMilliseconds), 1);
  EXPECT_EQ(event.revents & POLLHUP, POLLHUP);
  ::close(alive[0]);
}

}  // namespace
}  // namespace airlock::store
