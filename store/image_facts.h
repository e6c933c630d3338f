// SPDX-License-Identifier: Apache-2.0
// What is measured of an image before a pod of it starts (docs/measurement.md).  The helper.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ipc/measure_messages.h"
#include "ipc/records.h"
#include "store/store.h"

namespace airlock::store {

// `content` is what contentOf() (store/verity.h) says of its tree.
ipc::ImageFacts imageFacts(const ipc::CatalogRecord& image, const std::string& content);

// The trees of images that are about to run, and what is measured of them.  Their use is noted.
struct OpenedImages {
  std::vector<std::vector<Fd>> trees;  // of each its layers', the topmost first

  std::vector<ipc::ImageFacts> facts;
};
Result<OpenedImages> openImages(const Store& store, std::span<const ipc::CatalogRecord> images,
                                bool rehash);

// "NAME:host:ro" for each volume.
std::vector<std::string> volumeFacts(const ipc::PodSpec& spec);

}  // namespace airlock::store
