// SPDX-License-Identifier: Apache-2.0
#include "cli/in_message.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "cli/text_output.h"
#include "image/pod_manifest.h"

namespace airlock::cli {

Result<int> catManifest(const Options& options, const std::vector<std::string>& arguments) {
  bool pretty = true;
  std::string uuidFile;
  FlagSet flags;
  flags.boolean("pretty-print", pretty);
  flags.value("uuid-file", [&](const std::string& value) -> Result<void> {
    uuidFile = value;
    return {};
  });
  const auto operands = TRY(podOperands(TRY(flags.parseAll(arguments)), uuidFile));
  if (operands.size() != 1)
    return refuse(ErrorKind::Invalid, "E_FLAG", "cat-manifest takes one pod");
  const store::Pod pod =
      TRY(inMessage(findPod(options, operands.front()), "problem retrieving pod"));
  const image::PodManifest manifest = TRY(podManifestOf(pod));
  out(image::toJson(manifest, pretty ? image::JsonStyle::Pretty : image::JsonStyle::Compact) +
      "\n");
  return 0;
}

}  // namespace airlock::cli
