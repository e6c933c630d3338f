// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_view.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <nlohmann/json.hpp>

#include "ipc/samples.h"

namespace airlock::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kCreated = 1795292699780298655;
constexpr std::int64_t kStarted = 1795292699788280453;

class PodViews : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

PodView sample(int number, store::PodState state, const std::vector<std::string>& apps) {
  PodView view{.pod = {.record = {.pod = ipc::samplePodId(number)}},
               .manifest = std::nullopt,
               .finishedAt = {}};
  view.pod.state = state;
  view.pod.record.createdAt = kCreated;
  view.pod.startedAt = kStarted;
  for (const std::string& app : apps) {
    view.pod.record.apps.push_back({AppName::parse(app).value(), ipc::sampleDigest<ImageIdTag>('i'),
                                    "example.com/" + app + ":1"});
  }
  return view;
}

TEST_F(PodViews, ListIsRktsTable) {
  std::vector<PodView> pods;
  EXPECT_EQ(listTable(pods, false, true, kCreated),
            "UUID\tAPP\tIMAGE NAME\tSTATE\tCREATED\tSTARTED\tNETWORKS\n");
  pods.push_back(sample(1, store::PodState::Running, {"redis", "etcd"}));
  EXPECT_EQ(listTable(pods, false, true, kCreated + 41 * kSecond),
            "UUID\t\tAPP\tIMAGE NAME\t\tSTATE\tCREATED\t\tSTARTED\t\tNETWORKS\n"
            "6733c088\tredis\texample.com/redis:1\trunning\t41 seconds ago\t40 seconds ago\t\n"
            "\t\tetcd\texample.com/etcd:1\t\t\t\t\t\t\n");
}

TEST_F(PodViews, FullListHasWholeIdsAndTimes) {
  const PodView view = sample(1, store::PodState::Exited, {"redis"});
  const std::string text = listTable(std::span(&view, 1), true, false, kCreated);
  EXPECT_EQ(
      text,
      ipc::samplePodId(1).text() + "\tredis\texample.com/redis:1\t" +
          ipc::sampleDigest<ImageIdTag>('i').shortText(12) +
          "\texited\t2026-11-21 20:24:59.78 +0000 UTC\t2026-11-21 20:24:59.788 +0000 UTC\t\n");
}

TEST_F(PodViews, StatusSaysRktsLinesAndWhatHeld) {
  PodView view = sample(1, store::PodState::Exited, {"redis"});
  view.pod.statuses = {{"redis", 3}};
  view.pod.record.layers = {
      {"seccomp", true, ""}, {"namespaces", true, ""}, {"selinux", false, "not in this kernel"}};
  view.pod.record.selinux = "system_u:system_r:airlock_pod_t:s0:c1,c2";
  view.pod.record.measured = "pcr 15, record 7, software TPM";
  view.pod.record.rule = "/etc/x.policy:4: allow";
  EXPECT_EQ(statusLines(view, {}),
            "state=exited\n"
            "created=2026-11-21 20:24:59.78 +0000 UTC\n"
            "started=2026-11-21 20:24:59.788 +0000 UTC\n"
            "networks=\n"
            "exited=true\n"
            "app-redis=3\n"
            "enforced=seccomp,namespaces\n"
            "not-enforced=selinux: not in this kernel\n"
            "selinux=system_u:system_r:airlock_pod_t:s0:c1,c2\n"
            "measured=pcr 15, record 7, software TPM\n"
            "image-redis=example.com/redis:1 " +
                ipc::sampleDigest<ImageIdTag>('i').text() +
                " signer=unknown (no longer in the store)\n"
                "rule=/etc/x.policy:4: allow\n");
}

TEST_F(PodViews, ARunningPodHasAPidAndNoStatuses) {
  PodView view = sample(1, store::PodState::Running, {"a", "b"});
  view.pod.pid = 16964;
  view.pod.statuses = {{"a", 0}};
  const std::string text = statusLines(view, {});
  EXPECT_NE(text.find("pid=16964\nexited=false\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("app-a="), std::string::npos);
}

TEST_F(PodViews, JsonHasPodTimesInSecondsAndAppTimesInNanoseconds) {
  PodView view = sample(1, store::PodState::Exited, {"busybox"});
  view.pod.statuses = {{"busybox", 0}};
  view.finishedAt["busybox"] = kStarted + 1;
  const std::string manifest =
      R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[{"name":"busybox","image":{"id":")" +
      ipc::sampleDigest<ImageIdTag>('i').text() +
      R"("},"app":{"exec":["/x"],"user":"0","group":"0"},"mounts":[{"volume":"v","path":"/mnt"}]}],)"
      R"("volumes":[{"name":"v","kind":"host","source":"/srv"}]})";
  auto parsed = image::parsePodManifest(manifest);
  ASSERT_TRUE(parsed) << parsed.error().text();
  view.manifest = *std::move(parsed);
  const std::string id = ipc::samplePodId(1).text();
  EXPECT_EQ(
      image::writeJson(podJson(view), image::JsonStyle::Compact),
      R"({"name":")" + id +
          R"(","state":"exited","app_names":["busybox"],"apps":[{"name":"busybox",)"
          R"("state":"exited","created_at":1795292699780298655,"started_at":1795292699788280453,)"
          R"("finished_at":1795292699788280454,"exit_code":0,"image_id":")" +
          ipc::sampleDigest<ImageIdTag>('i').text() +
          R"(","mounts":[{"name":"v","container_path":"/mnt","host_path":"/srv","read_only":false}]}],)"
          R"("created_at":1795292699,"started_at":1795292699})");
}

TEST_F(PodViews, TextOfAPodIsEscaped) {
  PodView view = sample(1, store::PodState::Exited, {"a"});
  view.pod.record.apps[0].imageName = "evil\x1b[2J";
  view.pod.record.measured = "x\ny=z";
  EXPECT_EQ(listTable(std::span(&view, 1), false, false, kCreated).find('\x1b'), std::string::npos);
  EXPECT_EQ(statusLines(view, {}).find("\ny=z"), std::string::npos);
}

}  // namespace
}  // namespace airlock::cli
