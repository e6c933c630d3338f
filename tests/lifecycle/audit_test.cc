// SPDX-License-Identifier: Apache-2.0
// The audit record of a life: each decision and refusal is a line of it, nothing secret is in it,
// and neither kill -9 nor somebody with an editor goes unnoticed.
#include <gmock/gmock.h>

#include <algorithm>

#include "audit/log.h"
#include "tests/lifecycle/fixture.h"
#include "tests/support/software_tpm.h"
#include "tpm/replay.h"

namespace airlock::test {
namespace {

using audit::Line;
using testing::HasSubstr;
using testing::Not;

class Audit : public Lifecycle {
 protected:
  Result<std::vector<Line>> read() const {
    std::vector<Line> lines;
    const Fd directory = TRY(sys::openPath(engine_->data() + "/audit", O_RDONLY | O_DIRECTORY));
    TRY(audit::readRecord(directory, [&](const Line& line) -> Result<void> {
      lines.push_back(line);
      return {};
    }));
    return lines;
  }
  // "run allowed", "run done" …, of the lines since the last call.
  std::vector<std::string> news() {
    std::vector<std::string> said;
    const auto all = read();
    EXPECT_TRUE(all) << all.error().text();
    for (std::size_t i = seen_; all && i < all->size(); ++i)
      said.push_back((*all)[i].torn ? "torn" : (*all)[i].word("op") + " " + (*all)[i].code());
    if (all) seen_ = all->size();
    return said;
  }
  Line last() const { return read().value().back(); }
  std::string whole() const { return must("cat " + engine_->data() + "/audit/record-*.jsonl"); }
  using Lines = std::vector<std::string>;
  std::size_t seen_ = 0;
};

TEST_F(Audit, EachDecisionOfALifeIsALine) {
  EXPECT_EQ(news(), (Lines{"policy done", "trust done", "import allowed"}));
  EXPECT_EQ(last().subject("image"), id_->text());
  EXPECT_THAT(last().text, HasSubstr("\"signers\":[{\"fingerprint\":\"" + signer_->fingerprint()));
  EXPECT_NE(last().word("rule"), "");

  const Streams streams = makeStreams();
  Reply reply = engine_->ask(runRequest(*id_, {"/bin/sleep", "1000"}), streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  ASSERT_TRUE(becomesReady(pod));
  EXPECT_EQ(news(), (Lines{"run allowed", "run done"}));
  EXPECT_EQ(last().subject("pod"), pod.id.text());
  EXPECT_TRUE(last().fields.contains("layers"));
  EXPECT_EQ(last().fields["who"]["uid"], 0U);
  EXPECT_EQ(last().fields["of"], last().number - 1);

  const Reply entered =
      engine_->ask(ipc::EnterRequest{.pod = pod.id,
                                     .enter = {.app = AppName::parse("app").value(),
                                               .exec = {"/bin/true"},
                                               .environment = {}}},
                   streams.refs());
  const auto said = news();
  EXPECT_THAT(said.front(), testing::StartsWith("enter ")) << entered.text();

  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id, .force = true}).code(), "");
  EXPECT_EQ(news(), (Lines{"stop allowed"}));
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "");
  EXPECT_EQ(news(), (Lines{"rm allowed"}));
  EXPECT_EQ(engine_->ask(ipc::ReportRequest{}).code(), "");
  EXPECT_EQ(gc().code(), "");
  EXPECT_EQ(news(), (Lines{})) << "what changes nothing is none";
  prepare({"/bin/true"});
  EXPECT_EQ(news(), (Lines{"prepare allowed"}));
  EXPECT_EQ(engine_->ask(ipc::CollectGarbageRequest{.graceSeconds = 0, .expirePreparedSeconds = 0})
                .code(),
            "");
  EXPECT_EQ(gc().code(), "");
  news();
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{.image = *id_}).code(), "");
  EXPECT_EQ(news(), (Lines{"image-rm allowed"}));
}

