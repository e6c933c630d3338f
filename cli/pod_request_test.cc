// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "cli/seccomp_groups.h"
#include "image/capabilities.h"
#include "ipc/samples.h"
#include "sandbox/call_set.h"
#include "sandbox/seccomp.h"

namespace airlock::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Words = std::vector<std::string>;

ChosenImage imageWith(const std::string& name, const std::string& app) {
  const std::string manifest =
      R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":")" + name +
      R"(","labels":[{"name":"version","value":"1.0"},{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}])" +
      (app.empty() ? "" : R"(,"app":)" + app) + "}";
  ipc::CatalogRecord record{.image = ipc::sampleDigest<ImageIdTag>('i'),
                            .name = ImageName::parse(name).value()};
  return {std::move(record), manifest};
}
ChosenImage plain(const std::string& name = "example.com/busybox") {
  return imageWith(name, R"({"exec":["/bin/true"],"user":"0","group":"0"})");
}

Result<PodRequest> build(const Words& arguments, const std::vector<ChosenImage>& images,
                         const Surroundings& surroundings = {}) {
  return buildPodRequest(TRY(parsePodArguments(arguments)), images, surroundings);
}

TEST(PodRequest, OfAWrittenManifestIsEnforcedOrRefused) {
  PodArguments start;
  start.podManifest = "file";
  const auto request = [&](const std::string& app, const std::string& rest) -> Result<PodRequest> {
    const std::string id = ipc::sampleDigest<ImageIdTag>('i').text();
    const std::vector<ChosenImage> images = {plain()};
    const auto manifest = TRY(image::parsePodManifest(
        R"({"acVersion":"1.30.0","acKind":"PodManifest","apps":[{"name":"a","image":{"id":")" +
        id.substr(0, 71) + "\"}" + app + "}]" + rest + "}"));
    const PodPlan plan = TRY(planPod(manifest, images));
    return requestPod(plan.manifest, images, start, {});
  };
  const std::string own = R"(,"app":{"exec":["/x"],"user":"1","group":"2")";
  auto pod = request(own + "}", "");
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_EQ(pod->request.pod.apps.at(0).user, "1");
  EXPECT_THAT(pod->request.pod.apps.at(0).exec, ElementsAre("/x"));
  pod = request("", "");
  ASSERT_TRUE(pod) << "without one, the image's";
  EXPECT_THAT(pod->request.pod.apps.at(0).exec, ElementsAre("/bin/true"));
  // A volume of the app alone is another one than the pod's of that name.
  pod = request(R"(,"mounts":[{"volume":"v","path":"/v","appVolume":{"name":"v","kind":"empty",)"
                R"("mode":"0700"}}])",
                R"(,"volumes":[{"name":"a-v","kind":"empty"}])");
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_EQ(pod->request.pod.volumes.size(), 2U);
  EXPECT_EQ(pod->request.pod.apps.at(0).mounts.at(0).volume.text(), "a-v-1");
  EXPECT_EQ(pod->request.pod.volumes.at(1).mode, 0700U);

  EXPECT_THAT(request("", R"(,"ports":[{"name":"p","hostPort":80}])").error().message(),
              HasSubstr("port \"p\" cannot be forwarded"));
  EXPECT_THAT(request("", R"(,"isolators":[{"name":"resource/cpu","value":{"limit":"1"}}])")
                  .error()
                  .message(),
              HasSubstr("isolator resource/cpu of the whole pod"));
  EXPECT_THAT(request(own + R"(,"isolators":[{"name":"resource/block-bandwidth",)"
                            R"("value":{"default":true,"limit":"2M"}}]})",
                      "")
                  .error()
                  .message(),
              HasSubstr("isolator resource/block-bandwidth is not enforced"));
  EXPECT_THAT(request(R"(,"mounts":[{"volume":"v","path":"/v"}])", "").error().message(),
              HasSubstr("dangling mount point \"/v\": volume \"v\" not found"));
}

TEST(PodRequest, IsThePodManifestThatRktWrites) {
  const auto pod = build({"i", "--exec=/bin/sh", "--", "-c", "exit 7"}, {plain()});
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_EQ(pod->request.podManifest,
            R"({"acVersion":"0.8.11","acKind":"PodManifest","apps":[{"name":"busybox","image":)"
            R"({"name":"example.com/busybox","id":")" +
                ipc::sampleDigest<ImageIdTag>('i').text() +
                R"(","labels":[{"name":"version","value":"1.0"},{"name":"os","value":"linux"},)"
                R"({"name":"arch","value":"amd64"}]},"app":{"exec":["/bin/sh","-c","exit 7"],)"
                R"("user":"0","group":"0"}}],"volumes":[],"isolators":[],"annotations":)"
                R"([{"name":"coreos.com/rkt/stage1/mutable","value":"false"}],"ports":[]})");
  const ipc::AppSpec& app = pod->request.pod.apps.at(0);
  EXPECT_EQ(app.imageName, "example.com/busybox:1.0");
  EXPECT_EQ(app.capabilities, image::kDefaultCapabilities);
  EXPECT_TRUE(app.noNewPrivileges);
  EXPECT_FALSE(app.hasExtraFilter);
  EXPECT_TRUE(ipc::encode(pod->request.pod));
}

