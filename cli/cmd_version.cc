// SPDX-License-Identifier: Apache-2.0
// airlock version
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/text_output.h"
#include "image/json.h"
#include "image/types.h"

namespace airlock::cli {

Result<int> version(const Options& options, const std::vector<std::string>& arguments) {
  if (!TRY(parseFlags(arguments, {})).empty())
    return refuse(ErrorKind::Invalid, "E_USAGE", "version takes no argument");
#ifdef __clang__
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
  const std::string platform = "linux/" + std::string(image::hostArchitecture());
  const std::string features = "+TPM +SDJOURNAL +SECCOMP +LANDLOCK +EROFS +SELINUX -KVM";
  if (options.json) {
    image::Json document;
    document["airlock"] = AIRLOCK_VERSION;
    document["appc"] = image::kAppcVersion;
    document["compiler"] = compiler;
    document["platform"] = platform;
    document["features"] = features;
    printJson(document);
    return 0;
  }
  out(programName() + " Version: " + AIRLOCK_VERSION +
      "\nappc Version: " + std::string(image::kAppcVersion) + "\nC++ Compiler: " + compiler +
      "\nOS/Arch: " + platform + "\nFeatures: " + features + "\n");
  return 0;
}

}  // namespace airlock::cli
