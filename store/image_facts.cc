// SPDX-License-Identifier: Apache-2.0
#include "store/image_facts.h"

#include "store/verity.h"

namespace airlock::store {

ipc::ImageFacts imageFacts(const ipc::CatalogRecord& image, const std::string& content) {
  ipc::ImageFacts facts{.image = image.image,
                        .name = image.name.text(),
                        .labels = image.labels,
                        .tree = image.tree,
                        .content = content,
                        .rule = image.rule,
                        .origin = image.origin,
                        .insecure = image.signers.empty()};
  for (const ipc::StoredLayer& layer : image.layers) facts.layers.push_back(layer.blob);
  for (const ipc::Signer& signer : image.signers)
    facts.signers.push_back(signer.fingerprint.text());
  for (const ipc::Dependency& part : image.dependencies) {
    facts.insecure |= part.signers.empty();
    facts.dependencies.push_back(part.name.text() + " " + part.image.text());
  }
  return facts;
}

Result<OpenedImages> openImages(const Store& store, std::span<const ipc::CatalogRecord> images,
                                bool rehash) {
  OpenedImages opened;
  for (const ipc::CatalogRecord& image : images) {
    opened.trees.push_back(TRY(store.openTrees(image)));
    store.noteUse(image);
    opened.facts.push_back(imageFacts(image, TRY(contentOf(image, opened.trees.back(), rehash))));
  }
  return opened;
}

std::vector<std::string> volumeFacts(const ipc::PodSpec& spec) {
  std::vector<std::string> facts;
  for (const ipc::VolumeSpec& volume : spec.volumes) {
    facts.push_back(volume.name.text() +
                    (volume.kind == ipc::VolumeKind::Host ? ":host" : ":empty") +
                    (volume.readOnly ? ":ro" : ":rw"));
  }
  return facts;
}

}  // namespace airlock::store