TEST_F(Audit, EachRefusalIsALineToo) {
  news();
  engine_->policy("60-more.policy", "deny user:4243 stop\n");
  engine_->listen();
  const auto asStranger = [&](const ipc::HelperRequest& request, std::span<const FdRef> fds = {}) {
    return engine_->connectAs(Identity{4243, 4243, {}}).ask(request, fds).code();
  };
  const PodId nobodys = PodId::random();
  EXPECT_EQ(asStranger(ipc::StopRequest{.pod = nobodys}), "E_DENIED");
  EXPECT_EQ(news(), (Lines{"policy done", "stop E_DENIED"}));
  EXPECT_EQ(last().uid(), 4243U);
  EXPECT_EQ(last().subject("pod"), nobodys.text());
  const Streams streams = makeStreams();
  EXPECT_EQ(asStranger(runRequest(*id_, {"/bin/true"}), streams.refs()), "E_DENIED");
  EXPECT_EQ(asStranger(ipc::ReportRequest{}), "E_DENIED");
  EXPECT_EQ(asStranger(ipc::RemoveImageRequest{.image = *id_}), "E_DENIED");
  EXPECT_EQ(asStranger(ipc::CollectGarbageRequest{}), "E_DENIED");
  EXPECT_EQ(asStranger(ipc::ExplainRequest{.what = runRequest(*id_, {"/bin/true"}), .asUser = 0}),
            "E_DENIED");
  EXPECT_EQ(news(), (Lines{"run E_DENIED", "report E_DENIED", "image-rm E_DENIED", "gc E_DENIED",
                           "explain E_DENIED"}));
  // An image that nobody trusted has signed: refused with who did.
  Signer other;
  const std::string image = *files_ / "strange.aci";
  must("cp " + image_ + " " + image);
  other.sign(image);
  const std::string code = import(image).code();
  EXPECT_NE(code, "");
  EXPECT_EQ(news(), (Lines{"import " + code}));
  // And what is no request at all.
  Connection connection = engine_->start();
  ASSERT_TRUE(connection.channel().send("not a message"));
  EXPECT_NE(connection.receive().code(), "");
  connection.process().wait().value();
  EXPECT_THAT(news(), testing::ElementsAre(testing::StartsWith("request E_")));
}

TEST_F(Audit, NoSecretIsInIt) {
  ipc::RunRequest request = runRequest(*id_, {"/bin/echo", "canary-argument"});
  request.pod.apps[0].environment = {{"TOKEN", "canary-environment"}};
  request.podManifest = "{\"canary-manifest\":1}";
  const Streams streams = makeStreams();
  Reply reply = engine_->ask(request, streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  eventsOf(pod);
  engine_->ask(ipc::EnterRequest{.pod = pod.id,
                                 .enter = {.app = AppName::parse("app").value(),
                                           .exec = {"/bin/echo", "canary-entered"},
                                           .environment = {{"K", "canary-value"}}}},
               streams.refs());
  engine_->import(other_, other_ + ".asc",
                  {.origin = "https://user:canary-password@example.com/a.aci?t=canary-token"});
  request.pod.apps[0].image = AciId();  // refused
  EXPECT_NE(engine_->ask(request, streams.refs()).code(), "");
  EXPECT_THAT(whole(), Not(HasSubstr("canary")));
  EXPECT_THAT(whole(), HasSubstr("https://example.com/a.aci"));
  EXPECT_THAT(must("cat " + engine_->data() + "/audit/kept/*"), Not(HasSubstr("canary")));
}

TEST_F(Audit, TheMeasuredEventHasTheLineThatDecided) {
  SoftwareTpm tpm;
  engine_->policy("60-tpm.policy", tpm.policyLine("require"));
  const Streams streams = makeStreams();
  Reply reply = engine_->ask(runRequest(*id_, {"/bin/true"}), streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  eventsOf(pod);
  const auto lines = read().value();
  const auto decided = std::ranges::find_if(
      lines, [](const Line& line) { return line.word("op") == "run" && line.code() == "allowed"; });
  ASSERT_NE(decided, lines.end());
  EXPECT_EQ(lines.back().fields["measure"]["anchor"], "software");
  const Fd log = sys::openPath(engine_->data() + "/run/measure/events.cel", O_RDONLY).value();
  const auto replay = tpm::replayLog(log);
  ASSERT_TRUE(replay) << replay.error().text();
  const tpm::Event& event = replay->records.back().event;
  EXPECT_EQ(event.type, "pod");
  EXPECT_EQ(tpm::textField(event, "audit"), decided->digest.text());
  EXPECT_EQ(tpm::textField(event, "spec"), decided->subject("spec"));
}

TEST_F(Audit, WhatCannotBeRecordedIsRefusedWhereItIsRequiredAndToldWhereItIsNot) {
  const std::string audit = engine_->data() + "/audit";
  must("mv " + audit + " " + audit + ".away; touch " + audit);
  const Streams streams = makeStreams();
  Reply reply = engine_->ask(runRequest(*id_, {"/bin/true"}), streams.refs());
  ASSERT_EQ(reply.code(), "") << reply.text();
  RunningPod pod = takePod(reply);
  const auto layer = std::ranges::find(pod.layers, "audit", &ipc::Layer::name);
  ASSERT_NE(layer, pod.layers.end());
  EXPECT_FALSE(layer->enforced);
  eventsOf(pod);

  engine_->policy("60-audit.policy", "require audit\n");
  EXPECT_EQ(engine_->ask(runRequest(*id_, {"/bin/true"}), streams.refs()).code(), "E_AUDIT");
  EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = pod.id}).code(), "E_STOPPED");
  EXPECT_EQ(engine_->ask(ipc::RemovePodRequest{.pod = pod.id}).code(), "E_AUDIT");
  EXPECT_EQ(engine_->ask(ipc::RemoveImageRequest{.image = *id_}).code(), "E_AUDIT");
  EXPECT_EQ(gc().code(), "E_AUDIT");
  EXPECT_EQ(import(other_).code(), "E_AUDIT");
  EXPECT_EQ(engine_->images().size(), 1U);
  must("rm " + audit + "; mv " + audit + ".away " + audit);
  EXPECT_EQ(import(other_).code(), "");
  EXPECT_TRUE(read());
}

