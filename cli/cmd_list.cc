// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "cli/go_format.h"
#include "cli/output_format.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "cli/text_output.h"

namespace airlock::cli {

Result<int> list(const Options& options, const std::vector<std::string>& arguments) {
  bool full = false;
  bool noLegend = false;
  OutputFormat format = formatOf(options);
  FlagSet flags;
  flags.boolean("full", full);
  flags.boolean("no-legend", noLegend);
  addFormatFlag(flags, format);
  const auto operands = TRY(flags.parseAll(arguments));
  if (!operands.empty()) return refuse(ErrorKind::Invalid, "E_FLAG", "list takes no arguments");

  std::vector<PodView> views;
  std::vector<store::Pod> broken;
  if (auto opened = TRY(openPods(options))) {
    for (store::Pod& pod : TRY(opened->pods.list())) {
      if (!isListed(pod.state)) continue;
      if (!pod.broken.empty()) {
        broken.push_back(std::move(pod));
      } else if (format == OutputFormat::Text) {
        views.push_back(PodView{.pod = std::move(pod)});  // its manifest is not in the table
      } else {
        views.push_back(viewOf(std::move(pod)));
      }
    }
  }
  if (format == OutputFormat::Text) {
    out(listTable(views, full, !noLegend, wallClock()));
    note(brokenPods(broken));
    return 0;
  }
  image::Json pods = image::Json::array();
  for (const PodView& view : views) pods.push_back(podJson(view));
  printJson(pods, styleOf(format));
  note(brokenPods(broken));
  return 0;
}

}  // namespace airlock::cli
