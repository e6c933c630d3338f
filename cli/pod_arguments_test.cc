// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/pod_values.h"
#include "cli/pod_values.h"
#include "cli/start_arguments.h"

namespace airlock::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Words = std::vector<std::string>;

struct Refusal {
  Words arguments;
  const char* text;
};

class RunRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(RunRefuses, WithOneLine) {
  const auto parsed = parsePodArguments(GetParam().arguments);
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().text(), HasSubstr(GetParam().text));
  EXPECT_EQ(parsed.error().text().find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, RunRefuses,
    testing::Values(
        Refusal{{}, "must provide at least one image"},
        Refusal{{"--interactive"}, "must provide at least one image"},
        Refusal{{"--", "x"}, "an image is required before any app arguments"},
        Refusal{{"a", "--", "x", "---", "--", "y"},
                "only one set of app arguments allowed per image"},
        Refusal{{"--interactive", "a", "b"}, "interactive option only supports one image"},
        Refusal{{"--user=1000", "a"}, "--user must follow an image"},
        Refusal{{"--name", "n", "a"}, "--name must follow an image"},
        Refusal{{"--readonly-rootfs", "a"}, "--readonly-rootfs must follow an image"},
        Refusal{{"--nonsense", "a"}, "unknown flag: --nonsense"},
        Refusal{{"-x", "a"}, "unknown shorthand flag: 'x' in -x"},
        Refusal{{"a", "--name"}, "flag needs an argument: --name"},
        Refusal{{"a", "--name=Not_A_Name"}, "for --name"},
        Refusal{{"a", "--memory=16"},
                "memory limit of 16 bytes too low. Try a reasonable value, such as --memory=16M"},
        Refusal{{"a", "--memory=much"}, "for --memory"}, Refusal{{"a", "--cpu=-1"}, "--cpu"},
        Refusal{{"a", "--cpu-shares=1"}, "--cpu-shares"},
        Refusal{{"a", "--pids-limit=0"}, "--pids-limit"},
        Refusal{{"a", "--oom-score-adj=1001"}, "--oom-score-adj"},
        Refusal{{"a", "--caps-retain=CAP_KILL", "--caps-remove=CAP_CHOWN"},
                "cannot use both --caps-retain and --caps-remove on the same image"},
        Refusal{{"a", "--cap-remove=CAP_KILL", "--cap-retain=CAP_CHOWN"},
                "cannot use both --caps-retain and --caps-remove on the same image"},
        Refusal{{"a", "--caps-retain=CAP_NONE"}, "CAP_NONE"},
        Refusal{{"a", "--seccomp=read"}, "missing mode"},
        Refusal{{"a", "--seccomp=mode=retain"}, "empty syscalls list"},
        Refusal{{"a", "--seccomp=mode=other,read"}, "unknown mode"},
        Refusal{{"a", "--seccomp=mode=retain,errno=PERM,read"},
                "errno must start with an 'E' character"},
        Refusal{{"a", "--seccomp=mode=retain,@no/group"}, "--seccomp"},
        Refusal{{"a", "--supplementary-gids=1,x"}, "--supplementary-gids"},
        Refusal{{"a", "--working-dir=tmp"}, "must be absolute"},
        Refusal{{"a", "--environment=A"}, "environment variable must be specified as name=value"},
        Refusal{{"--set-env=A B=c", "a"}, "--set-env"},
        Refusal{{"--interactive=perhaps", "a"}, "neither true nor false"},
        Refusal{{"--pull-policy=sometimes", "a"}, "sometimes"}));

