// SPDX-License-Identifier: Apache-2.0
#include "ipc/shared_fields.h"

#include <algorithm>

#include "base/log.h"

namespace airlock::ipc::codec {

namespace {
wire::Failure::Kind toWire(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Denied:
      return wire::Failure::Kind::DENIED;
    case ErrorKind::Invalid:
      return wire::Failure::Kind::INVALID;
    case ErrorKind::Missing:
      return wire::Failure::Kind::MISSING;
    case ErrorKind::Busy:
      return wire::Failure::Kind::BUSY;
    case ErrorKind::Unsupported:
      return wire::Failure::Kind::UNSUPPORTED;
    case ErrorKind::Failed:
      break;
  }
  return wire::Failure::Kind::FAILED;
}

Result<ErrorKind> fromWire(wire::Failure::Kind kind) {
  switch (kind) {
    case wire::Failure::Kind::DENIED:
      return ErrorKind::Denied;
    case wire::Failure::Kind::INVALID:
      return ErrorKind::Invalid;
    case wire::Failure::Kind::MISSING:
      return ErrorKind::Missing;
    case wire::Failure::Kind::BUSY:
      return ErrorKind::Busy;
    case wire::Failure::Kind::UNSUPPORTED:
      return ErrorKind::Unsupported;
    case wire::Failure::Kind::FAILED:
      return ErrorKind::Failed;
  }
  return badValue("failure kind", "is unknown");
}

// Context and message in one, without the hint.
std::string wholeMessage(const Error& error) { return Error(error).withHint({}).text(); }
}  // namespace

Result<Failure> readFailure(wire::Failure::Reader from) {
  const ErrorKind kind = TRY(fromWire(from.getKind()));
  const std::string code = TRY(readText(from.getCode(), "failure code"));
  const std::string message = TRY(readText(from.getMessage(), "failure message"));
  const std::string hint = TRY(readText(from.getHint(), "failure hint"));
  return Failure{Error(kind, shown(printable(message)))
                     .withCode(shown(printable(code)))
                     .withHint(shown(printable(hint)))};
}

void writeFailure(wire::Failure::Builder to, const Failure& failure) {
  to.setKind(toWire(failure.error.kind()));
  to.setCode(text(shown(failure.error.code())));
  to.setMessage(text(shown(wholeMessage(failure.error))));
  to.setHint(text(shown(failure.error.hint())));
}

Result<std::vector<Label>> readLabels(capnp::List<wire::Label>::Reader from) {
  return readList(from, limits::kLabels, "labels", [](wire::Label::Reader label) -> Result<Label> {
    return Label{.name = TRY(readText(label.getName(), "label name")),
                 .value = TRY(readText(label.getValue(), "label value"))};
  });
}
void writeLabels(capnp::List<wire::Label>::Builder to, const std::vector<Label>& labels) {
  writeList(to, labels, [](wire::Label::Builder builder, const Label& label) {
    builder.setName(text(label.name));
    builder.setValue(text(label.value));
  });
}

namespace {
// A beginning of an image id, as manifests name images.
Result<std::string> readIdPrefix(capnp::Text::Reader from) {
  constexpr std::string_view scheme = "sha512-";
  std::string id = TRY(readText(from, "image id"));
  if (id.empty()) return id;
  const auto isHex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const std::string_view hex = std::string_view(id).substr(std::min(id.size(), scheme.size()));
  if (!id.starts_with(scheme) || hex.size() < 2 || hex.size() > 2 * kDigestBytes ||
      !std::ranges::all_of(hex, isHex)) {
    return badValue("image id", "is no beginning of one");
  }
  return id;
}
}  // namespace

Result<std::vector<WantedImage>> readWanted(capnp::List<wire::WantedImage>::Reader from) {
  return readList(from, limits::kLabels, "wanted images",
                  [](wire::WantedImage::Reader wanted) -> Result<WantedImage> {
                    return WantedImage{
                        .name = TRY(readName<ImageName>(wanted.getName(), "image name")),
                        .id = TRY(readIdPrefix(wanted.getId())),
                        .labels = TRY(readLabels(wanted.getLabels())),
                        .size = wanted.getSize()};
                  });
}
void writeWanted(capnp::List<wire::WantedImage>::Builder to,
                 const std::vector<WantedImage>& images) {
  writeList(to, images, [](wire::WantedImage::Builder builder, const WantedImage& wanted) {
    builder.setName(text(wanted.name.text()));
    builder.setId(text(wanted.id));
    writeLabels(builder.initLabels(count(wanted.labels)), wanted.labels);
    builder.setSize(wanted.size);
  });
}

Result<SignatureKind> readSignatureKind(capnp::Text::Reader from) {
  const std::string name = TRY(readText(from, "signature kind"));
  if (name.empty()) return SignatureKind::Unsaid;
  if (const auto kind = parseSignatureKind(name)) return *kind;
  return badValue("signature kind", "is unknown");
}

Result<std::vector<Signer>> readSigners(capnp::List<wire::Signer>::Reader from) {
  return readList(
      from, limits::kSignatures, "signers", [](wire::Signer::Reader signer) -> Result<Signer> {
        return Signer{.fingerprint = TRY(
                          readName<KeyFingerprint>(signer.getFingerprint(), "signer fingerprint")),
                      .userId = TRY(readText(signer.getUserId(), "signer user id")),
                      .kind = TRY(readSignatureKind(signer.getKind()))};
      });
}
void writeSigners(capnp::List<wire::Signer>::Builder to, const std::vector<Signer>& signers) {
  writeList(to, signers, [](wire::Signer::Builder builder, const Signer& signer) {
    builder.setFingerprint(text(signer.fingerprint.text()));
    builder.setUserId(text(shown(signer.userId)));
    builder.setKind(text(std::string(toString(signer.kind))));
  });
}

Result<std::vector<Layer>> readLayers(capnp::List<wire::Layer>::Reader from) {
  return readList(from, limits::kLayers, "layers", [](wire::Layer::Reader layer) -> Result<Layer> {
    return Layer{.name = TRY(readText(layer.getName(), "layer name")),
                 .enforced = layer.getEnforced(),
                 .detail = TRY(readText(layer.getDetail(), "layer detail"))};
  });
}
void writeLayers(capnp::List<wire::Layer>::Builder to, const std::vector<Layer>& layers) {
  writeList(to, layers, [](wire::Layer::Builder builder, const Layer& layer) {
    builder.setName(text(layer.name));
    builder.setEnforced(layer.enforced);
    builder.setDetail(text(shown(layer.detail)));
  });
}

Result<std::vector<PcrBank>> readBanks(capnp::List<wire::PcrBank>::Reader from) {
  return readList(
      from, limits::kPcrBanks, "banks", [](wire::PcrBank::Reader bank) -> Result<PcrBank> {
        return PcrBank{.algorithm = TRY(readText(bank.getAlgorithm(), "bank algorithm")),
                       .value = TRY(readText(bank.getValue(), "bank value"))};
      });
}
void writeBanks(capnp::List<wire::PcrBank>::Builder to, const std::vector<PcrBank>& banks) {
  writeList(to, banks, [](wire::PcrBank::Builder builder, const PcrBank& bank) {
    builder.setAlgorithm(text(bank.algorithm));
    builder.setValue(text(bank.value));
  });
}

}  // namespace airlock::ipc::codec
