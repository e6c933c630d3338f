// SPDX-License-Identifier: Apache-2.0
// airlock fetch
#include <nlohmann/json.hpp>
#include <vector>

#include "cli/command.h"
#include "cli/obtain_image.h"
#include "cli/options.h"
#include "cli/text_output.h"
#include "image/json.h"
#include "store/signature_demand.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kShortDigits = 32;  // as rkt prints an image that it has fetched

struct Wanted {
  std::string image;
  std::string signature;
};

}  // namespace

Result<int> fetch(const Options& options, const std::vector<std::string>& arguments) {
  std::vector<Wanted> wanted;
  bool full = false;
  bool storeOnly = false;
  bool noStore = false;
  PullPolicy policy = PullPolicy::Update;
  const auto setSignature = [&](const std::string& value) -> Result<void> {
    if (wanted.empty())
      return refuse(ErrorKind::Invalid, "E_USAGE", "--signature must follow an image");
    wanted.back().signature = value;
    return {};
  };
  const auto setPolicy = [&](const std::string& value) -> Result<void> {
    policy = TRY(parsePullPolicy(value));
    return {};
  };
  TRY(parseFlags(arguments,
                 {boolFlag("full", full),
                  boolFlag("store-only", storeOnly),
                  boolFlag("local", storeOnly),
                  boolFlag("no-store", noStore),
                  {"signature", Flag::Value::Required, setSignature},
                  {"pull-policy", Flag::Value::Required, setPolicy}},
                 [&](const std::string& word) -> Result<void> {
                   wanted.push_back({word, ""});
                   return {};
                 }));
  if (storeOnly && noStore) {
    return refuse(ErrorKind::Invalid, "E_USAGE", "both --store-only and --no-store specified");
  }
  if (storeOnly) policy = PullPolicy::Never;
  if (noStore) policy = PullPolicy::Update;
  if (wanted.empty())
    return refuse(ErrorKind::Invalid, "E_USAGE", "must provide at least one image");
  image::Json all = image::Json::array();
  for (const Wanted& one : wanted) {
    const ipc::CatalogRecord record = TRY(obtainImage(options, one.image, one.signature, policy));
    const std::string id = full ? record.image.text() : record.image.shortText(kShortDigits);
    if (!options.json) {
      out(id + "\n");
      continue;
    }
    image::Json signers = image::Json::array();
    for (const ipc::Signer& signer : record.signers) {
      signers.push_back({{"fingerprint", signer.fingerprint.text()},
                         {"identity", signer.userId},
                         {"kind", ipc::toString(store::kindOf(signer))}});
    }
    all.push_back({{"id", record.image.text()},
                   {"name", displayName(record.name, record.labels)},
                   {"signers", signers},
                   {"origin", record.origin}});
  }
  if (options.json) printJson(all);
  return 0;
}

}  // namespace airlock::cli
