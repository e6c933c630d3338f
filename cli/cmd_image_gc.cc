// SPDX-License-Identifier: Apache-2.0
// airlock image gc
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "cli/command.h"
#include "cli/go_format.h"
#include "cli/options.h"
#include "cli/own_store.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {
constexpr std::int64_t kSecond = 1'000'000'000;
}

Result<int> imageCollect(const Options& options, const std::vector<std::string>& arguments) {
  std::int64_t grace = std::int64_t{24} * 60 * 60 * kSecond;
  const auto setGrace = [&](const std::string& value) -> Result<void> {
    grace = TRY(parseGoDuration(value));
    if (grace < 0) return refuse(ErrorKind::Invalid, "E_USAGE", "a time span cannot be negative");
    return {};
  };
  const auto operands =
      TRY(parseFlags(arguments, {{"grace-period", Flag::Value::Required, setGrace}}));
  if (!operands.empty()) return refuse(ErrorKind::Invalid, "E_USAGE", "takes no argument");
  image::Json document = image::Json::array();
  // Rounded up: no image goes before its time.
  const auto seconds = static_cast<std::uint64_t>((grace + kSecond - 1) / kSecond);
  const auto tell = [&](const ipc::RemovedImage& image) {
    const std::string id = image.image.text();
    document.push_back({{"id", id}, {"name", image.name}});
    if (!options.json) {
      out("successfully removed aci for image: \"" + id + "\" (\"" + printable(image.name) +
          "\")\n");
    }
  };
  const auto removed = TRY(TRY(ImageStore::choose(options)).collect(seconds, tell));
  if (options.json) {
    printJson(document);
  } else if (!removed.empty()) {
    note("gc: " + std::to_string(removed.size()) + " image(s) successfully removed\n");
  }
  return 0;
}

}  // namespace airlock::cli