TEST(PodRequest, ArgumentsGoAfterTheImagesOwn) {
  const auto pod = build({"i", "--", "x"}, {plain()});
  ASSERT_TRUE(pod);
  EXPECT_THAT(pod->request.pod.apps[0].exec, ElementsAre("/bin/true", "x"));
}

TEST(PodRequest, EventHandlersOfTheImageAreRun) {
  const auto pod =
      build({"i"}, {imageWith("example.com/app",
                              R"({"exec":["/bin/true"],"user":"0","group":"0","eventHandlers":[)"
                              R"({"name":"post-stop","exec":["/y"]},)"
                              R"({"name":"pre-start","exec":["/x","-a"]}]})")});
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_THAT(pod->request.pod.apps.at(0).preStart, ElementsAre("/x", "-a"));
  EXPECT_THAT(pod->request.pod.apps.at(0).postStop, ElementsAre("/y"));
  EXPECT_TRUE(pod->warnings.empty());
}

TEST(PodRequest, StreamsAreInThePodManifestAsRktsAnnotations) {
  const auto pod = build({"--detach", "i", "--stdin=tty", "--stderr=null"}, {plain()});
  ASSERT_TRUE(pod) << pod.error().text();
  const ipc::AppSpec& app = pod->request.pod.apps.at(0);
  EXPECT_EQ(app.input, ipc::StreamMode::Tty);
  EXPECT_EQ(app.output, ipc::StreamMode::Log) << "nobody is there to have it";
  EXPECT_EQ(app.errors, ipc::StreamMode::Null);
  EXPECT_THAT(pod->request.podManifest,
              HasSubstr(R"({"name":"coreos.com/rkt/stage2/stdin","value":"tty"})"));
  const auto plainly = build({"i"}, {plain()});
  EXPECT_EQ(plainly->request.pod.apps.at(0).output, ipc::StreamMode::Inherit);
}

TEST(PodRequest, TwoAppsNeedTwoNames) {
  const auto same = build({"a", "b"}, {plain(), plain()});
  ASSERT_FALSE(same);
  EXPECT_THAT(same.error().text(), HasSubstr("multiple apps with name busybox"));
  const auto named = build({"a", "b", "--name=other"}, {plain(), plain()});
  ASSERT_TRUE(named);
  EXPECT_EQ(named->request.pod.apps[1].name.text(), "other");
}

TEST(PodRequest, AnImageWithoutExecNeedsOne) {
  for (const char* app : {"", R"({"exec":[],"user":"0","group":"0"})"}) {
    const auto pod = build({"i"}, {imageWith("example.com/lib", app)});
    ASSERT_FALSE(pod);
    EXPECT_THAT(pod.error().text(),
                HasSubstr(R"(image "example.com/lib" has an empty "exec" (try --exec=BINARY))"));
    EXPECT_TRUE(build({"i", "--exec=/bin/x"}, {imageWith("example.com/lib", app)}));
  }
}

TEST(PodRequest, TheLaterEnvironmentWins) {
  const auto image =
      imageWith("example.com/a", R"({"exec":["/a"],"user":"0","group":"0","environment":[)"
                                 R"({"name":"I","value":"i"},{"name":"F","value":"i"},)"
                                 R"({"name":"S","value":"i"},{"name":"A","value":"i"}]})");
  Surroundings around;
  around.parentEnvironment = {{"P", "p"}, {"I", "p"}};
  around.fileEnvironment = {{"F", "f"}, {"S", "f"}};
  const auto pod =
      build({"--inherit-env", "--set-env=S=s", "--set-env=A=s", "i", "--environment=A=a"}, {image},
            around);
  ASSERT_TRUE(pod);
  using P = std::pair<std::string, std::string>;
  EXPECT_THAT(pod->request.pod.apps[0].environment,
              testing::UnorderedElementsAre(P{"P", "p"}, P{"I", "i"}, P{"F", "f"}, P{"S", "s"},
                                            P{"A", "a"}));
  const auto without = build({"i"}, {image}, around);
  ASSERT_TRUE(without);
  EXPECT_EQ(without->request.pod.apps[0].environment.size(), 4U);
}

