// SPDX-License-Identifier: Apache-2.0
#include "cli/insecure_pods.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/log.h"
#include "cli/audit_lines.h"
#include "cli/go_format.h"
#include "cli/pod_access.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

struct Weakness {
  std::string pod;
  std::string what;
  std::string why;
};

std::vector<Weakness> weaknessesOf(const OpenedPods& opened, const store::Pod& pod) {
  std::vector<Weakness> found;
  const std::string id = pod.record.pod.text();
  for (const ipc::Layer& layer : pod.record.layers) {
    if (!layer.enforced) found.push_back({id, layer.name, "not enforced: " + layer.detail});
  }
  if (pod.record.network == "host")
    found.push_back({id, "network", "the pod is in the host's network"});
  for (const ipc::PodApp& app : pod.record.apps) {
    const auto image = opened.store.find(app.image);
    if (image && *image && (*image)->signers.empty())
      found.push_back(
          {id, "image", "app " + app.name.text() + " runs an image that nobody has vouched for"});
  }
  return found;
}

// What only the record of the start has: "capabilities APP", "privileges APP".
void addRecorded(const Options& options, const std::string& pod, std::vector<Weakness>& found) {
  const auto lines = selectLines(options, {.pod = pod});
  if (!lines) return;
  for (const audit::Line& line : *lines) {
    for (const std::string& each : weakeningsOf(line)) {
      const bool caps = each.starts_with("capabilities ");
      if (!caps && !each.starts_with("privileges ")) continue;
      const std::string app = each.substr(each.find(' ') + 1);
      Weakness weakness{pod, caps ? "capabilities" : "privileges",
                        "app " + app +
                            (caps ? " has more than the usual ones"
                                  : " can gain privileges by what it executes")};
      if (std::ranges::none_of(found, [&](const Weakness& had) {
            return had.pod == weakness.pod && had.why == weakness.why;
          }))
        found.push_back(std::move(weakness));
    }
  }
}

}  // namespace

Result<int> showInsecure(const Options& options, const std::vector<std::string>& pods) {
  std::vector<Weakness> found;
  if (const auto opened = TRY(openPods(options))) {
    std::vector<store::Pod> chosen;
    for (const std::string& each : pods) chosen.push_back(TRY(findPod(options, each)));
    if (pods.empty()) {
      for (store::Pod& pod : TRY(opened->pods.list())) {
        if (pod.state == store::PodState::Running && pod.broken.empty())
          chosen.push_back(std::move(pod));
      }
    }
    for (const store::Pod& pod : chosen) {
      for (Weakness& each : weaknessesOf(*opened, pod)) found.push_back(std::move(each));
      addRecorded(options, pod.record.pod.text(), found);
    }
  }
  if (options.json) {
    image::Json document = image::Json::array();
    for (const Weakness& each : found)
      document.push_back({{"pod", each.pod}, {"what", each.what}, {"why", each.why}});
    printJson(document);
    return 0;
  }
  if (found.empty()) {
    out("nothing is weaker than usual\n");
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"POD", "WHAT", "WHY"}};
  for (const Weakness& each : found)
    rows.push_back({each.pod, printable(each.what), printable(each.why)});
  out(tabulate(rows));
  return 0;
}

}  // namespace airlock::cli
