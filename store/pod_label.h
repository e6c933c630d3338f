// SPDX-License-Identifier: Apache-2.0
// What SELinux calls a pod: the labels of its processes and files, made of the types that the
// administrator chose and of two categories that are the pod's alone.  The helper takes them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/names.h"
#include "base/result.h"
#include "ipc/helper_messages.h"
#include "ipc/pod_spec.h"
#include "store/mcs.h"

namespace airlock::store {

// The policy's selinux line.
struct LabelPolicy {
  bool containerTypes = false;  // those of container-selinux, instead of our own module's
  CategoryRange range;
  // Its words: "types=airlock|container", "range=c0.c1023".
  Result<void> read(std::span<const std::string_view> words);
};

// Empty texts where SELinux is off.
struct PodLabel {
  std::string process;  // of the apps
  std::string stage1;
  std::string files;  // of what the pod writes
  std::string image;  // of what it only reads, shared with others: has no categories
  std::optional<CategoryPair> pair;
};

// E_SELINUX when SELinux is enabled and its policy lacks a type that pods need (L02); names it, and
// the package that has it.
Result<void> checkTypes(const LabelPolicy& policy);
// Of a pod whose directory exists already; its pair is registered.
Result<PodLabel> takeLabel(FdRef top, const PodId& pod, const LabelPolicy& policy);
// Of a prepared pod, by the policy of today, with the pair in the label that its record has.
Result<PodLabel> takeLabelAgain(FdRef top, const PodId& pod, const LabelPolicy& policy,
                                const std::string& process);
// Of a pod that runs, from its spec.
PodLabel labelOf(const ipc::PodSpec& spec, const LabelPolicy& policy);
// Gives back the pair in the label that the pod's record has; "" is fine.
Result<void> releaseLabel(FdRef top, const PodId& pod, const std::string& process);

// Of the images of every pod; "" where SELinux is off.
std::string imageLabel(const LabelPolicy& policy);
// stage1's label in the pod whose processes have this one.
std::string stage1LabelOf(const std::string& process);
// "airlock_pod_t" of "system_u:system_r:airlock_pod_t:s0:c1,c2".
std::string typeOf(const std::string& label);

// E_SELINUX when SELinux enforces and would deny the pod a host volume with the label that it has;
// `sources` are those of the spec's host volumes, in order.  Nothing of the host is ever labelled
// anew (L08): the refusal says how to.
Result<void> checkVolumes(const PodLabel& label, const ipc::PodSpec& spec,
                          std::span<const Fd> sources);

// The layer "selinux": holds when SELinux enforces, and the types are there.
ipc::Layer selinuxLayer(const LabelPolicy& policy);

}  // namespace airlock::store
