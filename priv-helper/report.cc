// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include "priv-helper/measure.h"
#include "priv-helper/server.h"
#include "store/host_layers.h"
#include "store/host_trials.h"

namespace airlock::helper {

Result<Answer> report(Server& server, ipc::ReportRequest, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.plain(Verb::Report));
  ipc::Reported reported;
  reported.layers = store::hostLayersFor(server.policy.labels, server.peer.pid, server.peer.uid);
  reported.pcr = server.policy.pcr;
  reported.measureMode = server.policy.measureMode == ipc::MeasureMode::Require ? "require"
                         : server.policy.measureMode == ipc::MeasureMode::Log   ? "log"
                                                                                : "off";
  if (server.policy.demands("measurement")) reported.measureMode = "require";
  const Fd trees = TRY(server.store.folder("tree"));
  reported.layers.push_back(store::tryVerity(trees));
  std::ranges::move(store::tryMounts(trees, store::imageLabel(server.policy.labels)),
                    std::back_inserter(reported.layers));
  Answer answer{ipc::Done{}, {}};
  auto reading = readRegister(server);
  if (reading) {
    reported.layers.push_back(reading->layer);
    reported.tpm = reading->measured.anchor;
    reported.banks = reading->measured.banks;
  } else {
    reported.layers.push_back({"measurement", false, reading.error().text()});
  }
  if (reported.tpm.empty()) reported.tpm = "none";
  static_cast<void>(server.trail.probe());
  reported.layers.push_back(server.trail.layer());
  for (const std::string& layer : server.policy.required) {
    reported.layers.push_back(store::requirement(layer, reported.layers));
  }
  if (auto log = TRY(openLog(server))) {
    reported.hasLog = true;
    answer.fds.push_back(*std::move(log));
  }
  answer.reply = std::move(reported);
  return answer;
}

}  // namespace airlock::helper
