// SPDX-License-Identifier: Apache-2.0
#include "ipc/fetch_messages.h"

#include "ipc/capnp.h"
#include "ipc/fetch_fields.h"
#include "ipc/schema/fetch.capnp.h"
#include "ipc/shared_fields.h"

namespace airlock::ipc::codec {
namespace {
Result<Credential> readCredential(wire::Credential::Reader from) {
  Credential value{.host = TRY(readText(from.getHost(), "host of a credential")),
                   .user = TRY(readBytes(from.getUser(), "user of a credential")),
                   .secret = TRY(readBytes(from.getSecret(), "secret of a credential")),
                   .region = TRY(readText(from.getRegion(), "region of a credential"))};
  switch (from.which()) {
    case wire::Credential::UNSET:
      break;
    case wire::Credential::BASIC:
      value.kind = Credential::Kind::Basic;
      return value;
    case wire::Credential::BEARER:
      value.kind = Credential::Kind::Bearer;
      return value;
    case wire::Credential::AWS:
      value.kind = Credential::Kind::Aws;
      return value;
    case wire::Credential::IDENTITY:
      value.kind = Credential::Kind::Identity;
      return value;
  }
  return badValue("credential", "is of an unknown kind");
}
void writeCredential(wire::Credential::Builder to, const Credential& value) {
  to.setHost(text(value.host));
  to.setUser(raw(value.user));
  to.setSecret(raw(value.secret));
  to.setRegion(text(value.region));
  switch (value.kind) {
    case Credential::Kind::Basic:
      return to.setBasic();
    case Credential::Kind::Bearer:
      return to.setBearer();
    case Credential::Kind::Aws:
      return to.setAws();
    case Credential::Kind::Identity:
      return to.setIdentity();
  }
}

}  // namespace

Result<FetchOptions> readOptions(wire::FetchOptions::Reader from) {
  return FetchOptions{.allowHttp = from.getAllowHttp(),
                      .skipTlsCheck = from.getSkipTlsCheck(),
                      .proxy = TRY(readBytes(from.getProxy(), "proxy")),
                      .noProxy = TRY(readBytes(from.getNoProxy(), "proxy exceptions")),
                      .mostBytes = from.getMostBytes(),
                      .credentials = TRY(readList(from.getCredentials(), limits::kCredentials,
                                                  "credentials", readCredential))};
}
void writeOptions(wire::FetchOptions::Builder to, const FetchOptions& value) {
  to.setAllowHttp(value.allowHttp);
  to.setSkipTlsCheck(value.skipTlsCheck);
  to.setProxy(raw(value.proxy));
  to.setNoProxy(raw(value.noProxy));
  to.setMostBytes(value.mostBytes);
  writeList(to.initCredentials(count(value.credentials)), value.credentials, writeCredential);
}

namespace {
Result<FetchImageJob> readImageJob(wire::FetchImageJob::Reader from) {
  FetchImageJob job{.options = TRY(readOptions(from.getOptions())),
                    .hasCaBundle = from.getHasCaBundle(),
                    .name = TRY(readText(from.getName(), "image name")),
                    .labels = TRY(readLabels(from.getLabels())),
                    .url = TRY(readText(from.getUrl(), "URL")),
                    .signatureUrl = TRY(readText(from.getSignatureUrl(), "signature URL")),
                    .wantSignature = from.getWantSignature(),
                    .knownUrl = TRY(readText(from.getKnownUrl(), "known URL")),
                    .resumeFrom = from.getResumeFrom(),
                    .resumeTag = TRY(readBytes(from.getResumeTag(), "resume tag")),
                    .cachedTag = TRY(readBytes(from.getCachedTag(), "cached tag"))};
  if (job.name.empty() == job.url.empty()) {
    return badValue("fetch job", "has not exactly one of name and URL");
  }
  return job;
}
void writeImageJob(wire::FetchImageJob::Builder to, const FetchImageJob& value) {
  writeOptions(to.initOptions(), value.options);
  to.setHasCaBundle(value.hasCaBundle);
  to.setName(text(value.name));
  writeLabels(to.initLabels(count(value.labels)), value.labels);
  to.setUrl(text(value.url));
  to.setSignatureUrl(text(value.signatureUrl));
  to.setWantSignature(value.wantSignature);
  to.setKnownUrl(text(value.knownUrl));
  to.setResumeFrom(value.resumeFrom);
  to.setResumeTag(raw(value.resumeTag));
  to.setCachedTag(raw(value.cachedTag));
}

Result<FetchKeysJob> readKeysJob(wire::FetchKeysJob::Reader from) {
  FetchKeysJob job{.options = TRY(readOptions(from.getOptions())),
                   .hasCaBundle = from.getHasCaBundle(),
                   .prefix = TRY(readText(from.getPrefix(), "prefix")),
                   .url = TRY(readText(from.getUrl(), "URL"))};
  if (job.prefix.empty() && job.url.empty()) {
    return badValue("fetch job", "has neither prefix nor URL");
  }
  return job;
}
void writeKeysJob(wire::FetchKeysJob::Builder to, const FetchKeysJob& value) {
  writeOptions(to.initOptions(), value.options);
  to.setHasCaBundle(value.hasCaBundle);
  to.setPrefix(text(value.prefix));
  to.setUrl(text(value.url));
}

Result<FetchJob> readJob(wire::FetchJob::Reader from) {
  switch (from.which()) {
    case wire::FetchJob::UNSET:
      break;
    case wire::FetchJob::IMAGE:
      return TRY(readImageJob(from.getImage()));
    case wire::FetchJob::KEYS:
      return TRY(readKeysJob(from.getKeys()));
    case wire::FetchJob::OCI:
      return TRY(readOciJob(from.getOci()));
  }
  return badValue("fetch job", "is of an unknown kind");
}
void writeJob(wire::FetchJob::Builder to, const FetchJob& job) {
  std::visit(Overloaded{[&](const FetchImageJob& value) { writeImageJob(to.initImage(), value); },
                        [&](const FetchKeysJob& value) { writeKeysJob(to.initKeys(), value); },
                        [&](const FetchOciJob& value) { writeOciJob(to.initOci(), value); }},
             job);
}

Result<FetchFound> readFound(wire::FetchFound::Reader from) {
  return FetchFound{.url = TRY(readText(from.getUrl(), "URL")),
                    .signatureUrl = TRY(readText(from.getSignatureUrl(), "signature URL")),
                    .tag = TRY(readBytes(from.getTag(), "tag"))};
}
Result<FetchProgress> readProgress(wire::FetchProgress::Reader from) {
  return FetchProgress{.label = TRY(readText(from.getLabel(), "label")),
                       .done = from.getDone(),
                       .total = from.getTotal()};
}
Result<FetchedImage> readFetchedImage(wire::FetchedImage::Reader from) {
  return FetchedImage{.url = TRY(readText(from.getUrl(), "URL")),
                      .tag = TRY(readBytes(from.getTag(), "tag")),
                      .maxAge = from.getMaxAge(),
                      .bytes = from.getBytes(),
                      .notModified = from.getNotModified(),
                      .hasSignature = from.getHasSignature()};
}
using KeyFile = std::pair<std::string, std::uint64_t>;
Result<KeyFile> readKeyFile(wire::FetchedKey::Reader from) {
  return KeyFile(TRY(readText(from.getUrl(), "URL")), from.getBytes());
}
Result<FetchedKeys> readFetchedKeys(wire::FetchedKeys::Reader from) {
  return FetchedKeys{.keys =
                         TRY(readList(from.getKeys(), limits::kFetchedKeys, "keys", readKeyFile))};
}

Result<FetchEvent> readEvent(wire::FetchEvent::Reader from) {
  switch (from.which()) {
    case wire::FetchEvent::UNSET:
      break;
    case wire::FetchEvent::FAILURE:
      return TRY(readFailure(from.getFailure()));
    case wire::FetchEvent::NOTE:
      return FetchNote{.text = TRY(readText(from.getNote().getText(), "note"))};
    case wire::FetchEvent::FOUND:
      return TRY(readFound(from.getFound()));
    case wire::FetchEvent::PROGRESS:
      return TRY(readProgress(from.getProgress()));
    case wire::FetchEvent::IMAGE:
      return TRY(readFetchedImage(from.getImage()));
    case wire::FetchEvent::KEYS:
      return TRY(readFetchedKeys(from.getKeys()));
    case wire::FetchEvent::OCI_DOCUMENTS:
      return TRY(readOciDocuments(from.getOciDocuments()));
    case wire::FetchEvent::OCI_UNCHANGED:
      return TRY(readOciUnchanged(from.getOciUnchanged()));
    case wire::FetchEvent::OCI_LAYER:
      return TRY(readOciLayerDone(from.getOciLayer()));
    case wire::FetchEvent::OCI_DONE:
      return OciDone{};
    case wire::FetchEvent::OCI_FILE:
      return TRY(readOciFileWanted(from.getOciFile()));
  }
  return badValue("fetch event", "is of an unknown kind");
}

void writeFound(wire::FetchFound::Builder to, const FetchFound& value) {
  to.setUrl(text(value.url));
  to.setSignatureUrl(text(value.signatureUrl));
  to.setTag(raw(value.tag));
}
void writeProgress(wire::FetchProgress::Builder to, const FetchProgress& value) {
  to.setLabel(text(shown(value.label)));
  to.setDone(value.done);
  to.setTotal(value.total);
}
void writeFetchedImage(wire::FetchedImage::Builder to, const FetchedImage& value) {
  to.setUrl(text(value.url));
  to.setTag(raw(value.tag));
  to.setMaxAge(value.maxAge);
  to.setBytes(value.bytes);
  to.setNotModified(value.notModified);
  to.setHasSignature(value.hasSignature);
}
void writeFetchedKeys(wire::FetchedKeys::Builder to, const FetchedKeys& value) {
  writeList(to.initKeys(count(value.keys)), value.keys,
            [](wire::FetchedKey::Builder builder, const auto& key) {
              builder.setUrl(text(key.first));
              builder.setBytes(key.second);
            });
}

void writeEvent(wire::FetchEvent::Builder to, const FetchEvent& event) {
  std::visit(
      Overloaded{
          [&](const Failure& value) { writeFailure(to.initFailure(), value); },
          [&](const FetchNote& value) { to.initNote().setText(text(shown(value.text))); },
          [&](const FetchFound& value) { writeFound(to.initFound(), value); },
          [&](const FetchProgress& value) { writeProgress(to.initProgress(), value); },
          [&](const FetchedImage& value) { writeFetchedImage(to.initImage(), value); },
          [&](const FetchedKeys& value) { writeFetchedKeys(to.initKeys(), value); },
          [&](const OciDocuments& value) { writeOciDocuments(to.initOciDocuments(), value); },
          [&](const OciUnchanged& value) { writeOciUnchanged(to.initOciUnchanged(), value); },
          [&](const OciLayerDone& value) { to.initOciLayer().setIndex(value.index); },
          [&](const OciDone&) { to.setOciDone(); },
          [&](const OciFileWanted& value) { writeOciFileWanted(to.initOciFile(), value); }},
      event);
}
}  // namespace
}  // namespace airlock::ipc::codec

namespace airlock::ipc {

Result<std::string> encode(const FetchJob& job) {
  return codec::encode<wire::FetchJob>(
      limits::kMessageBytes, [&](auto to) { codec::writeJob(to, job); }, decodeFetchJob);
}
Result<FetchJob> decodeFetchJob(std::string_view bytes) {
  return codec::decode<wire::FetchJob>(bytes, limits::kMessageBytes, codec::readJob);
}

Result<std::string> encode(const FetchEvent& event) {
  return codec::encode<wire::FetchEvent>(
      limits::kMessageBytes, [&](auto to) { codec::writeEvent(to, event); }, decodeFetchEvent);
}
Result<FetchEvent> decodeFetchEvent(std::string_view bytes) {
  return codec::decode<wire::FetchEvent>(bytes, limits::kMessageBytes, codec::readEvent);
}

}  // namespace airlock::ipc
