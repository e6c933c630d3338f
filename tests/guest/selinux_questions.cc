// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/selinux_questions.h"

#include <signal.h>

#include "tests/guest/support.h"
#include "tests/support/shell.h"

namespace airlock::test {

namespace {

constexpr const char* kLog = "/run/airlock/measure/events.cel";
constexpr const char* kOther = "/run/airlock/measure/other";  // of the log's type; may go
// Of the audit record's type, and none of its names.
constexpr const char* kSpare = "/var/lib/airlock/audit/spare";
constexpr const char* kOtherSpare = "/var/lib/airlock/audit/other-spare";
constexpr const char* kPod = "s0:c1,c2";

Question one(const std::string& name, const std::string& step,
             const std::function<Answers(const Steps&)>& as) {
  return {name, [=] { return as({step}); }, {step}};
}

}  // namespace

std::vector<Question> selinuxQuestions(pid_t peer, const std::string& file) {
  const auto pod = [](const Steps& steps) { return asPod(kPod, steps); };
  const std::string key = "/etc/airlock/trustedkeys/root.d/" +
                          lines(must("ls /etc/airlock/trustedkeys/root.d")).front();
  const std::string process = std::to_string(peer);
  const Steps others = {
      "read:" + file,      "write:" + file,    "create:" + file + ".new",           "stat:" + file,
      "signal:" + process, "trace:" + process, "read:/proc/" + process + "/environ"};
  return {
      {"categories", [=] { return pod(others); }, others},
      one("pod_tpm", "readwrite:/dev/tpmrm0", pod),
      one("pod_keys", "read:" + key, pod),
      one("pod_store", "read:/var/lib/airlock/VERSION", pod),
      one("pod_log", std::string("read:") + kLog, pod),
      one("pod_helper", "start:helper", pod),
      {"verify_socket",
       [] {
         return asVerify({"tcp", "udp"});
       },
       {"tcp", "udp"}},
      one("verify_helper", "start:helper", asVerify),
      one("fetch_keys", "read:" + key, asFetch),
      one("fetch_helper", "start:helper", asFetch),
      {"helper_log",
       [] {
         return asHelper({std::string("write:") + kLog, "create:/run/airlock/measure/new",
                          std::string("unlink:") + kOther});
       },
       {std::string("write:") + kLog, "create:/run/airlock/measure/new",
        std::string("unlink:") + kOther}},
      {"helper_audit",
       [] {
         return asHelper({std::string("write:") + kSpare, std::string("unlink:") + kOtherSpare});
       },
       {std::string("write:") + kSpare, std::string("unlink:") + kOtherSpare}},
      one("stage1_label", "start:pod", asStage1),
  };
}

Peer::Peer() {
  makeProbes();
  // The first start makes the log.
  if (!exists(kLog)) must(std::string("airlock run ") + kGuestImage + " --exec=/bin/true");
  // That the kernel's other layers would say no as well is not the question here.
  writeFile("/proc/sys/kernel/yama/ptrace_scope", "0\n");
  must(
      "mkdir -p /run/selinux/peer; echo secret > /run/selinux/peer/file; "
      "chcon -R -t airlock_pod_file_t -l s0:c3,c4 /run/selinux/peer; "
      "[ -e /run/airlock/measure/other ] || echo x > /run/airlock/measure/other; "
      "for name in spare other-spare; do [ -e /var/lib/airlock/audit/$name ] || "
      "echo x > /var/lib/airlock/audit/$name; done");
  pid_ = idlePod("s0:c3,c4");
}

Peer::~Peer() { ::kill(pid_, SIGKILL); }

}  // namespace airlock::test