TEST_F(Audit, KilledAtEveryStepTheChainReadsOn) {
  AIRLOCK_NEEDS_TEST_HOOKS();
  const auto points =
      lines(must("cd " AIRLOCK_SOURCE_DIR
                 "; grep -rhoE 'fault\\(\"(audit|run)-[a-z-]+\"\\)' audit priv-helper "
                 "--include=*.cc | cut -d'\"' -f2 | sort -u"));
  ASSERT_GE(points.size(), 8U);
  const Streams streams = makeStreams();
  for (const std::string& point : points) {
    SCOPED_TRACE(point);
    const Reply died =
        engine_->ask(runRequest(*id_, {"/bin/sleep", "1000"}), streams.refs(), {.fault = point});
    EXPECT_EQ(died.helper->signal, SIGKILL);
    EXPECT_TRUE(read()) << read().error().text();
    // A line half written, as by a power failure.
    const auto before = read().value().size();
    must("printf '{\"boot\":\"half' >> " + engine_->data() + "/audit/record-000000000000.jsonl");
    EXPECT_EQ(engine_->ask(ipc::StopRequest{.pod = PodId::random()}).code(), "E_NOT_FOUND");
    const auto after = read();
    ASSERT_TRUE(after) << after.error().text();
    EXPECT_TRUE((*after)[before].torn);
    EXPECT_EQ(after->back().code(), "E_NOT_FOUND");
  }
  EXPECT_EQ(gc().code(), "");
}

TEST_F(Audit, AnEditedLineIsFound) {
  const std::string file = engine_->data() + "/audit/record-000000000000.jsonl";
  engine_->ask(ipc::StopRequest{.pod = PodId::random()});
  ASSERT_TRUE(read());
  must("sed -i '3s/\"uid\":0/\"uid\":1/' " + file);
  EXPECT_EQ(read().error().code(), "E_AUDIT_LOG");
  // And the helper does not heal it.
  engine_->ask(ipc::StopRequest{.pod = PodId::random()});
  EXPECT_EQ(read().error().code(), "E_AUDIT_LOG");
}

TEST_F(Audit, IsForRootAndItsGroup) {
  const std::string group = must("getent group airlock-audit | cut -d: -f3 || true");
  EXPECT_EQ(must("stat -c '%a %u' " + engine_->data() + "/audit"), "750 0\n");
  EXPECT_EQ(must("stat -c '%a %u' " + engine_->data() + "/audit/record-000000000000.jsonl"),
            "640 0\n");
  if (group.empty()) GTEST_SKIP() << "there is no group airlock-audit";
  const gid_t gid = static_cast<gid_t>(std::stoul(group));
  const std::string look = "cat " + engine_->data() + "/audit/record-*.jsonl";
  EXPECT_EQ(shell(look, {.identity = Identity{4243, gid, {}}}).code, 0);
  EXPECT_NE(shell(look, {.identity = Identity{4243, 4243, {}}}).code, 0);
}

}  // namespace
}  // namespace airlock::test
