// SPDX-License-Identifier: Apache-2.0
// A Docker or OCI image into the store: what cli/obtain_image.h does for names of registries,
// layouts and archives.  CLI only.
#pragma once

#include "base/result.h"
#include "cli/command.h"
#include "cli/obtain_image.h"
#include "cli/own_store.h"
#include "image/oci_reference.h"
#include "ipc/records.h"

namespace airlock::cli {

// Never: what the store has.  New: the same, or else what the registry has.  Update: the registry
// is asked, and nothing is fetched that the store has.
Result<ipc::CatalogRecord> obtainOciImage(const Options& options, const ImageStore& images,
                                          const image::RegistryImage& image, PullPolicy policy);
Result<ipc::CatalogRecord> obtainOciImage(const Options& options, const ImageStore& images,
                                          const image::LocalOciImage& image);

}  // namespace airlock::cli
