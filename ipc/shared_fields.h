// SPDX-License-Identifier: Apache-2.0
// Structs that stand in more than one kind of message, between their plain and their wire form.
// Only the .cc files of ipc/ may use it.
#pragma once

#include <vector>

#include "ipc/codec.h"
#include "ipc/failure.h"
#include "ipc/helper_messages.h"
#include "ipc/pod_spec.h"
#include "ipc/schema/pod.capnp.h"
#include "ipc/schema/types.capnp.h"
#include "ipc/wanted_image.h"

namespace airlock::ipc::codec {

Result<Failure> readFailure(wire::Failure::Reader from);
void writeFailure(wire::Failure::Builder to, const Failure& failure);

Result<std::vector<Label>> readLabels(capnp::List<wire::Label>::Reader from);
void writeLabels(capnp::List<wire::Label>::Builder to, const std::vector<Label>& labels);
Result<std::vector<WantedImage>> readWanted(capnp::List<wire::WantedImage>::Reader from);
void writeWanted(capnp::List<wire::WantedImage>::Builder to,
                 const std::vector<WantedImage>& images);
Result<SignatureKind> readSignatureKind(capnp::Text::Reader from);
Result<std::vector<Signer>> readSigners(capnp::List<wire::Signer>::Reader from);
void writeSigners(capnp::List<wire::Signer>::Builder to, const std::vector<Signer>& signers);
Result<std::vector<Layer>> readLayers(capnp::List<wire::Layer>::Reader from);
void writeLayers(capnp::List<wire::Layer>::Builder to, const std::vector<Layer>& layers);
Result<std::vector<PcrBank>> readBanks(capnp::List<wire::PcrBank>::Reader from);
void writeBanks(capnp::List<wire::PcrBank>::Builder to, const std::vector<PcrBank>& banks);

// pod_spec.cc; with every shape check that pod_spec.h promises.
Result<PodSpec> readPodSpec(wire::PodSpec::Reader from);
void writePodSpec(wire::PodSpec::Builder to, const PodSpec& spec);
Result<EnterSpec> readEnterSpec(wire::EnterSpec::Reader from);
Result<AttachSpec> readAttachSpec(wire::AttachSpec::Reader from);
void writeAttachSpec(wire::AttachSpec::Builder to, const AttachSpec& spec);
void writeEnterSpec(wire::EnterSpec::Builder to, const EnterSpec& spec);

}  // namespace airlock::ipc::codec
