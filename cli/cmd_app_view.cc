// SPDX-License-Identifier: Apache-2.0
// What apps a pod has, and how they are: app list and app status.  No helper is asked.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/go_format.h"
#include "cli/in_message.h"
#include "cli/output_format.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

Result<PodView> viewFrom(const Options& options, std::vector<std::string> operands,
                         const std::string& uuidFile, const char* command) {
  operands = TRY(podOperands(std::move(operands), uuidFile));
  if (operands.size() != 1)
    return refuse(ErrorKind::Invalid, "E_FLAG", std::string(command) + " takes one pod");
  return viewOf(TRY(inMessage(findPod(options, operands.front()), "problem retrieving pod")));
}

void addText(FlagSet& flags, const char* name, std::string& target) {
  flags.value(name, [&target](const std::string& value) -> Result<void> {
    target = value;
    return {};
  });
}

// rkt's lines.
std::string appLines(const image::Json& app) {
  std::string text;
  for (const char* key : {"name", "state", "image_id"})
    text += std::string(key) + "=" + app.at(key).get<std::string>() + "\n";
  for (const char* key : {"created_at", "started_at", "finished_at"}) {
    if (app.contains(key))
      text += std::string(key) + "=" + shownTime(app.at(key).get<std::int64_t>()) + "\n";
  }
  if (app.contains("exit_code"))
    text += "exit_code=" + std::to_string(app.at("exit_code").get<int>()) + "\n";
  if (app.contains("oom_killed")) text += "oom_killed=true\n";
  return text;
}

}  // namespace

Result<int> appList(const Options& options, const std::vector<std::string>& arguments) {
  bool noLegend = false;
  std::string uuidFile;
  OutputFormat format = formatOf(options);
  FlagSet flags;
  flags.boolean("no-legend", noLegend);
  addText(flags, "uuid-file", uuidFile);
  addFormatFlag(flags, format);
  const PodView view = TRY(viewFrom(options, TRY(flags.parseAll(arguments)), uuidFile, "app list"));
  if (format != OutputFormat::Text) {
    image::Json apps = image::Json::array();
    for (const ipc::PodApp& app : view.pod.record.apps) apps.push_back(appJson(view, app));
    printJson(apps, styleOf(format));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  if (!noLegend) rows.push_back({"NAME", "STATE"});
  for (const ipc::PodApp& app : view.pod.record.apps)
    rows.push_back({app.name.text(), appState(view.pod, app.name)});
  out(tabulate(rows));
  return 0;
}

Result<int> appStatus(const Options& options, const std::vector<std::string>& arguments) {
  std::string wanted;
  std::string uuidFile;
  OutputFormat format = formatOf(options);
  FlagSet flags;
  addText(flags, "app", wanted);
  addText(flags, "uuid-file", uuidFile);
  addFormatFlag(flags, format);
  const PodView view =
      TRY(viewFrom(options, TRY(flags.parseAll(arguments)), uuidFile, "app status"));
  const AppName name = TRY(chooseApp(view.pod, wanted, "app status"));
  const auto& apps = view.pod.record.apps;
  const image::Json app = appJson(view, *std::ranges::find(apps, name, &ipc::PodApp::name));
  if (format == OutputFormat::Text) {
    out(appLines(app));
  } else {
    printJson(app, styleOf(format));
  }
  return 0;
}

}  // namespace airlock::cli
