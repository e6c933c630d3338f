// SPDX-License-Identifier: Apache-2.0
// How an image is named on a command line.  Pure; unprivileged code may use it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/names.h"
#include "base/result.h"
#include "image/oci_reference.h"

namespace airlock::image {

// "sha512-2a9f83": 2 to 128 hex digits; the store says which image that is.
struct HashPrefix {
  std::string text;
  bool operator==(const HashPrefix&) const = default;
};
// A file of the caller's, as the caller named it.
struct FilePath {
  std::string path;
  bool operator==(const FilePath&) const = default;
};
// http or https, its path ends in ".aci".
struct WebUrl {
  std::string url;
  bool operator==(const WebUrl&) const = default;
};
// A name to look up in the store and to discover.  labels has os and arch, and version where one
// was given.
struct NamedImage {
  ImageName name;
  std::vector<Label> labels;
  bool operator==(const NamedImage&) const = default;
};
using ImageReference =
    std::variant<HashPrefix, FilePath, WebUrl, NamedImage, RegistryImage, LocalOciImage>;

// Reads an argument as rkt does, the first that fits: hash; docker://, docker:, oci:, oci-archive:
// and docker-archive: (oci_reference.h); URL (or rkt's "cimd:" form); absolute path; a name for
// which isRegularFile says yes; anything with ':' is a name; with "./" a path; ending in ".aci" a
// path; a name.  What cannot be read is refused with E_REFERENCE.  An argument that begins with '-'
// is never an image (J10).
Result<ImageReference> parseImageReference(
    std::string_view argument, const std::function<bool(std::string_view)>& isRegularFile);

// NAME[:VERSION][,label=value]*; labels that are missing of os and arch are added from the host.
Result<NamedImage> parseNamedImage(std::string_view text);

// The shortest text that parseNamedImage reads back with the same labels; the host's os and arch
// are left out.
std::string referenceText(const NamedImage& image);

}  // namespace airlock::image
