// SPDX-License-Identifier: Apache-2.0
// Parts of fetch.capnp that two .cc files of ipc/ read and write.  Only they may use it.
#pragma once

#include "ipc/codec.h"
#include "ipc/fetch_messages.h"
#include "ipc/schema/fetch.capnp.h"

namespace airlock::ipc::codec {

// fetch_messages.cc
Result<FetchOptions> readOptions(wire::FetchOptions::Reader from);
void writeOptions(wire::FetchOptions::Builder to, const FetchOptions& value);

// fetch_oci.cc
Result<FetchOciJob> readOciJob(wire::FetchOciJob::Reader from);
void writeOciJob(wire::FetchOciJob::Builder to, const FetchOciJob& value);
Result<OciDocuments> readOciDocuments(wire::OciDocuments::Reader from);
void writeOciDocuments(wire::OciDocuments::Builder to, const OciDocuments& value);
Result<OciUnchanged> readOciUnchanged(wire::OciUnchanged::Reader from);
void writeOciUnchanged(wire::OciUnchanged::Builder to, const OciUnchanged& value);
Result<OciFileWanted> readOciFileWanted(wire::OciFileWanted::Reader from);
void writeOciFileWanted(wire::OciFileWanted::Builder to, const OciFileWanted& value);
Result<OciLayerDone> readOciLayerDone(wire::OciLayerDone::Reader from);

}  // namespace airlock::ipc::codec
