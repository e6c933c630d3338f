// SPDX-License-Identifier: Apache-2.0
// Looking at the pods of a data directory: no helper is asked.  The pod commands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/command.h"
#include "store/pod_dir.h"
#include "store/store.h"

namespace airlock::cli {

struct OpenedPods {
  store::Store store;
  store::PodDirectory pods;
};
// nullopt: nothing was ever stored or run there.
Result<std::optional<OpenedPods>> openPods(const Options& options);

// The pod with this UUID, with this name, or with a UUID that alone begins so.  E_AMBIGUOUS when
// one pod is called as another's UUID begins: nobody can put a pod in the place of another.
// E_BROKEN: there is nothing to be read of it, which only `rm` can do without.
Result<store::Pod> findPod(const Options& options, std::string_view text, bool broken = false);

// The UUIDs meant by operands and --uuid-file ("" when not given); E_USAGE-like refusal when there
// are none.
Result<std::vector<std::string>> podOperands(std::vector<std::string> operands,
                                             const std::string& uuidFile);

// rkt's refusal of a pod that does not run.
Result<void> requireRunning(const store::Pod& pod);
// The app that `wanted` names, or the only one; rkt's list of them where there are several.
Result<AppName> chooseApp(const store::Pod& pod, const std::string& wanted,
                          const std::string& command);

// "stop: TEXT\n" on stderr.
void complain(std::string_view command, std::string_view text);

}  // namespace airlock::cli
