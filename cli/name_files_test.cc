// SPDX-License-Identifier: Apache-2.0
#include "cli/name_files.h"

#include <gtest/gtest.h>

namespace airlock::cli {
namespace {

using Rule = ipc::GivenFile::Rule;

Result<NameFiles> read(const std::vector<std::string>& arguments) {
  NameFiles files;
  FlagSet flags;
  addNameFlags(flags, files);
  TRY(flags.parseAll(arguments));
  return files;
}

TEST(NameFiles, AreTheUsualOnesWithoutAFlag) {
  const NameFiles files = read({}).value();
  EXPECT_EQ(resolvConfOf(files, ipc::Network::Host).value(), ipc::GivenFile());
  EXPECT_EQ(hostsOf(files).value(), ipc::GivenFile());
}

TEST(NameFiles, OfServersSearchOptionsAndDomainIsAResolvConf) {
  const NameFiles files = read({"--dns=8.8.8.8,2001:db8::1", "--dns=1.1.1.1", "--dns-search=a.test",
                                "--dns-search=b.test", "--dns-opt=ndots:5", "--dns-domain=c.test"})
                              .value();
  const auto made = resolvConfOf(files, ipc::Network::Loopback).value();
  EXPECT_EQ(made.rule, Rule::Replace);
  EXPECT_EQ(made.content,
            "domain c.test\nsearch a.test b.test\nnameserver 8.8.8.8\nnameserver 2001:db8::1\n"
            "nameserver 1.1.1.1\noptions ndots:5\n");
}

TEST(NameFiles, OfHostsEntriesAreAddedToTheUsualOnes) {
  const NameFiles files =
      read({"--hosts-entry=10.0.0.1=db,10.0.0.2=web", "--hosts-entry=::1=me"}).value();
  const auto made = hostsOf(files).value();
  EXPECT_EQ(made.rule, Rule::Add);
  EXPECT_EQ(made.content, "10.0.0.1\tdb\n10.0.0.2\tweb\n::1\tme\n");
}

TEST(NameFiles, NoneLeavesWhatTheImageHas) {
  EXPECT_EQ(resolvConfOf(read({"--dns=none"}).value(), ipc::Network::Host).value().rule,
            Rule::None);
}

TEST(NameFiles, RefuseWhatCannotBeMeant) {
  for (const char* bad : {"--dns=dns.example", "--dns=", "--dns-search=a b", "--dns-opt=x\ny",
                          "--hosts-entry=db", "--hosts-entry=db=10.0.0.1",
                          "--hosts-entry=host,10.0.0.1=db", "--hosts-entry=10.0.0.1=a\nb"}) {
    EXPECT_FALSE(read({bad})) << bad;
  }
  EXPECT_FALSE(read({"--dns=host", "--dns=8.8.8.8"}));
  EXPECT_FALSE(read({"--dns=none", "--dns-search=a.test"}));
}

TEST(NameFiles, SeeAStubOfTheHosts) {
  EXPECT_TRUE(namesLoopbackAlone("# by systemd\nnameserver 127.0.0.53\noptions edns0\n"));
  EXPECT_FALSE(namesLoopbackAlone("nameserver 127.0.0.53\nnameserver 10.0.0.1\n"));
  EXPECT_FALSE(namesLoopbackAlone("search example\n"));
}

}  // namespace
}  // namespace airlock::cli
