// SPDX-License-Identifier: Apache-2.0
// How Docker and OCI images are named on a command line, and which image name of ours a repository
// has.  Pure; unprivileged code may use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/names.h"
#include "base/result.h"

namespace airlock::image {

// The registry that a name without a host means; docker.io and index.docker.io are the same one.
inline constexpr std::string_view kDockerHub = "registry-1.docker.io";

// A repository of a registry, canonical: equal places are equal texts.
struct Repository {
  std::string host;  // lower case, no port
  std::string port;  // decimal; "" for that of https
  std::string path;  // "library/busybox"
  // "example.com" or "example.com:5000": who is asked, and whose credentials are meant.
  std::string authority() const { return port.empty() ? host : host + ":" + port; }
  bool operator==(const Repository&) const = default;
};

// docker://[HOST[:PORT]/]REPOSITORY[:TAG][@sha256:HEX]
struct RegistryImage {
  Repository repository;
  std::string tag;                  // "latest" unless there is a tag or a digest
  std::optional<OciDigest> digest;  // decides; a tag beside it is for the record only
  bool operator==(const RegistryImage&) const = default;
};

// oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:NAME:TAG]
struct LocalOciImage {
  enum class Kind { Layout, OciArchive, DockerArchive };
  Kind kind = Kind::Layout;
  std::string path;       // as the caller named it
  std::string reference;  // "": the only image that is in there
  bool operator==(const LocalOciImage&) const = default;
};

// What follows "docker://" or "docker:".  The grammar is that of the distribution project's
// `reference` package, but for IPv6 addresses; host, library/ and latest are filled in as rkt and
// docker do.  E_REFERENCE, E_DIGEST for another algorithm than sha256.
Result<RegistryImage> parseRegistryImage(std::string_view text);
// Without the scheme: the shortest unambiguous text, always with the host.
std::string referenceText(const RegistryImage& image);

// What follows the scheme of that kind.  E_REFERENCE for an empty path.
Result<LocalOciImage> parseLocalOciImage(LocalOciImage::Kind kind, std::string_view text);
std::string referenceText(const LocalOciImage& image);

// The name under which the store and the policy know a repository (docs/oci.md): total for what
// parseRegistryImage makes, reversible, and so without collisions.  Only E_NAME: too long.
Result<ImageName> imageNameOf(const Repository& repository);
// Of a prefix as a user writes one: "registry.example:5000", "docker.io/library", and whatever is
// an image name already.  E_NAME.
Result<ImageName> imageNameOfPrefix(std::string_view text);
// The other way; nullopt for a name that no repository has.
std::optional<Repository> repositoryOf(const ImageName& name);

// [A-Za-z0-9_][A-Za-z0-9_.-]{0,127}
bool isOciTag(std::string_view text);

}  // namespace airlock::image
