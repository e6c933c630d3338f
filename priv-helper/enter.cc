// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include "base/limits.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "priv-helper/measure.h"
#include "priv-helper/pod_process.h"
#include "priv-helper/server.h"
#include "sandbox/pod_cgroup.h"
#include "store/pod_file.h"
#include "store/pod_label.h"
#include "store/pod_streams.h"

namespace airlock::helper {

// rkt had three CVEs because what entered a pod was confined less than what started in it.  Here
// stage1's own function confines both; the helper only brings the process into the pod's namespaces
// and cgroup.
Result<Answer> enter(Server& server, ipc::EnterRequest request, ipc::FdTable fds) {
  TRY(fds.expect(3));
  TRY(server.authoriser.some(Verb::Enter));
  std::vector<Fd> streams;
  for (std::size_t i = 0; i < 3; ++i) streams.push_back(TRY(fds.take(i)));
  const store::Pod pod = TRY(server.pods.find(request.pod));
  server.trail.entry.rule = TRY(server.authoriser.owned({Verb::Enter, pod.record.ownerUid})).rule();
  const Fd process = TRY(store::openProcessOf(pod, request.enter.app));

  const std::string specBytes = TRY(store::readSpec(pod, request.enter.app));
  const ipc::PodSpec spec = TRY(ipc::decodePodSpec(specBytes));
  const std::string enterBytes = TRY(ipc::encode(request.enter));
  const ContentDigest arguments = digestOf(enterBytes);
  server.trail.entry.subject.text("app", request.enter.app.text());
  server.trail.entry.subject.text("arguments", arguments.text());
  server.trail.entry.label = pod.record.selinux;
  const std::string recorded = TRY(server.trail.allow());  // the register will cover the line
  TRY(measure(server, {},
              ipc::EnterFacts{.pod = request.pod,
                              .app = request.enter.app.text(),
                              .arguments = arguments,
                              .callerUid = server.peer.uid,
                              .audit = recorded}));

  const Fd stage1 = TRY(openSibling("airlock-stage1-container"));
  const Sealed sealedSpec = TRY(Sealed::make("airlock-pod-spec", specBytes));
  const Sealed sealedEnter = TRY(Sealed::make("airlock-enter-spec", enterBytes));
  sys::SocketPair leash = TRY(sys::socketPair());
  const auto cgroup = TRY(sandbox::openAppCgroup(pod.record.cgroup, request.enter.app));
  WaitingEntrant entrant =
      TRY(WaitingEntrant::join({.target = process,
                                .entryPoint = "enter",
                                .hostNetwork = spec.network == ipc::Network::Host,
                                .cgroup = cgroup ? std::optional(cgroup->ref()) : std::nullopt,
                                .label = store::stage1LabelOf(spec.selinuxProcess)}));
  Fd entered = TRY(std::move(entrant).exec(stage1, {{ipc::kLeashFd, leash.second},
                                                    {ipc::kSpecFd, sealedSpec.fd()},
                                                    {ipc::kLockFd, sealedEnter.fd()},
                                                    {ipc::kStdinFd, streams[0]},
                                                    {ipc::kStdoutFd, streams[1]},
                                                    {ipc::kStderrFd, streams[2]}}));
  Answer answer{ipc::Entered{}, {}};
  answer.fds.push_back(std::move(entered));
  answer.fds.push_back(std::move(leash.first));
  return answer;
}

// Starts nothing, so nothing is measured: who attaches reads and types as the starter could have.
Result<Answer> attach(Server& server, ipc::AttachRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Enter));
  const store::Pod pod = TRY(server.pods.find(request.pod));
  server.trail.entry.subject.text("app", request.attach.app.text());
  server.trail.entry.rule = TRY(server.authoriser.owned({Verb::Enter, pod.record.ownerUid})).rule();
  TRY(server.trail.allow());
  TRY(store::openProcessOf(pod, request.attach.app));
  Answer answer{ipc::Attached{}, {}};
  answer.fds.push_back(TRY(store::connectStreams(pod, request.attach)));
  return answer;
}

}  // namespace airlock::helper
