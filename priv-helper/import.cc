// SPDX-License-Identifier: Apache-2.0
#include "store/import.h"

#include "base/limits.h"
#include "base/sealed.h"
#include "priv-helper/server.h"
#include "store/image_removal.h"
#include "store/oci_import.h"

namespace airlock::helper {

namespace {
store::MayKeep mayKeepFor(const Server& server, bool skipSignature) {
  return [&server, skipSignature](const ipc::CatalogRecord& found) -> Result<std::string> {
    audit::addImage(server.trail.entry.subject, found);
    std::string rule =
        TRY(server.authoriser.import({found.name.text(), skipSignature, &found})).rule();
    server.trail.entry.rule = rule;
    TRY(server.trail.allow());
    return rule;
  };
}
}  // namespace

Result<Answer> import(Server& server, ipc::ImportRequest request, ipc::FdTable fds) {
  TRY(fds.expect(request.hasSignature ? 2 : 1));
  // Before a byte is read: somebody who may import nothing makes us do nothing.
  server.trail.entry.subject.text("origin", request.origin);
  if (request.name) server.trail.entry.subject.text("name", request.name->text());
  TRY(server.authoriser.some(Verb::Fetch));
  if (request.name) TRY(server.authoriser.import({request.name->text(), request.skipSignature}));
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
  auto outcome =
      TRY(store::importImage(server.store, TRY(store::RoleStarter::create()), server.keys, input,
                             mayKeepFor(server, request.skipSignature)));
  if (std::holds_alternative<ipc::DependenciesMissing>(outcome)) server.trail.entry.lacks = true;
  return std::visit([](auto& reply) { return Answer{std::move(reply), {}}; }, outcome);
}

// Documents first, and then the layers that the store lacks, as they come: the peer may be
// downloading them.  No lock is held in between, and nothing is kept before the last.
Result<Answer> importOci(Server& server, ipc::ImportOciRequest request, ipc::FdTable fds) {
  TRY(fds.expect(request.hasIndex ? 4 : 3));
  server.trail.entry.subject.text("origin", request.origin);
  server.trail.entry.subject.text("name", request.name.text());
  TRY(server.authoriser.some(Verb::Fetch));
  TRY(server.authoriser.import({request.name.text(), request.skipSignature}));
  const auto pinned = [&](const ImageId& id) { return server.authoriser.pins(request.name, id); };
  std::vector<std::string> documents;
  for (std::size_t i = 0; i < fds.size(); ++i)
    documents.push_back(TRY(TRY(Sealed::check(TRY(fds.take(i)), limits::kOciConfigBytes)).read()));
  documents.resize(4);
  const auto starter = TRY(store::RoleStarter::create());
  store::OciImport import = TRY(store::OciImport::begin(server.store, starter, server.keys,
                                                        {.manifest = documents[0],
                                                         .config = documents[1],
                                                         .signatures = documents[2],
                                                         .index = documents[3],
                                                         .name = request.name,
                                                         .labels = request.labels,
                                                         .origin = request.origin,
                                                         .skipSignature = request.skipSignature,
                                                         .importerUid = server.peer.uid,
                                                         .pinned = pinned},
                                                        mayKeepFor(server, request.skipSignature)));
  TRY(import.receiveLayers(server.channel));
  return Answer{TRY(std::move(import).finish()), {}};
}

Result<Answer> removeImage(Server& server, ipc::RemoveImageRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::RemoveImage));
  const auto record = TRY(server.store.require(request.image));
  server.trail.entry.subject.text("name", record.name.text());
  server.trail.entry.rule =
      TRY(server.authoriser.owned({Verb::RemoveImage, record.importerUid})).rule();
  TRY(server.trail.allow());
  TRY(store::removeImage(server.store, server.pods, record.image));
  return Answer{ipc::Done{}, {}};
}

Result<Answer> collectImages(Server& server, ipc::CollectImagesRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::RemoveImage));
  const auto mayRemove = [&](const ipc::CatalogRecord& record) {
    return server.authoriser.owned({Verb::RemoveImage, record.importerUid}).has_value();
  };
  TRY(server.trail.probe());  // what goes is known when it has gone
  auto collected =
      TRY(store::collectImages(server.store, server.pods, request.graceSeconds, mayRemove));
  std::vector<std::string> gone;
  for (const ipc::RemovedImage& image : collected.removed) gone.push_back(image.image.text());
  if (gone.empty()) server.trail.keepQuiet();
  server.trail.entry.subject.texts("images", gone);
  return Answer{std::move(collected), {}};
}

Result<Answer> openImage(Server& server, ipc::OpenImageRequest request, ipc::FdTable fds) {
  TRY(fds.expect(0));
  TRY(server.authoriser.some(Verb::Run));
  const auto record = TRY(server.store.require(request.image));
  TRY(server.authoriser.read(record.name));
  return Answer{ipc::ImageOpened{}, TRY(request.tree ? server.store.openTrees(record)
                                                     : server.store.openFiles(record))};
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
