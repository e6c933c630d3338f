// SPDX-License-Identifier: Apache-2.0
#include "store/import.h"

#include "base/syscall.h"
#include "priv-helper/server.h"
#include "store/image_removal.h"
#include "store/roles.h"

namespace airlock::helper {

Result<Answer> import(Server& server, ipc::ImportRequest request, ipc::FdTable fds) {
  TRY(fds.expect(request.hasSignature ? 2 : 1));
  // Before a byte is read: somebody who may import nothing makes us do nothing.
  TRY(server.authoriser.some(Verb::Fetch));
  const auto mayKeep = [&](const ImageName& name) -> Result<std::string> {
    return TRY(server.authoriser.import({name.text(), request.skipSignature})).rule();
  };
  if (request.name) TRY(mayKeep(*request.name));
  const Fd image = TRY(fds.take(0));
  std::optional<Fd> signature;
  if (request.hasSignature) signature = TRY(fds.take(1));
  const store::ImportInput input{
      .image = image,
      .signature = signature ? std::optional(signature->ref()) : std::nullopt,
      .name = request.name,
      .labels = request.labels,
      .origin = request.origin,
      .skipSignature = request.skipSignature,
      .importerUid = server.peer.uid};
  auto outcome = TRY(store::importImage(server.store, TRY(store::RoleStarter::create()),
                                        server.keys, input, mayKeep));
  return std::visit([](auto& reply) { return Answer{std::move(reply), {}}; }, outcome);
}

Result<Answer> removeImage(Server& server, ipc::RemoveImageRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::RemoveImage));
  const auto record = TRY(server.store.require(request.image));
  TRY(server.authoriser.owned({Verb::RemoveImage, record.importerUid}));
  TRY(store::removeImage(server.store, server.pods, record.image));
  return Answer{ipc::Done{}, {}};
}

Result<Answer> collectImages(Server& server, ipc::CollectImagesRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::RemoveImage));
  const auto mayRemove = [&](const ipc::CatalogRecord& record) {
    return server.authoriser.owned({Verb::RemoveImage, record.importerUid}).has_value();
  };
  return Answer{
      TRY(store::collectImages(server.store, server.pods, request.graceSeconds, mayRemove)), {}};
}

Result<Answer> openImage(Server& server, ipc::OpenImageRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Run));
  const auto record = TRY(server.store.require(request.image));
  TRY(server.authoriser.read(record.name));
  Answer answer{ipc::ImageOpened{}, {}};
  answer.fds.push_back(
      TRY(request.tree ? server.store.openTree(record) : server.store.openBlob(record)));
  return answer;
}

Result<Answer> verifyImage(Server& server, ipc::VerifyImageRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Fetch));
  const auto record = TRY(server.store.require(request.image));
  TRY(server.authoriser.import({record.name.text(), false}));
  return Answer{TRY(store::verifyStored(server.store, TRY(store::RoleStarter::create()),
                                        server.keys, record)),
                {}};
}

}  // namespace airlock::helper
