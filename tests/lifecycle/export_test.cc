// SPDX-License-Identifier: Apache-2.0
// What is left of a pod that has exited, while it is collected and while its image goes.
#include "base/sealed.h"
#include "tests/lifecycle/fixture.h"

namespace airlock::test {
namespace {

class Exports : public Lifecycle {
 protected:
  // Of a pod that has exited.
  PodId exited() {
    const Streams streams = makeStreams();
    Reply reply =
        engine_->ask(runRequest(*id_, {"/bin/sh", "-c", "echo kept > /kept"}), streams.refs());
    EXPECT_EQ(reply.code(), "") << reply.text();
    RunningPod pod = takePod(reply);
    EXPECT_EQ(exitOf(eventsOf(pod)), 0);
    EXPECT_TRUE(sys::pidfdWait(pod.process, 10'000).value());
    return pod.id;
  }
  struct Export {
    Reply reply;
    Fd archive;
    Fd result;
  };
  // Into a pipe, which holds less than an image: it does not end before the pipe is read.
  Export begin(const PodId& pod) {
    sys::Pipe archive = sys::pipe().value();
    sys::Pipe result = sys::pipe().value();
    const Sealed manifest = Sealed::make("manifest", "{}").value();
    Export begun{engine_->ask(ipc::ExportRequest{pod, AppName::parse("app").value()},
                              std::vector<FdRef>{archive.writeEnd, manifest.fd(), result.writeEnd}),
                 std::move(archive.readEnd), std::move(result.readEnd)};
    return begun;
  }
  std::size_t ranges() const { return lines(must("ls " + engine_->data() + "/uid-ranges")).size(); }
};

TEST_F(Exports, KeepThePodsUsersUntilTheyEnd) {
  const HostState before = engine_->state();
  const PodId pod = exited();
  Export first = begin(pod);
  ASSERT_EQ(first.reply.code(), "") << first.reply.text();
  Export second = begin(pod);
  ASSERT_EQ(second.reply.code(), "") << second.reply.text();
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod}).code(), "E_DELETING");
  const Reply collected = gc();
  EXPECT_TRUE(collected.as<ipc::Collected>().removed.empty());
  EXPECT_TRUE(collected.as<ipc::Collected>().problems.empty()) << "it is for the next time";
  EXPECT_EQ(ranges(), 1U);
  for (Export* each : {&first, &second}) {
    EXPECT_GT(sys::readAll(each->archive, 64U << 20).value().size(), 65536U);
    EXPECT_EQ(sys::readAll(each->result, 4096).value(), "ok");
  }
  EXPECT_TRUE(eventually([&] { return gc().as<ipc::Collected>().removed.size() == 1; }));
  EXPECT_EQ(ranges(), 0U);
  expectBecomes(before);
}

TEST_F(Exports, AreNotMadeOfAPodWhoseImageIsGone) {
  const PodId pod = exited();
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{.image = *id_}).code(), "");
  EXPECT_EQ(begin(pod).reply.code(), "E_NOT_FOUND");
  // The same image again, and it can be exported.
  EXPECT_EQ(import(image_).as<ipc::Imported>().image, *id_);
  Export again = begin(pod);
  ASSERT_EQ(again.reply.code(), "") << again.reply.text();
  EXPECT_TRUE(sys::readAll(again.archive, 64U << 20));
  EXPECT_EQ(sys::readAll(again.result, 4096).value(), "ok");
  EXPECT_TRUE(eventually([&] { return gc().as<ipc::Collected>().removed.size() == 1; }));
}

}  // namespace
}  // namespace airlock::test
