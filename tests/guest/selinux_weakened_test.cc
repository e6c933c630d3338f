// SPDX-License-Identifier: Apache-2.0
// That each denial of selinux_test.cc is the work of its rule: policies without it are loaded, and
// the same questions get the other answer.  tests/guest/selinux-policies makes them.
#include <fcntl.h>
#include <unistd.h>

#include "base/syscall.h"
#include "tests/guest/selinux_questions.h"
#include "tests/guest/support.h"

namespace airlock::test {
namespace {

constexpr const char* kInstalled = "/etc/selinux/default/policy/policy.33";

class SelinuxWeakened : public Guest {
 protected:
  // As load_policy(8) does, and without its opinion on which policy this should be.
  static void load(const std::string& file) {
    const std::string policy = readFile(file);
    const int fd = ::open("/sys/fs/selinux/load", O_WRONLY | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::write(fd, policy.data(), policy.size()), static_cast<ssize_t>(policy.size()))
        << file << ": " << ::strerror(errno);
    ::close(fd);
  }
  static void set(const std::string& boolean, bool value) {
    must(std::string("echo ") + (value ? "1" : "0") + " >/sys/fs/selinux/booleans/airlock_weak_" +
         boolean + "; echo 1 >/sys/fs/selinux/commit_pending_bools");
  }
  static std::string variant(const std::string& name) { return "/tests/" + name + ".33"; }
  void TearDown() override {
    load(kInstalled);
    Guest::TearDown();
  }
};

TEST_F(SelinuxWeakened, WithoutCategoriesAPodReachesAnother) {
  load(variant("without-categories"));
  const Peer peer;
  const Question question = peer.questions().front();
  Answers answers = question.ask();
  for (const std::string& step : question.denied) EXPECT_EQ(answers[step], "ok") << step;
}

TEST_F(SelinuxWeakened, WithoutCategoriesASharedVolumeIsShared) {
  load(variant("without-categories"));
  must(
      "mkdir -p /srv/shared; chmod 777 /srv/shared; chcon -t airlock_pod_file_t -l s0 /srv/shared");
  const std::string run =
      std::string("airlock run ") + kGuestImage +
      " --volume=v,kind=host,source=/srv/shared --mount=volume=v,target=/mnt -- -c ";
  done(Who::Root, run + "'echo secret >/mnt/a; chmod 666 /mnt/a'");
  EXPECT_EQ(done(Who::Root, run + "'cat /mnt/a'"), "secret\n");
}

TEST_F(SelinuxWeakened, EachOtherDenialIsTheWorkOfItsRule) {
  load(variant("weakened"));
  const Peer peer;
  for (const Question& question : peer.questions()) {
    if (question.name == "categories") continue;
    SCOPED_TRACE(question.name);
    Answers before = question.ask();
    for (const std::string& step : question.denied) EXPECT_EQ(before[step], "EACCES") << step;
    set(question.name, true);
    Answers after = question.ask();
    for (const std::string& step : question.denied)
      EXPECT_TRUE(after[step] == "ok" || (after[step].empty() && step.starts_with("start:")))
          << step << ": " << after[step];
    set(question.name, false);
    must(
        "rm -f /run/airlock/measure/new; [ -e /run/airlock/measure/other ] || "
        "echo x >/run/airlock/measure/other");
  }
}

TEST_F(SelinuxWeakened, L02_WithoutTheModuleNoPodStarts) {
  must("chcon -t bin_t /usr/libexec/airlock/airlock-* /usr/bin/airlock");
  load(variant("without-module"));
  const Outcome outcome =
      as(Who::Root, std::string("airlock run ") + kGuestImage + " -- -c 'echo started'");
  EXPECT_EQ(outcome.code, 254) << outcome.out;
  EXPECT_FALSE(outcome.out.contains("started"));
  EXPECT_TRUE(outcome.err.contains("airlock_stage1_t") && outcome.err.contains("airlock-selinux"))
      << outcome.err;
  load(kInstalled);
  must("restorecon -F /usr/libexec/airlock/* /usr/bin/airlock");
  EXPECT_EQ(done(Who::Root, std::string("airlock run ") + kGuestImage + " -- -c 'echo started'"),
            "started\n");
}

}  // namespace
}  // namespace airlock::test
