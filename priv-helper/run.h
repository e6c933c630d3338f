// SPDX-License-Identifier: Apache-2.0
// What the start of a pod and that of an app in a sandbox have in common.  Helper only.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/run_descriptors.h"
#include "priv-helper/server.h"

namespace airlock::helper {

// What is about to start; `images` one per app.
struct StartFacts {
  const ipc::PodSpec& spec;
  std::span<const ipc::CatalogRecord> images;
  const std::string& specBytes;
  const std::string& manifest;
  uid_t firstUid;
};
struct MeasuredStart {
  Fd stage1;                           // that was measured, and is to be started
  std::vector<std::vector<Fd>> trees;  // of the images
  std::vector<ipc::Layer> layers;      // what holds; all that policy requires does
  std::string measured;                // for the record
};
// From here on the log says that it starts; if it does not come to that, it must also say "abort".
Result<MeasuredStart> measureStart(Server& server, const StartFacts& start);

// This peer, images that are in the store, by signers who are trusted now, with what is asked for.
Result<Authorised<RunQuestion>> authoriseStart(Server& server, ipc::PodSpec spec,
                                               const ipc::RunDescriptors& received);

// app.cc: a RunRequest with a sandbox adds an app to it, or starts one.
Result<Answer> runInSandbox(Server& server, ipc::RunRequest request, ipc::RunDescriptors received);

// Of a stop that is about one app; the caller may stop the pod.
Result<Answer> stopApp(Server& server, const store::Pod& pod, const AppName& name, bool force);

}  // namespace airlock::helper