TEST(PodRequest, J07_AnUnknownIsolatorIsRefused) {
  const auto image =
      imageWith("example.com/a", R"({"exec":["/a"],"user":"0","group":"0","isolators":[)"
                                 R"({"name":"os/linux/new-thing","value":1}]})");
  EXPECT_FALSE(build({"i"}, {image}));
}

TEST(PodRequest, IsolatorFlagsReplaceTheImages) {
  const auto image =
      imageWith("example.com/a",
                R"({"exec":["/a"],"user":"0","group":"0","isolators":[)"
                R"({"name":"resource/memory","value":{"limit":"1G"}},)"
                R"({"name":"os/linux/capabilities-remove-set","value":{"set":["CAP_KILL"]}}]})");
  const auto own = build({"i"}, {image});
  ASSERT_TRUE(own) << own.error().text();
  EXPECT_EQ(own->request.pod.apps[0].memoryBytes, 1'000'000'000U);
  EXPECT_EQ(own->request.pod.apps[0].capabilities, image::kDefaultCapabilities & ~(1U << 5));
  const auto pod = build({"i", "--memory=16M", "--cpu=500m", "--cpu-shares=100", "--pids-limit=50",
                          "--oom-score-adj=-5", "--caps-retain=CAP_NET_ADMIN"},
                         {image});
  ASSERT_TRUE(pod) << pod.error().text();
  const ipc::AppSpec& app = pod->request.pod.apps[0];
  EXPECT_EQ(app.memoryBytes, 16'000'000U);
  EXPECT_EQ(app.cpuMillis, 500U);
  EXPECT_EQ(app.cpuShares, 100U);
  EXPECT_EQ(app.pidsMax, 50U);
  EXPECT_EQ(app.oomScoreAdjust, -5);
  EXPECT_EQ(app.capabilities, 1U << 12);
}

TEST(PodRequest, NoNewPrivilegesIsOffOnlyWhereTheImageSaysSo) {
  const auto saying = [](const char* value) {
    return imageWith("example.com/a",
                     std::string(R"({"exec":["/a"],"user":"0","group":"0","isolators":[)"
                                 R"({"name":"os/linux/no-new-privileges","value":)") +
                         value + "}]}");
  };
  EXPECT_FALSE(build({"i"}, {saying("false")})->request.pod.apps[0].noNewPrivileges);
  EXPECT_TRUE(build({"i"}, {saying("true")})->request.pod.apps[0].noNewPrivileges);
  EXPECT_TRUE(build({"i", "--seccomp=mode=remove,chmod"}, {saying("false")})
                  ->request.pod.apps[0]
                  .noNewPrivileges);
}

const char* const kMounting =
    R"({"exec":["/a"],"user":"0","group":"0","mountPoints":[)"
    R"({"name":"work","path":"/var/work","readOnly":true},{"name":"log","path":"log"}]})";

TEST(PodRequest, MountPointsGetVolumesByNameOrEmptyOnes) {
  const auto pod = build({"--volume=work,kind=empty", "i", "--name=app"},
                         {imageWith("example.com/a", kMounting)});
  ASSERT_TRUE(pod) << pod.error().text();
  const ipc::PodSpec& spec = pod->request.pod;
  ASSERT_EQ(spec.apps[0].mounts.size(), 2U);
  EXPECT_EQ(spec.apps[0].mounts[0].volume.text(), "work");
  EXPECT_TRUE(spec.apps[0].mounts[0].readOnly);
  EXPECT_EQ(spec.apps[0].mounts[1].volume.text(), "app-log");
  EXPECT_EQ(spec.apps[0].mounts[1].target, "/log");
  EXPECT_EQ(spec.volumes.size(), 2U);
  EXPECT_THAT(
      pod->warnings,
      ElementsAre(
          "warning: no volume specified for mount point \"log\", implicitly creating an \"empty\" "
          "volume. This volume will be removed when the pod is garbage-collected."));
}

TEST(PodRequest, AnAppsMountWinsOverThePodsAndTheVolumeOverThePoint) {
  const auto pod = build({"--volume=a,kind=empty,readOnly=false", "--volume=b,kind=empty",
                          "--mount=volume=b,target=/var/work", "--mount=volume=b,target=/log", "i",
                          "--mount=volume=a,target=/var/work"},
                         {imageWith("example.com/a", kMounting)});
  ASSERT_TRUE(pod) << pod.error().text();
  const auto& mounts = pod->request.pod.apps[0].mounts;
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].volume.text(), "a");
  EXPECT_FALSE(mounts[0].readOnly);
  EXPECT_EQ(mounts[1].volume.text(), "b");
  EXPECT_TRUE(pod->warnings.empty());
}

