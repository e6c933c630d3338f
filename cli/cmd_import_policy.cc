// SPDX-License-Identifier: Apache-2.0
// airlock config import-policy-json
#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/command.h"
#include "cli/containers_policy.h"
#include "cli/options.h"
#include "cli/own_paths.h"
#include "cli/text_output.h"
#include "cli/trusted_keys.h"
#include "image/json.h"

namespace airlock::cli {

namespace {

struct PlannedFile {
  std::string directory;  // below the configuration root
  std::string name;
  std::string content;
  std::string what;
};

Result<std::string> readWhole(const std::string& path, std::size_t most) {
  const Fd file = TRY(sys::openPath(path, O_RDONLY | O_NONBLOCK));
  return inContext(sys::readAll(file, most), path);
}

Result<void> checkWho(const std::string& who) {
  const bool named = (who.starts_with("user:") || who.starts_with("group:")) && !who.ends_with(':');
  const bool plain = who.find_first_of(" \t\n#") == std::string::npos;
  if (plain && (named || who == "root" || who == "anyone")) return {};
  return refuse(ErrorKind::Invalid, "E_USAGE", "--who takes root, anyone, user:NAME or group:NAME");
}

// The rules first: until the keys are there they let nothing in.  Then what takes keys away, and
// the keys last, so that whatever stops this on its way leaves less trusted than was meant.
std::vector<PlannedFile> planOf(const ContainersPolicy& policy, const std::string& name) {
  std::vector<PlannedFile> files = {{"policy.d", name + ".policy", policy.lines, "the rules"}};
  for (const bool masks : {true, false}) {
    for (const ContainersPolicy::Key& key : policy.keys) {
      if (key.content.empty() != masks) continue;
      files.push_back({key.directory, key.fingerprint.text(), key.content,
                       masks ? "takes the key of a wider name away" : "trusted key"});
    }
  }
  return files;
}

std::optional<std::string> presentContent(const std::string& path) {
  auto content = readWhole(path, limits::kKeyFileBytes);
  if (!content) return std::nullopt;
  return *std::move(content);
}

Result<void> checkTarget(const std::vector<PlannedFile>& files, const std::string& target) {
  for (const PlannedFile& file : files) {
    const std::string path = target + "/" + file.directory + "/" + file.name;
    const auto present = presentContent(path);
    if (!present || *present == file.content) continue;
    return refuse(ErrorKind::Invalid, "E_IMPORT", printable(path) + " says something else",
                  "Nothing was written; --force replaces it");
  }
  return {};
}

Result<void> writeFile(const PlannedFile& file, const std::string& target) {
  const Fd directory = TRY(makeDirectories(target + "/" + file.directory, 0755));
  return sys::replaceFile(directory, TRY(Component::parse(file.name)), file.content, 0644);
}

Result<void> writeAll(const std::vector<PlannedFile>& files, const std::string& target) {
  for (const PlannedFile& file : files) {
    const auto written = writeFile(file, target);
    if (written) continue;
    return refuse(written.error().kind(), "E_IMPORT",
                  printable(target + "/" + file.directory + "/" + file.name) +
                      " cannot be written: " + written.error().message(),
                  "The files before it are there; use sudo, or --local-config, and do it again");
  }
  return {};
}

void tell(const std::vector<PlannedFile>& files, const ContainersPolicy& policy,
          const std::string& target, bool dryRun) {
  for (const PlannedFile& file : files) {
    out((dryRun ? "would write " : "wrote ") +
        printable(target + "/" + file.directory + "/" + file.name) + " (" + file.what + ")\n");
  }
  for (const ContainersPolicy::Left& left : policy.left)
    out("not taken over: " + printable(left.what) + ": " + printable(left.why) + "\n");
}

image::Json toJson(const std::vector<PlannedFile>& files, const ContainersPolicy& policy,
                   const std::string& target) {
  image::Json written = image::Json::array();
  for (const PlannedFile& file : files) {
    written.push_back(
        {{"path", target + "/" + file.directory + "/" + file.name}, {"what", file.what}});
  }
  image::Json left = image::Json::array();
  for (const ContainersPolicy::Left& one : policy.left)
    left.push_back({{"what", one.what}, {"reason", one.why}});
  return {{"written", written}, {"left_out", left}};
}

}  // namespace

Result<int> configImportPolicyJson(const Options& options,
                                   const std::vector<std::string>& arguments) {
  std::string who = "root";
  std::string name = "10-containers";
  bool dryRun = false;
  bool force = false;
  const auto operands =
      TRY(parseFlags(arguments, {textFlag("who", who), textFlag("name", name),
                                 boolFlag("dry-run", dryRun), boolFlag("force", force)}));
  if (operands.size() != 1) {
    return refuse(ErrorKind::Invalid, "E_USAGE", "config import-policy-json takes one file",
                  "See " + programName() + " help config");
  }
  TRY(checkWho(who));
  const PolicySources sources{
      .readKey = [](const std::string& path) { return readWhole(path, limits::kKeyFileBytes); },
      .fingerprintOf = [](const std::string& content) -> Result<KeyFingerprint> {
        return TRY(inspectKey(content)).fingerprint;
      }};
  const ContainersPolicy policy = TRY(translateContainersPolicy(
      TRY(readWhole(operands.front(), limits::kPolicyFileBytes)), who, sources));
  const std::vector<PlannedFile> files = planOf(policy, name);
  if (!force) TRY(checkTarget(files, options.localConfig));
  if (!dryRun) TRY(writeAll(files, options.localConfig));
  if (options.json) {
    printJson(toJson(files, policy, options.localConfig));
    return 0;
  }
  tell(files, policy, options.localConfig, dryRun);
  note("Keys that were trusted before are trusted still: see " + programName() + " trust list\n");
  return 0;
}

}  // namespace airlock::cli
