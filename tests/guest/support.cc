// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/support.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace airlock::test {

namespace {

constexpr const char* kListener = "/run/guest-listener.pid";

// As an init script starts a service: detached, with nothing of the test's open.
void listen() {
  must(
      "touch /run/results/helper.log; chcon -t var_log_t /run/results/helper.log; "  // a service's
                                                                                     // log
      "setsid /usr/libexec/airlock/airlock-helper --listen </dev/null >/run/results/helper.log "
      "2>&1 & echo $! >" +
      std::string(kListener));
  ASSERT_TRUE(eventually([] { return exists("/run/airlock/helper.sock"); }));
}

}  // namespace

bool Guest::hasSystemd() { return exists("/run/systemd/system"); }

void Guest::SetUpTestSuite() {
  if (signer_) return;  // another suite of this program has done it
  must("cp -r /tests/fixture /run/fixture");
  signer_ = std::make_unique<Signer>(Signer::Options{.home = "/run/fixture/gnupg"});
  done(Who::Root, "airlock trust --skip-fingerprint-review --root /run/fixture/key.asc");
  writeFile("/etc/airlock/policy.d/60-guest.policy", "measure mode=require pcr=15\n");
  if (!hasSystemd()) listen();
  done(Who::Root, "airlock fetch /run/fixture/busybox.aci");
}

void Guest::TearDown() {
  if (must("ls /var/lib/airlock/pods/*").find("-") == std::string::npos) return;  // no pod's UUID
  done(Who::Root,
       "for pod in $(airlock list --full --no-legend | awk '$5 == \"running\" {print $1}' | sort "
       "-u); do "
       "airlock stop --force $pod >/dev/null; done; airlock gc --grace-period=0s >/dev/null");
}

Outcome Guest::as(Who who, const std::string& script) {
  ShellOptions options;
  options.environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  if (who != Who::Root) {
    const gid_t airlock =
        static_cast<gid_t>(std::stoul(must("getent group airlock | cut -d: -f3")));
    const uid_t uid = who == Who::Alice ? 4242 : 4343;
    options.identity =
        Identity{uid, uid, who == Who::Alice ? std::vector<gid_t>{airlock} : std::vector<gid_t>{}};
    options.environment.push_back(who == Who::Alice ? "HOME=/home/alice" : "HOME=/home/stranger");
  }
  return shell(script, options);
}

std::string Guest::done(Who who, const std::string& script) {
  const Outcome outcome = as(who, script);
  EXPECT_EQ(outcome.code, 0) << script << "\n" << outcome.out << outcome.err;
  return outcome.out;
}

void Guest::import(const ImageOptions& options) {
  const Scratch scratch;
  const std::string image = makeImage(scratch / "image.aci", options);
  signer_->sign(image);
  done(Who::Root, "airlock fetch " + image);
}

std::vector<std::string> Guest::denials() {
  std::vector<std::string> found = lines(must("busybox dmesg"));
  std::erase_if(found, [](const std::string& line) {
    return !line.contains("avc:") || !line.contains("denied") || !line.contains("airlock_");
  });
  return found;
}

}  // namespace airlock::test
