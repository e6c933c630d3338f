// SPDX-License-Identifier: Apache-2.0
#include "cli/stage1_choice.h"

#include "base/log.h"
#include "cli/configuration.h"

namespace airlock::cli {

// With or without a version, or the ".aci" of a file.
bool isOurStage1(std::string_view text) {
  text = text.substr(text.rfind('/') + 1);
  if (text.ends_with(".aci")) text.remove_suffix(4);
  text = text.substr(0, text.find(':'));
  return text == "stage1-container" || text == "stage1-coreos";
}

Result<void> checkStage1(const Options& options, const PodArguments& pod) {
  if (!pod.stage1.empty()) return {};
  const Configuration configured = TRY(readConfiguration(options.configRoots())).merged;
  // The location is where an image of that name comes from, if there is a name.
  std::string wanted =
      configured.stage1Name.empty() ? configured.stage1Location : configured.stage1Name;
  if (wanted.empty() || isOurStage1(wanted)) return {};
  if (!configured.stage1Version.empty()) wanted += ":" + configured.stage1Version;
  return refuse(
      ErrorKind::Unsupported, "E_STAGE1",
      "stage1 " + airlock::quoted(wanted) + " of the configuration is not part of this version",
      "Take it out of stage1.d, or name ours: --stage1-name=stage1-container");
}

}  // namespace airlock::cli