INSTANTIATE_TEST_SUITE_P(
    Volumes, RunRefuses,
    testing::Values(
        Refusal{{"--volume=v", "a"}, "has no kind"},
        Refusal{{"--volume=kind=empty", "a"}, "has no name"},
        Refusal{{"--volume=v,kind=odd", "a"},
                "unrecognized volume kind: should be one of \"empty\", \"host\""},
        Refusal{{"--volume=v,kind=host", "a"}, "source for host volume cannot be empty"},
        Refusal{{"--volume=v,kind=host,source=tmp", "a"},
                "source for host volume must be absolute path"},
        Refusal{{"--volume=v,kind=host,source=/tmp,mode=0700", "a"}, "should not be set"},
        Refusal{{"--volume=v,kind=empty,source=/tmp", "a"},
                "source for empty volume should be empty"},
        Refusal{{"--volume=v,kind=empty,mode=999", "a"}, "not a number"},
        Refusal{{"--volume=v,kind=empty,uid=70000", "a"}, "not one of a pod"},
        Refusal{{"--volume=v,kind=empty,colour=red", "a"}, "unknown volume parameter"},
        Refusal{{"--volume=v,kind=empty", "--volume=v,kind=empty", "a"},
                "duplicate volume name \"v\""},
        Refusal{{"--stdout=log", "a"}, "--stdout must follow an image"},
        Refusal{{"a", "--stdout=file"}, "invalid stream mode \"file\""},
        Refusal{{"a", "--stdin=log"}, "--stdin cannot be a log"},
        Refusal{{"a", "--stdin=interactive", "--stdout=log"}, "one terminal, and no other streams"},
        Refusal{{"a", "--stdin=interactive", "b"}, "interactive option only supports one image"},
        Refusal{{"--detach", "--interactive", "a"}, "--detach does not go with a terminal"},
        Refusal{{"--mount=volume=v", "a"}, "no target"},
        Refusal{{"--mount=target=/v", "a"}, "no volume"},
        Refusal{{"--mount=volume=v,target=v", "a"}, "not an absolute path"},
        Refusal{{"--mount=volume=v,target=/v,x=y", "a"}, "unknown mount parameter"}));

INSTANTIATE_TEST_SUITE_P(
    NotInThisVersion, RunRefuses,
    testing::Values(Refusal{{"--stage1-name=x", "a"}, "stage1 \"x\" is not part of this version"},
                    Refusal{{"--stage1-path=/x.aci", "a"}, "is not part of this version"},
                    Refusal{{"--stage1-url=https://a.b/x.aci", "a"}, "is not part of this version"},
                    Refusal{{"--stage1-hash=sha512-00", "a"}, "is not part of this version"},
                    Refusal{{"--stage1-from-dir=stage1-fly.aci", "a"},
                            "is not part of this version"},
                    Refusal{{"--ipc=parent", "a"}, "--ipc=parent would let the pod at"},
                    Refusal{{"--net=default-restricted", "a"}, "is not part of this version"}));

INSTANTIATE_TEST_SUITE_P(
    PodsAndManifests, RunRefuses,
    testing::Values(Refusal{{"--port=http", "a"}, "\"http\" is not in name:[ip:]port format"},
                    Refusal{{"--port=http:0", "a"}, "is not in name:[ip:]port format"},
                    Refusal{{"--port=http:1.2.3:80", "a"}, "is not in name:[ip:]port format"},
                    Refusal{{"--port=HTTP:80", "a"}, "\"HTTP\" is not a valid port name"},
                    Refusal{{"--net=none", "--port=http:80", "a"},
                            "--port flag does not work with 'none' networking"},
                    Refusal{{"--net=host", "--port=http:80", "a"},
                            "--port flag does not work with 'host' networking"},
                    Refusal{{"--net=none", "--mds-register", "a"},
                            "--mds-register flag does not work with --net=none"},
                    Refusal{{"--pod-manifest=f", "a"},
                            "conflicting flags set with --pod-manifest (see --help)"},
                    Refusal{{"--pod-manifest=f", "--no-store"},
                            "conflicting flags set with --pod-manifest (see --help)"},
                    Refusal{{"--pod-name=Web", "a"}, "ACName"},
                    Refusal{{"--user-label=x", "a"}, "must be specified as key=value"},
                    Refusal{{"a", "--annotation=x=1", "--annotation=x=2"}, "is given twice"},
                    Refusal{
                        {"--stage1-name=stage1-coreos", "--stage1-path=/stage1-coreos.aci", "a"},
                        "mutually exclusive"}));

TEST(PodArguments, OfPrepareAreThoseThatAManifestKeeps) {
  const auto pod = parsePodArguments(
      {"--quiet", "--pod-name=web", "--user-label=tier=front", "--port=http:[::1]:80",
       "--private-users", "--stage1-name=coreos.com/rkt/stage1-coreos:1.30.0", "a",
       "--user-annotation=k=v=w", "--annotation=example.com/n=1"},
      PodVerb::Prepare);
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_TRUE(pod->quiet);
  EXPECT_EQ(pod->podName->text(), "web");
  EXPECT_EQ(pod->userLabels.at("tier"), "front");
  EXPECT_EQ(pod->ports.at(0).hostIp, "::1");
  EXPECT_EQ(pod->apps.at(0).userAnnotations.at("k"), "v=w");
  EXPECT_EQ(pod->apps.at(0).annotations.at(0).name, "example.com/n");
  const auto refused = parsePodArguments({"--net=host", "a"}, PodVerb::Prepare);
  EXPECT_EQ(refused.error().message(), "--net is said when the pod starts");
  EXPECT_TRUE(parsePodArguments({"--pod-manifest=f"}, PodVerb::Prepare));
}

