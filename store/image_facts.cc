// SPDX-License-Identifier: Apache-2.0
#include "store/image_facts.h"

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

}  // namespace airlock::store
