// SPDX-License-Identifier: Apache-2.0
#include "store/pod_label.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/syscall.h"
#include "sandbox/exec_label.h"
#include "sandbox/selinux.h"

namespace airlock::store {

namespace {

// selinux-policy/ has ours; container-selinux has the others, which stand in for the pod alone: the
// engine's own domains are ours on every host.
struct Types {
  const char* process;
  const char* files;
  const char* image;
  const char* package;
};
constexpr Types kOurs = {"airlock_pod_t", "airlock_pod_file_t", "airlock_pod_ro_t",
                         "airlock-selinux"};
constexpr Types kContainer = {"container_t", "container_file_t", "container_ro_file_t",
                              "container-selinux"};
constexpr const char* kStage1 = "airlock_stage1_t";
constexpr const char* kOurPackage = "airlock-selinux";

const Types& typesOf(const LabelPolicy& policy) {
  return policy.containerTypes ? kContainer : kOurs;
}

std::string processLabel(const char* type, const std::string& level) {
  return std::string("system_u:system_r:") + type + ":" + level;
}
std::string fileLabel(const char* type, const std::string& level) {
  return std::string("system_u:object_r:") + type + ":" + level;
}

struct Missing {
  std::string type;
  std::string package;
};
// The kernel is asked, not a file of the distribution (L02).
std::optional<Missing> missingType(const LabelPolicy& policy) {
  const Types& types = typesOf(policy);
  const std::string level = "s0:c0,c1";
  if (!sandbox::isLabelKnown(processLabel(kStage1, level))) return Missing{kStage1, kOurPackage};
  if (!sandbox::isLabelKnown(processLabel(types.process, level)))
    return Missing{types.process, types.package};
  if (!sandbox::isLabelKnown(fileLabel(types.files, level)))
    return Missing{types.files, types.package};
  if (!sandbox::isLabelKnown(fileLabel(types.image, "s0")))
    return Missing{types.image, types.package};
  return std::nullopt;
}

bool isOff() { return sandbox::selinuxMode() == sandbox::SelinuxMode::Disabled; }

// After the third colon: a level has one of its own.
std::string_view levelOf(std::string_view label) {
  for (int i = 0; i < 3; ++i) {
    const auto colon = label.find(':');
    if (colon == label.npos) return {};
    label.remove_prefix(colon + 1);
  }
  return label;
}

}  // namespace

Result<void> LabelPolicy::read(std::span<const std::string_view> words) {
  for (const std::string_view word : words) {
    const auto chosen =
        CategoryRange::parse(word.substr(std::min(word.find('=') + 1, word.size())));
    if (word == "types=airlock" || word == "types=container") {
      containerTypes = word == "types=container";
    } else if (word.starts_with("range=") && chosen) {
      range = *chosen;
    } else {
      return fail(ErrorKind::Invalid,
                  "types= takes airlock or container, and range= two categories such as c0.c1023; "
                  "found " +
                      quoted(word));
    }
  }
  return {};
}

std::string typeOf(const std::string& label) {
  const std::string_view level = levelOf(label);
  if (level.empty()) return {};
  std::string_view rest(label.data(), label.size() - level.size() - 1);
  return std::string(rest.substr(rest.rfind(':') + 1));
}

Result<void> checkTypes(const LabelPolicy& policy) {
  if (isOff()) return {};
  const auto missing = missingType(policy);
  if (!missing) return {};
  return refuse(ErrorKind::Unsupported, "E_SELINUX",
                "SELinux is enabled, and its policy has no type " + missing->type +
                    ": the pod could not be told from others",
                "Install the package " + missing->package);
}

namespace {

PodLabel labelWith(const CategoryPair& pair, const LabelPolicy& policy) {
  PodLabel label;
  const Types& types = typesOf(policy);
  label.pair = pair;
  label.process = processLabel(types.process, pair.level());
  label.stage1 = stage1LabelOf(label.process);
  label.files = fileLabel(types.files, pair.level());
  label.image = imageLabel(policy);
  return label;
}

}  // namespace

Result<PodLabel> takeLabel(FdRef top, const PodId& pod, const LabelPolicy& policy) {
  if (isOff()) return PodLabel();
  TRY(checkTypes(policy));
  const Fd proc = TRY(sandbox::openProc("/proc"));
  return labelWith(TRY(takeCategories(top, pod, policy.range, categoriesOfProcesses(proc))),
                   policy);
}

Result<PodLabel> takeLabelAgain(FdRef top, const PodId& pod, const LabelPolicy& policy,
                                const std::string& process) {
  if (isOff()) return PodLabel();
  TRY(checkTypes(policy));
  const auto pair = CategoryPair::ofLevel(levelOf(process));
  // Prepared while SELinux was off.
  return pair ? labelWith(*pair, policy) : takeLabel(top, pod, policy);
}

Result<void> releaseLabel(FdRef top, const PodId& pod, const std::string& process) {
  const auto pair = CategoryPair::ofLevel(levelOf(process));
  return pair ? releaseCategories(top, pod, *pair) : Result<void>();
}

PodLabel labelOf(const ipc::PodSpec& spec, const LabelPolicy& policy) {
  return {.process = spec.selinuxProcess,
          .stage1 = stage1LabelOf(spec.selinuxProcess),
          .files = spec.selinuxMount,
          .image = imageLabel(policy),
          .pair = CategoryPair::ofLevel(levelOf(spec.selinuxProcess))};
}

std::string imageLabel(const LabelPolicy& policy) {
  return isOff() ? "" : fileLabel(typesOf(policy).image, "s0");
}

std::string stage1LabelOf(const std::string& process) {
  if (process.empty()) return {};
  return processLabel(kStage1, std::string(levelOf(process)));
}

namespace {

Result<void> checkVolume(const PodLabel& label, FdRef source, const std::string& name,
                         bool readOnly) {
  const std::string file = TRY(sandbox::labelOfFile(source));
  // Without a label of its own its file system has one for all, which only the kernel knows.
  if (file.empty()) return {};
  const bool directory = S_ISDIR(TRY(sys::status(source)).st_mode);
  if (TRY(sandbox::mayUse(label.process, file, directory, !readOnly))) return {};
  const std::string type = typeOf(readOnly ? label.image : label.files);
  return refuse(
      ErrorKind::Denied, "E_SELINUX",
      "SELinux would deny the pod its volume " + name + ", which is labelled " + printable(file),
      "If every pod may use it, label it: chcon -R -t " + type + " -l s0 DIRECTORY");
}

}  // namespace

Result<void> checkVolumes(const PodLabel& label, const ipc::PodSpec& spec,
                          std::span<const Fd> sources) {
  if (sandbox::selinuxMode() != sandbox::SelinuxMode::Enforcing) return {};
  auto source = sources.begin();
  for (const ipc::VolumeSpec& volume : spec.volumes) {
    if (volume.kind != ipc::VolumeKind::Host || source == sources.end()) continue;
    const FdRef each = *source++;
    // Its journal is shown where no app is.
    if (volume.name.text() == spec.journal) continue;
    TRY(checkVolume(label, each, volume.name.text(), volume.readOnly));
  }
  return {};
}

ipc::Layer selinuxLayer(const LabelPolicy& policy) {
  const sandbox::SelinuxMode mode = sandbox::selinuxMode();
  if (mode == sandbox::SelinuxMode::Disabled)
    return {"selinux", false, "SELinux is not enabled on this host"};
  if (const auto missing = missingType(policy)) {
    return {"selinux", false,
            "SELinux is enabled, but its policy has no type " + missing->type + " of the package " +
                missing->package + ": no pod starts"};
  }
  if (mode == sandbox::SelinuxMode::Permissive)
    return {"selinux", false, "permissive: pods are labelled, and nothing is denied to them"};
  return {"selinux", true,
          std::string("enforcing: each pod is ") + typesOf(policy).process +
              " with two categories of its own"};
}

}  // namespace airlock::store
