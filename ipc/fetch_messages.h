// SPDX-License-Identifier: Apache-2.0
// What the CLI asks of airlock-fetch, and what it hears back.  The answers are hostile: the fetcher
// has talked to the network.  The bytes themselves go into descriptors that the CLI opened.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "ipc/failure.h"
#include "ipc/fetch_oci.h"

namespace airlock::ipc {

// What one host is told about the caller.  A secret: never in an event, a log or a store.
struct Credential {
  enum class Kind { Basic, Bearer, Aws, Identity };
  std::string host;  // "example.com" or "example.com:8443", lower case; without a port: 443
  Kind kind = Kind::Basic;
  std::string user;    // Basic; of Aws the id of the access key
  std::string secret;  // the password, the token, the secret access key, or (Identity) what a token
                       // server takes in place of a password
  std::string region;  // Aws
};

struct FetchOptions {
  bool allowHttp = false;     // --insecure-options=http
  bool skipTlsCheck = false;  // --insecure-options=tls
  std::string proxy;          // as https_proxy had it, or empty
  std::string noProxy;
  std::uint64_t mostBytes = 0;  // of the image
  std::vector<Credential> credentials;
};

// Descriptors: 0 the partial file of the image (written from `resumeFrom` on), 1 an empty file for
// the signature; 2 a CA bundle, when hasCaBundle.
struct FetchImageJob {
  FetchOptions options;
  bool hasCaBundle = false;
  std::string name;           // discover this name …
  std::vector<Label> labels;  // … with these labels (os, arch, version)
  std::string url;            // … or take this URL (and name is empty)
  std::string signatureUrl;   // "" : URL with .aci replaced by .aci.asc
  bool wantSignature = true;
  // What is known from an earlier download of the same URL.
  std::string knownUrl;  // resume and cache apply only if the URL found is this one
  std::uint64_t resumeFrom = 0;
  std::string resumeTag;  // ETag (or Last-Modified) of the partial file
  std::string cachedTag;  // ETag of a complete copy in the store: ask with If-None-Match
};
// Descriptors: 0 an empty file for the keys, concatenated; 1 a CA bundle, when hasCaBundle.
struct FetchKeysJob {
  FetchOptions options;
  bool hasCaBundle = false;
  std::string prefix;  // discover ac-discovery-pubkeys for it …
  std::string url;     // … or take this URL
};
// Descriptors: 0 an empty file for the documents; then the archive, when that is the source; then a
// CA bundle, when hasCaBundle; then of each endpoint its CA bundle, its client certificate and the
// key of that, as its flags say.
struct FetchOciJob {
  FetchOptions options;  // mostBytes: of one layer
  bool hasCaBundle = false;
  OciOrigin origin;
  std::string tag;                  // or, of a local source, the reference; empty: its only image
  std::optional<OciDigest> digest;  // of the manifest or index; nullopt: what the tag names
  OciPlatform platform;
  bool wantSigstore = false;              // cosign's tag, and the bundles that refer to the image
  std::vector<std::string> lookasides;    // URLs below which simple signatures lie
  std::uint8_t lookasideDirectories = 0;  // that the CLI has, beside those URLs
  std::optional<OciDigest> knownDigest;   // of a manifest that the caller has
  std::string requestedName;  // "team/web": the repository in the path of a simple signature
};
using FetchJob = std::variant<FetchImageJob, FetchKeysJob, FetchOciJob>;

// One line for the user, such as: remote fetching from URL "https://…"
struct FetchNote {
  std::string text;
};
// What the image will be downloaded from: the first thing known after discovery.  Sent again, with
// the tag, when the server has begun to send the image: with it a download that breaks can be
// resumed by a later job (resumeTag).
struct FetchFound {
  std::string url;
  std::string signatureUrl;
  std::string tag;  // ETag, or Last-Modified; empty: not known (yet)
};
struct FetchProgress {
  std::string label;  // "Downloading ACI", "Downloading signature"
  std::uint64_t done = 0;
  std::uint64_t total = 0;  // 0: unknown
};
struct FetchedImage {
  std::string url;           // where the bytes came from
  std::string tag;           // ETag, or Last-Modified
  std::int64_t maxAge = 0;   // seconds, from Cache-Control
  std::uint64_t bytes = 0;   // of the whole image
  bool notModified = false;  // the cached copy is current: nothing was written
  bool hasSignature = false;
};
struct FetchedKeys {
  // (URL, bytes) in the order in which they stand in the file
  std::vector<std::pair<std::string, std::uint64_t>> keys;
};

// Notes, Found and Progress may come at any time; OciFileWanted asks for an OfferedFile,
// OciDocuments for FetchLayers, OciLayerDone follows it; the others end the job.
using FetchEvent =
    std::variant<Failure, FetchNote, FetchFound, FetchProgress, FetchedImage, FetchedKeys,
                 OciDocuments, OciUnchanged, OciLayerDone, OciDone, OciFileWanted>;

Result<std::string> encode(const FetchJob& job);
Result<FetchJob> decodeFetchJob(std::string_view bytes);
Result<std::string> encode(const FetchEvent& event);
Result<FetchEvent> decodeFetchEvent(std::string_view bytes);

}  // namespace airlock::ipc