TEST(PodRequest, ADanglingMountIsRefused) {
  const auto pod = build({"i", "--mount=volume=v,target=/x"}, {plain()});
  ASSERT_FALSE(pod);
  EXPECT_THAT(pod.error().text(), HasSubstr(R"(dangling mount point "/x": volume "v" not found)"));
}

TEST(PodRequest, HostVolumesAreOpenedForReading) {
  const auto pod =
      build({"--volume=t,kind=host,source=/tmp", "--mount=volume=t,target=/t", "i"}, {plain()});
  ASSERT_TRUE(pod) << pod.error().text();
  ASSERT_EQ(pod->volumes.size(), 1U);
  struct stat info {};
  ASSERT_EQ(::fstat(pod->volumes[0].get(), &info), 0);
  EXPECT_TRUE(S_ISDIR(info.st_mode));
  EXPECT_FALSE(build({"--volume=t,kind=host,source=/nonexistent", "i"}, {plain()}));
  const auto device = build({"--volume=t,kind=host,source=/dev/null", "i"}, {plain()});
  ASSERT_FALSE(device);
  EXPECT_THAT(device.error().text(), HasSubstr("neither a directory nor a file"));
}

std::uint32_t answer(const Sealed& filter, const char* call) {
  const std::string bytes = filter.read().value();
  std::vector<sock_filter> program(bytes.size() / sizeof(sock_filter));
  std::memcpy(program.data(), bytes.data(), bytes.size());
  seccomp_data data{};
  data.nr = sandbox::callNumber(call).value();
  data.arch = 0xC000003E;  // AUDIT_ARCH_X86_64
  return sandbox::simulate(program, data).value();
}

TEST(Seccomp, FlagsBecomeAFilterForTheirApp) {
  const auto pod = build({"i", "--seccomp=mode=remove,errno=ENOSYS,chmod,chown32", "j", "--name=j"},
                         {plain(), plain()});
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_TRUE(pod->request.pod.apps[0].hasExtraFilter);
  EXPECT_FALSE(pod->request.pod.apps[1].hasExtraFilter);
  ASSERT_EQ(pod->filters.size(), 1U);
  EXPECT_EQ(answer(pod->filters[0], "chmod"), SECCOMP_RET_ERRNO | 38U);
  EXPECT_EQ(answer(pod->filters[0], "read"), SECCOMP_RET_ALLOW);
}

TEST(Seccomp, RetainKillsEverythingElse) {
  image::SeccompFilter filter{image::SeccompFilter::Mode::Retain, {"read", "@systemd/clock"}, ""};
  auto compiled = compileSeccomp(filter);
  ASSERT_TRUE(compiled);
  ASSERT_TRUE(*compiled);
  EXPECT_EQ(answer(**compiled, "read"), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(**compiled, "adjtimex"), SECCOMP_RET_ALLOW);
  EXPECT_EQ(answer(**compiled, "chmod"), SECCOMP_RET_KILL_PROCESS);
}

TEST(Seccomp, TheUsualGroupsAreTheDefaultFilter) {
  using Mode = image::SeccompFilter::Mode;
  for (const char* group :
       {"@appc.io/all", "@docker/default-whitelist", "@rkt/default-whitelist"}) {
    const auto retained = compileSeccomp({Mode::Retain, {group, "read"}, ""});
    ASSERT_TRUE(retained);
    EXPECT_FALSE(*retained);
    EXPECT_FALSE(compileSeccomp({Mode::Remove, {group}, ""}));
  }
  const auto nothing = compileSeccomp({Mode::Remove, {"@appc.io/empty"}, ""});
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
}

TEST(Seccomp, J08_UnknownNamesAreRefused) {
  using Mode = image::SeccompFilter::Mode;
  EXPECT_FALSE(compileSeccomp({Mode::Retain, {"reed"}, ""}));
  EXPECT_FALSE(compileSeccomp({Mode::Remove, {"@no/group"}, ""}));
  EXPECT_FALSE(compileSeccomp({Mode::Remove, {"chmod"}, "ENOTHING"}));
}

TEST(Environment, OddNamesOfTheCallerStayOutside) {
  const char* const environ[] = {"A=1", "=x", "B C=2", "D", "A=3", nullptr};
  const auto read = environmentOf(environ);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].value, "3");
}

}  // namespace
}  // namespace airlock::cli
