// SPDX-License-Identifier: Apache-2.0
#include "ipc/sample_list.h"

namespace airlock::ipc {

namespace {

void addFetchOci(std::vector<Sample>& list, const FetchOptions& options) {
  const FetchOciJob registry{.options = options,
                             .hasCaBundle = true,
                             .origin = FromRegistry{{{.host = "mirror.example:5000",
                                                      .repository = "cache/web",
                                                      .allowHttp = true,
                                                      .skipTlsCheck = true},
                                                     {.host = "registry.example",
                                                      .repository = "team/web",
                                                      .hasCaBundle = true,
                                                      .hasClientCertificate = true}}},
                             .tag = "1.2",
                             .digest = sampleDigest<OciTag>('o'),
                             .platform = {"linux", "arm64", "v8"},
                             .wantSigstore = true,
                             .lookasides = {"https://signatures.example/sigstore"},
                             .lookasideDirectories = 1,
                             .knownDigest = sampleDigest<OciTag>('k'),
                             .requestedName = "team/web"};
  add(list, "FetchJob.oci.registry", FetchJob(registry), decodeFetchJob);
  const auto local = [&](const char* name, OciOrigin origin) {
    add(list, name,
        FetchJob(FetchOciJob{.options = options, .origin = std::move(origin), .tag = "latest"}),
        decodeFetchJob);
  };
  local("FetchJob.oci.layout", FromLayout{});
  local("FetchJob.oci.archive", FromOciArchive{});
  local("FetchJob.oci.docker", FromDockerArchive{});
  add(list, "FetchLayers", FetchLayers{.layers = {{0, 0}, {126, 1ULL << 33}}, .last = true},
      decodeFetchLayers);
  const auto event = [&](const char* name, const FetchEvent& value) {
    add(list, name, value, decodeFetchEvent);
  };
  event("FetchEvent.ociDocuments",
        OciDocuments{.manifestDigest = sampleDigest<OciTag>('m'),
                     .indexDigest = sampleDigest<OciTag>('i'),
                     .mediaType = "application/vnd.oci.image.manifest.v1+json",
                     .indexBytes = 1000,
                     .manifestBytes = 700,
                     .configBytes = 1500,
                     .attachments = {{OciAttachment::Kind::Cosign, true, 240, 900},
                                     {OciAttachment::Kind::SigstoreBundle, false, 5000, 0},
                                     {OciAttachment::Kind::SimpleSigning, false, 600, 0}},
                     .layers = {{sampleDigest<OciTag>('l'), 1ULL << 32,
                                 "application/vnd.oci.image.layer.v1.tar+zstd"}},
                     .platform = {"linux", "arm", "v7"},
                     .sourceName = "docker.io/team/web:1.2"});
  event("FetchEvent.ociUnchanged", OciUnchanged{sampleDigest<OciTag>('m'), std::nullopt});
  event("FetchEvent.ociLayer", OciLayerDone{3});
  event("FetchEvent.ociDone", OciDone{});
  event("FetchEvent.ociFile.version", OciFileWanted{LayoutVersionFile{}});
  event("FetchEvent.ociFile.index", OciFileWanted{LayoutIndexFile{}});
  event("FetchEvent.ociFile.blob", OciFileWanted{LayoutBlob{sampleDigest<OciTag>('l')}});
  event("FetchEvent.ociFile.signature",
        OciFileWanted{SimpleSignatureFile{1, sampleDigest<OciTag>('m'), 16}});
  add(list, "OfferedFile.file", OfferedFile{}, decodeOfferedFile);
  add(list, "OfferedFile.failure", OfferedFile{sampleFailure()}, decodeOfferedFile);
}

}  // namespace

void addFetch(std::vector<Sample>& list) {
  const FetchOptions options{
      .allowHttp = true,
      .skipTlsCheck = true,
      .proxy = "http://proxy:3128",
      .noProxy = "localhost",
      .mostBytes = 1ULL << 34,
      .credentials = {
          {.host = "example.com", .user = "user", .secret = "password"},
          {.host = "example.com:8443", .kind = Credential::Kind::Bearer, .secret = "token"},
          {.host = "bucket.s3.amazonaws.com",
           .kind = Credential::Kind::Aws,
           .user = "id",
           .secret = "key",
           .region = "us-east-1"},
          {.host = "quay.io", .kind = Credential::Kind::Identity, .secret = "refresh"}}};
  add(list, "FetchJob.image",
      FetchJob(FetchImageJob{.options = options,
                             .hasCaBundle = true,
                             .name = "example.com/app",
                             .labels = kLabels,
                             .wantSignature = false,
                             .knownUrl = "https://example.com/known.aci",
                             .resumeFrom = 77,
                             .resumeTag = "\"abc\xe9\"",
                             .cachedTag = "W/\"def\""}),
      decodeFetchJob);
  add(list, "FetchJob.keys",
      FetchJob(FetchKeysJob{.options = options,
                            .hasCaBundle = true,
                            .prefix = "example.com",
                            .url = "https://example.com/keys"}),
      decodeFetchJob);
  addFetchOci(list, options);
  const auto event = [&](const char* name, const FetchEvent& value) {
    add(list, name, value, decodeFetchEvent);
  };
  event("FetchEvent.failure", sampleFailure());
  event("FetchEvent.note", FetchNote{"remote fetching from URL \"https://example.com\""});
  event("FetchEvent.found",
        FetchFound{"https://example.com/a.aci", "https://example.com/a.aci.asc"});
  event("FetchEvent.progress", FetchProgress{"Downloading ACI", 1, 2});
  event("FetchEvent.image", FetchedImage{.url = "https://example.com/a.aci",
                                         .tag = "\"abc\"",
                                         .maxAge = -1,
                                         .bytes = 5,
                                         .notModified = true,
                                         .hasSignature = true});
  event("FetchEvent.keys", FetchedKeys{{{"https://example.com/a.gpg", 100}, {"b", 3}}});
}

}  // namespace airlock::ipc
