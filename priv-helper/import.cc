// SPDX-License-Identifier: Apache-2.0
#include "store/import.h"

#include "priv-helper/server.h"
#include "store/roles.h"

namespace airlock::helper {

Result<Answer> import(Server& server, ipc::ImportRequest request, ipc::FdTable fds) {
  TRY(fds.expect(request.hasSignature ? 2 : 1));
  // Before a byte is read: somebody who may import nothing makes us do nothing.
  TRY(server.authoriser.some(Verb::Fetch));
  if (request.name) {
    TRY(server.authoriser.import({request.name->text(), request.skipSignature}));
  }
  const Fd image = TRY(fds.take(0));
  std::optional<Fd> signature;
  if (request.hasSignature) signature = TRY(fds.take(1));

  const store::RoleStarter starter = TRY(store::RoleStarter::create());
  store::Store::Staged staged = TRY(
      store::stageImport(server.store, starter, server.keys,
                         {.image = image,
                          .signature = signature ? std::optional(signature->ref()) : std::nullopt,
                          .name = request.name,
                          .labels = request.labels,
                          .origin = request.origin,
                          .skipSignature = request.skipSignature,
                          .importerUid = server.peer.uid}));
  // Now the image has a name of its own, and policy decides about that one.
  const auto authorised =
      TRY(server.authoriser.import({staged.record.name.text(), request.skipSignature}));
  staged.record.rule = authorised.rule();
  ipc::Imported imported{.image = staged.record.image,
                         .name = staged.record.name,
                         .labels = staged.record.labels,
                         .signers = staged.record.signers};
  imported.alreadyThere = !TRY(server.store.commit(std::move(staged)));
  return Answer{std::move(imported), {}};
}

Result<Answer> removeImage(Server& server, ipc::RemoveImageRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::RemoveImage));
  const auto record = TRY(server.store.find(request.image));
  if (!record) return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no such image in the store");
  TRY(server.authoriser.owned({Verb::RemoveImage, record->importerUid}));
  TRY(server.store.remove(*record, &server.pods));
  return Answer{ipc::Done{}, {}};
}

Result<Answer> verifyImage(Server& server, ipc::VerifyImageRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Fetch));
  const auto record = TRY(server.store.find(request.image));
  if (!record) return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no such image in the store");
  TRY(server.authoriser.import({record->name.text(), false}));
  const store::RoleStarter starter = TRY(store::RoleStarter::create());
  return Answer{TRY(store::verifyStored(server.store, starter, server.keys, *record)), {}};
}

}  // namespace airlock::helper
