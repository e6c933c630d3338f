// SPDX-License-Identifier: Apache-2.0
// What is measured of an image before a pod of it starts (docs/measurement.md).  The helper.
#pragma once

#include <string>

#include "ipc/measure_messages.h"
#include "ipc/records.h"

namespace airlock::store {

// `content` is what contentOf() (store/verity.h) says of its tree.
ipc::ImageFacts imageFacts(const ipc::CatalogRecord& image, const std::string& content);

}  // namespace airlock::store
