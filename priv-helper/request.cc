// SPDX-License-Identifier: Apache-2.0
// What root can be asked, in one table: the variant's alternatives and their handlers.
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/syscall.h"
#include "priv-helper/server.h"

namespace airlock::helper {

namespace {

constexpr int kRequestMilliseconds = 10'000;  // I04: a connection that says nothing is not kept

struct Dispatch {
  Server& server;
  ipc::FdTable fds;
  ipc::FdTable all() { return std::move(fds); }

  Result<Answer> operator()(ipc::ImportRequest& r) { return import(server, r, all()); }
  Result<Answer> operator()(ipc::ImportOciRequest& r) { return importOci(server, r, all()); }
  Result<Answer> operator()(ipc::RunRequest& r) { return run(server, r, all()); }
  Result<Answer> operator()(ipc::EnterRequest& r) { return enter(server, r, all()); }
  Result<Answer> operator()(ipc::AttachRequest& r) { return attach(server, r, all()); }
  Result<Answer> operator()(ipc::ExportRequest& r) { return exportApp(server, r, all()); }
  Result<Answer> operator()(ipc::StopRequest& r) { return stop(server, r, all()); }
  Result<Answer> operator()(ipc::RemovePodRequest& r) { return removePod(server, r, all()); }
  Result<Answer> operator()(ipc::CollectGarbageRequest& r) {
    return collectGarbage(server, r, all());
  }
  Result<Answer> operator()(ipc::RemoveImageRequest& r) { return removeImage(server, r, all()); }
  Result<Answer> operator()(ipc::VerifyImageRequest& r) { return verifyImage(server, r, all()); }
  Result<Answer> operator()(ipc::CollectImagesRequest& r) {
    return collectImages(server, r, all());
  }
  Result<Answer> operator()(ipc::OpenImageRequest& r) { return openImage(server, r, all()); }
  Result<Answer> operator()(ipc::ExplainRequest& r) { return explain(server, r, all()); }
  Result<Answer> operator()(ipc::ReportRequest& r) { return report(server, r, all()); }
  Result<Answer> operator()(ipc::AttestRequest& r) { return attest(server, r, all()); }
};

// Mounts of ours exist here alone.  Before any directory is opened: a descriptor belongs to the
// namespace it was opened in, and overlayfs takes layers of its own namespace only.
Result<void> enterPrivateMountNamespace() {
  if (::unshare(CLONE_NEWNS) != 0) return failErrno("unshare the mount namespace");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return failErrno("make / private");
  return {};
}

Result<Answer> answer(const Configuration& configuration, ipc::Channel& channel,
                      bool peerIsParent) {
  auto message = TRY(channel.receive(deadline(kRequestMilliseconds)));
  if (!message) return refuse(ErrorKind::Invalid, "E_REQUEST", "closed without a request");
  ipc::HelperRequest request = TRY(ipc::decodeHelperRequest(message->bytes));
  ipc::Peer peer = TRY(ipc::identifyPeer(channel.fd()));
  const Fd hostMounts = TRY(sys::openPath("/proc/self/ns/mnt", O_RDONLY));
  TRY(enterPrivateMountNamespace());

  Policy policy = TRY(policy::loadPolicy(configuration.configRoots()));
  store::KeyStore keys = TRY(store::KeyStore::open(configuration.configRoots()));
  store::Store store = TRY(store::Store::openForWriting(configuration.dataDirectory));
  store::PodDirectory pods = TRY(store::PodDirectory::openForWriting(store.top()));
  std::vector<gid_t> groups = peer.groups;
  groups.push_back(peer.gid);
  Server server{.configuration = configuration,
                .peer = peer,
                .peerIsParent = peerIsParent && peer.pid == ::getppid(),
                .hostMounts = hostMounts,
                .policy = std::move(policy),
                .keys = std::move(keys),
                .store = std::move(store),
                .pods = std::move(pods),
                .authoriser = Authoriser(server.policy, server.keys, peer.uid, std::move(groups)),
                .channel = channel};
  return std::visit(Dispatch{server, std::move(message->fds)}, request);
}

}  // namespace

void serve(const Configuration& configuration, Fd connection, bool peerIsParent) {
  ipc::Channel channel(std::move(connection));
  auto answered = answer(configuration, channel, peerIsParent);
  if (!answered) {
    log(LogLevel::Warn, "helper", answered.error().text());
    answered = Answer{ipc::Failure{std::move(answered.error())}, {}};
  }
  std::vector<FdRef> fds;
  for (const Fd& fd : answered->fds) fds.push_back(fd);
  auto bytes = ipc::encode(answered->reply);
  if (!bytes) {
    fds.clear();
    bytes = ipc::encode(ipc::HelperReply(ipc::Failure{std::move(bytes.error())}));
  }
  // A peer that has gone away takes nothing with it: what was done stands, and the pod's leash
  // tells stage1.
  if (bytes) static_cast<void>(channel.send(*bytes, fds));
}

}  // namespace airlock::helper
