// SPDX-License-Identifier: Apache-2.0
#include "image/reference.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "image/types.h"

namespace airlock::image {

namespace {
constexpr std::string_view kExtension = ".aci";
constexpr std::string_view kHashPrefix = "sha512-";
constexpr std::string_view kOciHashPrefix = "sha256-";
constexpr std::string_view kCimd = "cimd:";

std::unexpected<Error> bad(std::string message, std::string hint = {}) {
  return refuse(ErrorKind::Invalid, "E_REFERENCE", std::move(message), std::move(hint));
}

bool hasControl(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
}

int hexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Query unescaping: %XX and '+' for a space.
std::optional<std::string> unescapeQuery(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      plain += ' ';
    } else if (text[i] != '%') {
      plain += text[i];
    } else {
      const int high = i + 1 < text.size() ? hexValue(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hexValue(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      plain += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return plain;
}

std::unexpected<Error> notAnImage(std::string_view argument) {
  return bad("invalid image string " + airlock::quoted(argument),
             "the path of a URL of an image ends in .aci");
}

Result<ImageReference> readUrl(std::string_view argument, std::string_view scheme) {
  if (scheme != "file" && scheme != "http" && scheme != "https") {
    return bad("an unsupported URL scheme " + airlock::quoted(scheme) +
               " - the only URL schemes supported for an archive are http, https and file");
  }
  const std::string_view rest = argument.substr(scheme.size() + 3);
  if (scheme == "file") {
    // A file URL of another host names nothing that we could open.
    const std::string_view host = "localhost";
    const std::string_view path =
        rest.starts_with(host) && rest.substr(host.size()).starts_with('/')
            ? rest.substr(host.size())
            : rest;
    const std::optional<std::string> plain = unescapeQuery(path);
    if (!plain || !plain->starts_with('/') || !plain->ends_with(kExtension) || hasControl(*plain)) {
      return notAnImage(argument);
    }
    return FilePath{.path = *plain};
  }
  if (!checkWebUrl(argument)) return notAnImage(argument);
  const auto slash = rest.find('/');
  if (slash == rest.npos) return notAnImage(argument);
  const std::string_view path = rest.substr(slash, rest.find_first_of("?#", slash) - slash);
  if (!path.ends_with(kExtension)) return notAnImage(argument);
  return WebUrl{.url = std::string(argument)};
}

Result<ImageReference> readRegistryImage(std::string_view text) {
  return TRY(parseRegistryImage(text));
}

// What rkt and containers-transports(5) write before the name of a Docker or OCI image; nullopt for
// everything else.
std::optional<Result<ImageReference>> readOci(std::string_view argument) {
  using Kind = LocalOciImage::Kind;
  constexpr std::array<std::pair<std::string_view, Kind>, 3> kLocal = {{
      {"oci:", Kind::Layout},
      {"oci-archive:", Kind::OciArchive},
      {"docker-archive:", Kind::DockerArchive},
  }};
  for (const std::string_view scheme : {"docker://", "docker:"}) {
    if (argument.starts_with(scheme)) return readRegistryImage(argument.substr(scheme.size()));
  }
  for (const auto& [scheme, kind] : kLocal) {
    if (!argument.starts_with(scheme)) continue;
    auto image = parseLocalOciImage(kind, argument.substr(scheme.size()));
    if (!image) return Result<ImageReference>(std::unexpected(std::move(image.error())));
    return Result<ImageReference>(std::move(*image));
  }
  return std::nullopt;
}

void addHostLabels(std::vector<Label>& labels) {
  if (std::ranges::find(labels, "os", &Label::name) == labels.end()) {
    labels.push_back({.name = "os", .value = "linux"});
  }
  if (std::ranges::find(labels, "arch", &Label::name) == labels.end()) {
    labels.push_back({.name = "arch", .value = std::string(hostArchitecture())});
  }
}

Result<NamedImage> finish(ImageName name, std::vector<Label> labels) {
  if (labels.size() > limits::kLabels) return bad("too many labels");
  for (const Label& label : labels) {
    if (label.value.empty()) return bad("label " + airlock::quoted(label.name) + " has no value");
    // ':' and ',' could not be written in a name: the caller could not repeat what it was told.
    if (hasControl(label.value) || label.value.find_first_of(":,") != label.value.npos) {
      return bad("label " + airlock::quoted(label.name) +
                 " has ':', ',' or control characters in its value");
    }
  }
  addHostLabels(labels);
  TRY(checkLabels(labels));
  return NamedImage{.name = std::move(name), .labels = std::move(labels)};
}

// Reads "key=value" words, each with both parts.
Result<std::vector<Label>> readPairs(std::string_view text, char separator, bool escaped) {
  std::vector<Label> labels;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    const auto equals = word.find('=');
    if (equals == word.npos) {
      return bad("malformed string - has a label without a value: " + printable(word));
    }
    std::optional<std::string> value(word.substr(equals + 1));
    if (escaped) value = unescapeQuery(*value);
    if (!value) return bad("malformed escape in " + airlock::quoted(word));
    labels.push_back({.name = std::string(word.substr(0, equals)), .value = std::move(*value)});
  }
  return labels;
}

// rkt's "container image distribution" form: cimd:TYPE:v=0:DATA.
Result<ImageReference> readCimd(std::string_view argument) {
  std::string_view rest = argument.substr(kCimd.size());
  const std::string_view type = rest.substr(0, rest.find(':'));
  rest.remove_prefix(std::min(rest.size(), type.size() + 1));
  constexpr std::string_view version = "v=0:";
  if (!rest.starts_with(version)) {
    return bad("malformed distribution " + airlock::quoted(argument), "its version is v=0");
  }
  rest.remove_prefix(version.size());
  if (type == "docker") return readRegistryImage(rest);
  if (type == "aci-archive") {
    const std::optional<std::string> url = unescapeQuery(rest);
    const auto colon = url ? url->find("://") : std::string::npos;
    if (colon == std::string::npos) return notAnImage(argument);
    return readUrl(*url, std::string_view(*url).substr(0, colon));
  }
  if (type != "appc") return bad("unknown type of distribution " + airlock::quoted(type));
  const auto question = std::min(rest.find('?'), rest.size());
  ImageName name = TRY(ImageName::parse(rest.substr(0, question)));
  const std::string_view query = rest.substr(std::min(rest.size(), question + 1));
  std::vector<Label> labels = TRY(readPairs(query, '&', true));
  return TRY(finish(std::move(name), std::move(labels)));
}
}  // namespace

Result<NamedImage> parseNamedImage(std::string_view text) {
  if (text.size() > limits::kReferenceBytes) return bad("the name of the image is too long");
  const auto comma = std::min(text.find(','), text.size());
  std::string_view head = text.substr(0, comma);
  const auto colon = head.find(':');
  if (text.find(':', comma) != text.npos && colon == head.npos) {
    return bad("malformed string " + airlock::quoted(text) +
               " - colon ':' may appear only right after the app name");
  }
  std::vector<Label> labels;
  if (colon != head.npos) {
    if (head.find(':', colon + 1) != head.npos) {
      return bad("malformed string " + airlock::quoted(text) +
                 " - colon ':' may appear at most once");
    }
    labels.push_back({.name = "version", .value = std::string(head.substr(colon + 1))});
    head = head.substr(0, colon);
  }
  ImageName name = TRY(inContext(ImageName::parse(head), "image name " + airlock::quoted(head)));
  const std::string_view tail = text.substr(std::min(text.size(), comma + 1));
  if (comma < text.size() && tail.empty()) {
    return bad("malformed string " + airlock::quoted(text) + " - ends in a comma");
  }
  std::vector<Label> more = TRY(readPairs(tail, ',', false));
  std::ranges::move(more, std::back_inserter(labels));
  return finish(std::move(name), std::move(labels));
}

Result<ImageReference> parseImageReference(
    std::string_view argument, const std::function<bool(std::string_view)>& isRegularFile) {
  if (argument.empty()) return bad("the name of an image is empty");
  if (argument.size() > limits::kReferenceBytes || argument.find('\0') != argument.npos) {
    return bad("not the name of an image");
  }
  if (argument.front() == '-') {
    return bad("not an image: " + airlock::quoted(argument),
               "options of an app come after its image, arguments of the app after --");
  }
  if (argument.starts_with(kHashPrefix) || argument.starts_with(kOciHashPrefix)) {
    if (const auto hash = checkImageHash(argument); !hash) {
      return bad(airlock::quoted(argument) + " is not an image id: " + hash.error().message());
    }
    return HashPrefix{.text = std::string(argument)};
  }
  if (auto image = readOci(argument)) return std::move(*image);
  if (argument.starts_with(kCimd)) return readCimd(argument);
  if (const auto colon = argument.find("://"); colon != argument.npos) {
    return readUrl(argument, argument.substr(0, colon));
  }
  const bool isPath = argument.front() == '/' || isRegularFile(argument) ||
                      (argument.find(':') == argument.npos &&
                       (argument.find("./") != argument.npos || argument.ends_with(kExtension)));
  if (isPath) return FilePath{.path = std::string(argument)};
  return TRY(parseNamedImage(argument));
}

std::string referenceText(const NamedImage& image) {
  std::string text = image.name.text();
  const auto version = std::ranges::find(image.labels, "version", &Label::name);
  if (version != image.labels.end()) text += ":" + version->value;
  for (const Label& label : image.labels) {
    const bool implied = label.name == "version" ||
                         (label.name == "os" && label.value == "linux") ||
                         (label.name == "arch" && label.value == hostArchitecture());
    if (!implied) text += "," + label.name + "=" + label.value;
  }
  return text;
}

}  // namespace airlock::image
