// SPDX-License-Identifier: Apache-2.0
// What every subcommand of airlock gets and gives back.  CLI only.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "store/layout.h"

namespace airlock::cli {

// --insecure-options=LIST, rkt's names and meanings.
struct Insecure {
  bool image = false;   // no signature check
  bool tls = false;     // no certificate check
  bool http = false;    // plain HTTP for discovery and images
  bool pubkey = false;  // keys over plain HTTP
  bool capabilities = false;
  bool paths = false;
  bool seccomp = false;
};

// The flags that every subcommand takes, before or after its name.
struct Options {
  std::string dir = store::kSystemDataDirectory;
  bool dirGiven = false;
  std::string localConfig = store::kSystemLocalConfig;
  std::string systemConfig = store::kSystemVendorConfig;
  std::string userConfig;
  Insecure insecure;
  std::string authFile;  // credentials for registries, and no others; empty: where other tools look
  bool debug = false;
  bool trustKeysFromHttps = false;
  bool json = false;

  std::vector<std::string> configRoots() const {
    std::vector<std::string> roots = {systemConfig, localConfig};
    if (!userConfig.empty()) roots.push_back(userConfig);
    return roots;
  }
};

// rkt's exit codes: the app's own for run and enter, else these.
inline constexpr int kExitFailure = 254;
inline constexpr int kExitNoCommand = 2;

// `arguments` are what stands after the subcommand's name, global flags already taken out.
using CommandFunction = Result<int> (*)(const Options& options,
                                        const std::vector<std::string>& arguments);

struct Command {
  const char* name;     // "fetch", "image list"
  const char* usage;    // "[--signature=FILE] IMAGE..."
  const char* summary;  // one line for `airlock help`
  const char* help;     // the options, as airlock(1) has them
  CommandFunction function;
  bool needsPaths = true;  // false: works with a broken configuration
};

// One per subcommand; main.cc has the table.
Result<int> attach(const Options& options, const std::vector<std::string>& arguments);
Result<int> exportApp(const Options& options, const std::vector<std::string>& arguments);
Result<int> logs(const Options& options, const std::vector<std::string>& arguments);
Result<int> fetch(const Options& options, const std::vector<std::string>& arguments);
Result<int> trust(const Options& options, const std::vector<std::string>& arguments);
Result<int> trustList(const Options& options, const std::vector<std::string>& arguments);
Result<int> trustRemove(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageList(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageCatManifest(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageVerify(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageCollect(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageExport(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageExtract(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageRender(const Options& options, const std::vector<std::string>& arguments);
Result<int> imageRemove(const Options& options, const std::vector<std::string>& arguments);
Result<int> run(const Options& options, const std::vector<std::string>& arguments);
Result<int> prepare(const Options& options, const std::vector<std::string>& arguments);
Result<int> runPrepared(const Options& options, const std::vector<std::string>& arguments);
Result<int> appSandbox(const Options& options, const std::vector<std::string>& arguments);
Result<int> appAdd(const Options& options, const std::vector<std::string>& arguments);
Result<int> appStart(const Options& options, const std::vector<std::string>& arguments);
Result<int> appStop(const Options& options, const std::vector<std::string>& arguments);
Result<int> appRemove(const Options& options, const std::vector<std::string>& arguments);
Result<int> appList(const Options& options, const std::vector<std::string>& arguments);
Result<int> appStatus(const Options& options, const std::vector<std::string>& arguments);
Result<int> enter(const Options& options, const std::vector<std::string>& arguments);
Result<int> list(const Options& options, const std::vector<std::string>& arguments);
Result<int> status(const Options& options, const std::vector<std::string>& arguments);
Result<int> stop(const Options& options, const std::vector<std::string>& arguments);
Result<int> removePods(const Options& options, const std::vector<std::string>& arguments);
Result<int> collectGarbage(const Options& options, const std::vector<std::string>& arguments);
Result<int> catManifest(const Options& options, const std::vector<std::string>& arguments);
Result<int> policyExplain(const Options& options, const std::vector<std::string>& arguments);
Result<int> tpmLog(const Options& options, const std::vector<std::string>& arguments);
Result<int> attestInit(const Options& options, const std::vector<std::string>& arguments);
Result<int> attestRevoke(const Options& options, const std::vector<std::string>& arguments);
Result<int> attestEnroll(const Options& options, const std::vector<std::string>& arguments);
Result<int> attestActivate(const Options& options, const std::vector<std::string>& arguments);
Result<int> attestQuote(const Options& options, const std::vector<std::string>& arguments);
Result<int> attestVerify(const Options& options, const std::vector<std::string>& arguments);
Result<int> attestChallenge(const Options& options, const std::vector<std::string>& arguments);
Result<int> auditQuery(const Options& options, const std::vector<std::string>& arguments);
Result<int> auditExport(const Options& options, const std::vector<std::string>& arguments);
Result<int> auditProve(const Options& options, const std::vector<std::string>& arguments);
Result<int> auditReportPage(const Options& options, const std::vector<std::string>& arguments);
Result<int> policyDiff(const Options& options, const std::vector<std::string>& arguments);
Result<int> trustWhy(const Options& options, const std::vector<std::string>& arguments);
Result<int> auditShow(const Options& options, const std::vector<std::string>& arguments);
Result<int> auditVerify(const Options& options, const std::vector<std::string>& arguments);
Result<int> doctor(const Options& options, const std::vector<std::string>& arguments);
Result<int> config(const Options& options, const std::vector<std::string>& arguments);
Result<int> configImportRkt(const Options& options, const std::vector<std::string>& arguments);
Result<int> configImportPolicyJson(const Options& options,
                                   const std::vector<std::string>& arguments);
Result<int> completion(const Options& options, const std::vector<std::string>& arguments);
Result<int> metadataService(const Options& options, const std::vector<std::string>& arguments);
Result<int> version(const Options& options, const std::vector<std::string>& arguments);

}  // namespace airlock::cli
