// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include <algorithm>

#include "base/limits.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "priv-helper/pod_process.h"
#include "priv-helper/server.h"
#include "store/pod_label.h"
#include "store/pod_mounts.h"

namespace airlock::helper {

// Root reads none of it: airlock-pack does, as the root of the pod's own users and under the pod's
// label.  It can read what the pod could, whoever asks, and nothing of the host.
Result<Answer> exportApp(Server& server, ipc::ExportRequest request, ipc::FdTable fds) {
  TRY(fds.expect(3));
  TRY(server.authoriser.some(Verb::Remove));
  const Fd archive = TRY(fds.take(0));
  const Sealed manifest = TRY(Sealed::check(TRY(fds.take(1)), limits::kManifestBytes));
  const Fd result = TRY(fds.take(2));
  server.trail.entry.subject.text("app", request.app.text());
  const uid_t owner = TRY(server.pods.find(request.pod)).record.ownerUid;
  server.trail.entry.rule = TRY(server.authoriser.owned({Verb::Remove, owner})).rule();
  // airlock-pack has the claim with it: its users are the pod's until it has ended.
  const auto [pod, claim] = TRY(server.pods.holdExited(request.pod));
  const auto app = std::ranges::find(pod.record.apps, request.app, &ipc::PodApp::name);
  if (app == pod.record.apps.end())
    return refuse(ErrorKind::Missing, "E_APP", "the pod has no app " + request.app.text());
  const Fd pin = TRY(server.store.pin());  // the image's files stay until they are open
  const auto image = TRY(server.store.find(app->image));
  if (!image) {
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "image " + app->image.shortText(32) + " is not in the store any more");
  }
  TRY(server.trail.allow());
  const Fd program = TRY(openSibling("airlock-pack"));
  WaitingPod waiting = TRY(WaitingPod::clone({.label = store::stage1LabelOf(pod.record.selinux),
                                              .range = store::UidRange{pod.record.firstUid},
                                              .hostNetwork = false,
                                              .cgroup = std::nullopt,
                                              .childOfCaller = false}));
  const Fd podIds =
      TRY(sys::openPath("/proc/" + std::to_string(waiting.pid()) + "/ns/user", O_RDONLY));
  const Fd scratch = TRY(store::makeScratch(server.store));
  const Fd root = TRY(store::makeExportRoot(scratch, TRY(server.store.openTrees(*image)), podIds,
                                            pod.dirOf(request.app), request.app,
                                            store::imageLabel(server.policy.labels)));
  Child child = TRY(std::move(waiting).exec(
      program, {{3, root}, {4, archive}, {5, manifest.fd()}, {6, result}, {7, claim}}));
  child.disown();
  return Answer{ipc::Done{}, {}};
}

}  // namespace airlock::helper
