// SPDX-License-Identifier: Apache-2.0
#include "cli/mutable_arguments.h"

#include <gtest/gtest.h>

namespace airlock::cli {
namespace {

using Words = std::vector<std::string>;

std::string refusal(const Words& words, PodVerb verb) {
  const auto parsed = parsePodArguments(words, verb);
  return parsed ? "" : parsed.error().message();
}

TEST(MutableArguments, AnAddedAppHasAPodAnImageAndItsFlags) {
  const auto parsed =
      parsePodArguments({"--pull-policy=never", "0b1c", "example.com/a", "--name=web",
                         "--mnt-volume=name=data,kind=host,source=/srv,target=/data,readOnly=true",
                         "--user=7", "--stdout=null", "--", "-x", "---"},
                        PodVerb::Add);
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->target, "0b1c");
  EXPECT_TRUE(parsed->detach) << "its caller does not stay";
  ASSERT_EQ(parsed->apps.size(), 1U);
  const AppArguments& app = parsed->apps[0];
  EXPECT_EQ(app.image, "example.com/a");
  EXPECT_EQ(app.arguments, Words{"-x"});
  EXPECT_EQ(app.user, "7");
  ASSERT_EQ(app.mounts.size(), 1U);
  EXPECT_EQ(app.mounts[0].path, "/data");
  ASSERT_TRUE(app.mounts[0].appVolume);
  EXPECT_EQ(app.mounts[0].appVolume->source, "/srv");
  EXPECT_EQ(app.mounts[0].appVolume->readOnly, true);
}

TEST(MutableArguments, WhatIsThePodsIsRefusedForAnAddedApp) {
  const Words image = {"0b1c", "example.com/a"};
  const auto with = [&](const std::string& flag, bool before) {
    Words words = image;
    words.insert(before ? words.begin() : words.end(), flag);
    return refusal(words, PodVerb::Add);
  };
  EXPECT_EQ(refusal({}, PodVerb::Add), "a pod's UUID or name is needed");
  EXPECT_EQ(refusal({"0b1c"}, PodVerb::Add), "must give only one app");
  EXPECT_EQ(refusal({"0b1c", "a", "b"}, PodVerb::Add), "must give only one app");
  for (const char* flag : {"--pod-name=x", "--annotation=a=b", "--user-label=a=b", "--port=a:80",
                           "--uuid-file-save=/tmp/x", "--pod-manifest=/tmp/x"})
    EXPECT_NE(with(flag, true), "") << flag;
  EXPECT_EQ(with("--annotation=a=b", false), "");
  EXPECT_NE(with("--volume=v,kind=empty", false), "");
  EXPECT_NE(with("--net=host", true).find("said when the pod starts"), std::string::npos);
  EXPECT_NE(with("--stdin=interactive", false), "");
  EXPECT_NE(with("--mnt-volume=name=v,kind=empty", false).find("needs a target"),
            std::string::npos);
  EXPECT_NE(with("--mnt-volume=name=v,kind=host,target=/v", false).find("source"),
            std::string::npos);
}

TEST(MutableArguments, ASandboxIsAPodWithoutApps) {
  const auto parsed = parsePodArguments(
      {"--net=host", "--hostname=box", "--pod-name=b", "--user-label=a=b", "--detach"},
      PodVerb::Sandbox);
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_TRUE(parsed->sandbox);
  EXPECT_EQ(parsed->network, ipc::Network::Host);
  for (const Words& words :
       {Words{"example.com/a"}, Words{"--interactive"}, Words{"--volume=v,kind=empty"},
        Words{"--set-env=A=B"}, Words{"--pod-manifest=/tmp/x"}, Words{"--mds-register"},
        Words{"--journal=mine"}, Words{"--port=a:tcp:80:127.0.0.1:80"}, Words{"--name=a"}})
    EXPECT_NE(refusal(words, PodVerb::Sandbox), "") << words[0];
  EXPECT_NE(refusal({}, PodVerb::Run), "") << "a pod is no sandbox unless somebody says so";
}

}  // namespace
}  // namespace airlock::cli