TEST(PodArguments, OfAStartNameOnePod) {
  const auto start = parseStartArguments(
      {"--net=host", "--hostname=h", "0123", "--dns=192.0.2.1", "--uuid-file-save=f"});
  ASSERT_TRUE(start) << start.error().text();
  EXPECT_EQ(start->operands, std::vector<std::string>{"0123"});
  EXPECT_EQ(start->pod.network, ipc::Network::Host);
  EXPECT_EQ(start->pod.hostname, "h");
  EXPECT_EQ(start->pod.uuidFile, "f");
  EXPECT_FALSE(parseStartArguments({"--volume=v,kind=empty", "0123"}));
}

TEST(RunArguments, EachStreamHasAModeOfItsOwn) {
  const auto pod = parsePodArguments(
      {"--detach", "one", "--stdin=stream", "--stdout=tty", "--stderr=log", "two", "--stdin=null"});
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_TRUE(pod->detach);
  EXPECT_EQ(pod->apps[0].input, ipc::StreamMode::Stream);
  EXPECT_EQ(pod->apps[0].output, ipc::StreamMode::Tty);
  EXPECT_EQ(pod->apps[0].errors, ipc::StreamMode::Log);
  EXPECT_EQ(pod->apps[1].input, ipc::StreamMode::Null);
  EXPECT_EQ(pod->apps[1].output, std::nullopt);
}

TEST(RunArguments, BelongToTheirImage) {
  const auto pod =
      parsePodArguments({"--hostname=h", "one", "--name", "first", "--user=7", "--", "-x", "--name",
                         "---", "--net=host", "two", "--exec=/bin/b", "--", "y"});
  ASSERT_TRUE(pod) << pod.error().text();
  EXPECT_EQ(pod->hostname, "h");
  EXPECT_EQ(pod->network, ipc::Network::Host);
  ASSERT_EQ(pod->apps.size(), 2U);
  EXPECT_EQ(pod->apps[0].image, "one");
  EXPECT_EQ(pod->apps[0].name->text(), "first");
  EXPECT_EQ(pod->apps[0].user, "7");
  EXPECT_THAT(pod->apps[0].arguments, ElementsAre("-x", "--name"));
  EXPECT_EQ(pod->apps[1].exec, "/bin/b");
  EXPECT_FALSE(pod->apps[1].name);
  EXPECT_THAT(pod->apps[1].arguments, ElementsAre("y"));
}

TEST(RunArguments, ALoneTripleDashMeansNothing) {
  const auto pod = parsePodArguments({"a", "---", "b"});
  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->apps.size(), 2U);
}

TEST(RunArguments, NetWithoutAValueTakesNoWord) {
  const auto pod = parsePodArguments({"--net", "host"});
  ASSERT_TRUE(pod);
  EXPECT_EQ(pod->network, ipc::Network::Loopback);
  EXPECT_EQ(pod->apps[0].image, "host");
}

TEST(RunArguments, MountsBeforeAnImageAreThePods) {
  const auto pod =
      parsePodArguments({"--mount=volume=v,target=/a", "one", "--mount=volume=w,target=/b"});
  ASSERT_TRUE(pod);
  ASSERT_EQ(pod->mounts.size(), 1U);
  EXPECT_EQ(pod->mounts[0].path, "/a");
  ASSERT_EQ(pod->apps[0].mounts.size(), 1U);
  EXPECT_EQ(pod->apps[0].mounts[0].volume.text(), "w");
}

TEST(RunArguments, VolumesHaveTheirOptions) {
  const auto host = parseVolume("data,kind=host,source=/srv/data,readOnly=true,recursive=false");
  ASSERT_TRUE(host);
  EXPECT_EQ(host->source, "/srv/data");
  EXPECT_EQ(host->readOnly, true);
  EXPECT_EQ(host->recursive, false);
  const auto empty = parseVolume("buf,kind=empty,mode=1777,uid=3,gid=4");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->mode, 01777U);
  EXPECT_EQ(empty->uid, 3U);
  EXPECT_EQ(empty->gid, 4U);
}

TEST(RunArguments, EnvironmentFilesSkipCommentsAndNameTheLine) {
  const auto read = parseEnvironmentFile("# c\n; d\n\nA=1\n  B=x=y\nC=\n");
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 3U);
  EXPECT_EQ((*read)[1].value, "x=y");
  const auto bad = parseEnvironmentFile("A=1\nnonsense\n");
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().text(), HasSubstr("line 2"));
}

}  // namespace
}  // namespace airlock::cli
