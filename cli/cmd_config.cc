// SPDX-License-Identifier: Apache-2.0
// airlock config and config import-rkt
#include <nlohmann/json.hpp>
#include <vector>

#include "base/log.h"
#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/options.h"
#include "cli/own_paths.h"
#include "cli/rkt_import.h"
#include "cli/text_output.h"
#include "image/json.h"

namespace airlock::cli {

namespace {

std::unexpected<Error> usage(std::string message) {
  return refuse(ErrorKind::Invalid, "E_USAGE", std::move(message),
                "See " + programName() + " help config");
}

void tellPlan(const RktImport& plan, const std::string& target, bool dryRun) {
  const std::string verb = dryRun ? "would write " : "writing ";
  for (const RktImport::File& file : plan.files) {
    out(verb + printable(target + "/" + file.directory + "/" + file.name) + " (" +
        printable(file.what) + ")\n");
  }
  for (const std::string& path : plan.alreadyThere) out("already there: " + printable(path) + "\n");
  for (const RktImport::Left& left : plan.left)
    out("left out: " + printable(left.path) + ": " + printable(left.why) + "\n");
}

image::Json planJson(const RktImport& plan, const std::string& target) {
  image::Json written = image::Json::array();
  for (const RktImport::File& file : plan.files) {
    written.push_back({{"path", target + "/" + file.directory + "/" + file.name},
                       {"from", file.from},
                       {"what", file.what}});
  }
  image::Json left = image::Json::array();
  for (const RktImport::Left& one : plan.left)
    left.push_back({{"path", one.path}, {"reason", one.why}});
  return {{"written", written}, {"already_there", plan.alreadyThere}, {"left_out", left}};
}

}  // namespace

Result<int> config(const Options& options, const std::vector<std::string>& arguments) {
  bool pretty = true;
  bool secrets = false;
  const auto operands = TRY(
      parseFlags(arguments, {boolFlag("pretty-print", pretty), boolFlag("show-secrets", secrets)}));
  if (!operands.empty()) return usage("config takes no argument");
  const ReadConfiguration read =
      TRY(inContext(readConfiguration(options.configRoots()), "cannot get configuration"));
  for (const std::string& remark : read.remarks) inform(remark);
  printJson(configurationJson(read.merged, secrets),
            pretty ? image::JsonStyle::Pretty : image::JsonStyle::Compact);
  return 0;
}

Result<int> configImportRkt(const Options& options, const std::vector<std::string>& arguments) {
  std::string from = "/etc/rkt";
  bool dryRun = false;
  const auto operands =
      TRY(parseFlags(arguments, {textFlag("from", from), boolFlag("dry-run", dryRun)}));
  if (!operands.empty()) return usage("config import-rkt takes no argument");
  from = TRY(absolutePath(from));
  const RktImport plan = TRY(planRktImport(from, options.localConfig));
  if (options.json) {
    if (!dryRun) TRY(carryOut(plan, options.localConfig));
    printJson(planJson(plan, options.localConfig));
    return 0;
  }
  tellPlan(plan, options.localConfig, dryRun);
  if (!dryRun) TRY(carryOut(plan, options.localConfig));
  const bool secret = std::ranges::any_of(
      plan.files, [](const RktImport::File& file) { return file.what == "credentials"; });
  if (secret)
    note(
        "Files with credentials are root's alone; others need chgrp and chmod 0640 to use them.\n");
  return 0;
}

}  // namespace airlock::cli
