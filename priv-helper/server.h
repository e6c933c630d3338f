// SPDX-License-Identifier: Apache-2.0
// One connection, one request, one answer: everything the handlers of a request share.  Helper
// only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/trail.h"
#include "base/result.h"
#include "ipc/channel.h"
#include "ipc/helper_messages.h"
#include "ipc/peer.h"
#include "policy/policy.h"
#include "priv-helper/authorise.h"
#include "store/keystore.h"
#include "store/pod_dir.h"
#include "store/store.h"

namespace airlock::helper {

// From the helper's own command line, given by whoever started it (root), never by a caller.
struct Configuration {
  std::string dataDirectory = store::kSystemDataDirectory;
  std::string localConfig = store::kSystemLocalConfig;
  std::string vendorConfig = store::kSystemVendorConfig;
  std::vector<std::string> configRoots() const { return {vendorConfig, localConfig}; }
  // What --dir=, --local-config= and --system-config= set; nullptr for any other argument.
  std::string* pathOption(std::string_view argument) {
    if (argument.starts_with("--dir=")) return &dataDirectory;
    if (argument.starts_with("--local-config=")) return &localConfig;
    return argument.starts_with("--system-config=") ? &vendorConfig : nullptr;
  }
  std::string runtimeDirectory() const { return store::runtimeDirectoryOf(dataDirectory); }
};

struct Server {
  const Configuration& configuration;
  ipc::Peer& peer;
  bool peerIsParent;  // started by a root caller: its pods become that caller's children
  FdRef hostMounts;   // the mount namespace that we were started in
  Policy policy;
  store::KeyStore keys;
  store::Store store;
  store::PodDirectory pods;
  Authoriser authoriser;  // of the peer
  ipc::Channel& channel;  // to the peer, for a request that takes more than one message
  audit::Trail& trail;    // of this request in the audit record
};

// An answer and the descriptors that go with it.
struct Answer {
  ipc::HelperReply reply;
  std::vector<Fd> fds;
};

// The handlers, one per request; request.cc has the table.
Result<Answer> import(Server& server, ipc::ImportRequest request, ipc::FdTable fds);
Result<Answer> importOci(Server& server, ipc::ImportOciRequest request, ipc::FdTable fds);
Result<Answer> run(Server& server, ipc::RunRequest request, ipc::FdTable fds);
Result<Answer> enter(Server& server, ipc::EnterRequest request, ipc::FdTable fds);
Result<Answer> attach(Server& server, ipc::AttachRequest request, ipc::FdTable fds);
Result<Answer> exportApp(Server& server, ipc::ExportRequest request, ipc::FdTable fds);
Result<Answer> stop(Server& server, ipc::StopRequest request, ipc::FdTable fds);
Result<Answer> removePod(Server& server, ipc::RemovePodRequest request, ipc::FdTable fds);
Result<Answer> collectGarbage(Server& server, ipc::CollectGarbageRequest request, ipc::FdTable fds);
Result<Answer> removeImage(Server& server, ipc::RemoveImageRequest request, ipc::FdTable fds);
Result<Answer> collectImages(Server& server, ipc::CollectImagesRequest request, ipc::FdTable fds);
Result<Answer> openImage(Server& server, ipc::OpenImageRequest request, ipc::FdTable fds);
Result<Answer> verifyImage(Server& server, ipc::VerifyImageRequest request, ipc::FdTable fds);
Result<Answer> explain(Server& server, ipc::ExplainRequest request, ipc::FdTable fds);
Result<Answer> attest(Server& server, ipc::AttestRequest request, ipc::FdTable fds);
Result<Answer> report(Server& server, ipc::ReportRequest request, ipc::FdTable fds);

// Serves the one request that comes over this connection; every failure is told to the peer, and
// logged.
void serve(const Configuration& configuration, Fd connection, bool peerIsParent);

// --listen: accepts connections on the runtime directory's helper.sock, a fresh process for each
// (docs/boundaries.md). Returns only on failure.
Result<void> listenForever(const Configuration& configuration,
                           const std::vector<std::string>& arguments);

}  // namespace airlock::helper
