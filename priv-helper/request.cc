// SPDX-License-Identifier: Apache-2.0
// What root can be asked, in one table: the variant's alternatives and their handlers.
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <iterator>
#include <type_traits>
#include <vector>

#include "base/fault.h"
#include "base/log.h"
#include "base/syscall.h"
#include "priv-helper/server.h"
#include "store/engine_facts.h"

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

// As the audit record calls them, in the order of ipc::HelperRequest; handlers say it closer.
constexpr const char* kOperations[] = {
    "import",  "run",    "enter",  "stop",   "rm",       "gc",         "image-rm", "image-verify",
    "explain", "report", "attach", "export", "image-gc", "image-open", "import",   "attest"};
static_assert(std::size(kOperations) == std::variant_size_v<ipc::HelperRequest>);

// What the request is about, before anything is asked: refusals are recorded with it.
void describe(const ipc::HelperRequest& request, audit::Trail& trail) {
  trail.entry.op = kOperations[request.index()];
  const auto visit = [&](const auto& asked) {
    using Asked = std::decay_t<decltype(asked)>;
    if constexpr (requires { asked.pod.bytes(); }) trail.entry.pod = asked.pod;
    if constexpr (requires { asked.image.oci(); })
      trail.entry.subject.text("image", asked.image.text());
    if constexpr (std::is_same_v<Asked, ipc::StopRequest> ||
                  std::is_same_v<Asked, ipc::RemovePodRequest>) {
      if (asked.app) trail.entry.op = "app-" + trail.entry.op;
      if (asked.app) trail.entry.subject.text("app", asked.app->text());
    }
    if constexpr (std::is_same_v<Asked, ipc::AttestRequest>) {
      constexpr const char* names[] = {"quote", "attest-init", "attest-enroll", "attest-activate",
                                       "attest-revoke"};
      trail.entry.op = names[asked.what.index()];
      if (const auto* quote = std::get_if<ipc::QuoteRequest>(&asked.what))
        trail.entry.subject.text(
            "nonce", toHex(std::vector<std::uint8_t>(quote->nonce.begin(), quote->nonce.end())));
    }
    constexpr bool readsOnly = std::is_same_v<Asked, ipc::VerifyImageRequest> ||
                               std::is_same_v<Asked, ipc::ExplainRequest> ||
                               std::is_same_v<Asked, ipc::ReportRequest> ||
                               std::is_same_v<Asked, ipc::OpenImageRequest>;
    if (readsOnly) trail.keepQuiet();
  };
  std::visit(visit, request);
}

Result<Answer> answer(const Configuration& configuration, ipc::Channel& channel, bool peerIsParent,
                      ipc::Message message, ipc::Peer& peer, audit::Trail& trail) {
  ipc::HelperRequest request = TRY(ipc::decodeHelperRequest(message.bytes));
  describe(request, trail);
  const Fd hostMounts = TRY(sys::openPath("/proc/self/ns/mnt", O_RDONLY));
  TRY(enterPrivateMountNamespace());

  Policy policy = TRY(policy::loadPolicy(configuration.configRoots()));
  store::KeyStore keys = TRY(store::KeyStore::open(configuration.configRoots()));
  store::Store store = TRY(store::Store::openForWriting(configuration.dataDirectory));
  trail.at(TRY(sys::duplicate(store.top())));
  const std::string trust = store::trustListing(TRY(keys.all()));
  trail.govern({policy.digest, policy.content, digestOf(trust), trust}, policy.demands("audit"));
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
                .channel = channel,
                .trail = trail};
  return std::visit(Dispatch{server, std::move(message.fds)}, request);
}

// The record has each refusal, of what is no request too, and how each decision ended.
Result<Answer> answerAndRecord(const Configuration& configuration, ipc::Channel& channel,
                               bool peerIsParent) {
  auto message = TRY(channel.receive(deadline(kRequestMilliseconds)));
  if (!message) return refuse(ErrorKind::Invalid, "E_REQUEST", "closed without a request");
  ipc::Peer peer = TRY(ipc::identifyPeer(channel.fd()));
  audit::Trail trail(audit::identify(peer, channel.fd()));
  trail.entry.op = "request";
  if (auto top = sys::openPath(configuration.dataDirectory, O_RDONLY | O_DIRECTORY))
    trail.at(*std::move(top));
  auto answered = answer(configuration, channel, peerIsParent, *std::move(message), peer, trail);
  trail.close(answered ? nullptr : &answered.error());
  return answered;
}

}  // namespace

void serve(const Configuration& configuration, Fd connection, bool peerIsParent) {
  ipc::Channel channel(std::move(connection));
  auto answered = answerAndRecord(configuration, channel, peerIsParent);
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
