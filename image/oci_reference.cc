// SPDX-License-Identifier: Apache-2.0
#include "image/oci_reference.h"

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/log.h"

namespace airlock::image {

namespace {

constexpr std::size_t kMostTag = 128;
constexpr std::string_view kLibrary = "library/";
constexpr std::string_view kLatest = "latest";

bool isLower(char c) { return c >= 'a' && c <= 'z'; }
bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isLowerAlnum(char c) { return isLower(c) || isDigit(c); }

std::string lowerCase(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

std::unexpected<Error> bad(std::string_view text, std::string why) {
  return refuse(ErrorKind::Invalid, "E_REFERENCE",
                "invalid docker URL " + airlock::quoted("docker://" + std::string(text)) +
                    "; expected syntax is "
                    "\"docker://[REGISTRY_HOST[:REGISTRY_PORT]/]IMAGE_NAME[:TAG]\"",
                std::move(why));
}

template <class Check>
bool everyPart(std::string_view text, char separator, Check check) {
  for (;;) {
    const auto end = text.find(separator);
    if (!check(text.substr(0, end))) return false;
    if (end == text.npos) return true;
    text.remove_prefix(end + 1);
  }
}

// domain-component: letters, digits and inner dashes (after lower-casing).
bool isDomainComponent(std::string_view text) {
  return !text.empty() && text.front() != '-' && text.back() != '-' &&
         std::ranges::all_of(text, [](char c) { return isLowerAlnum(c) || c == '-'; });
}
bool isDomain(std::string_view text) { return everyPart(text, '.', isDomainComponent); }

// path-component: [a-z0-9]+ ((\.|_|__|-+) [a-z0-9]+)*
bool isPathComponent(std::string_view text) {
  if (text.empty() || !isLowerAlnum(text.front()) || !isLowerAlnum(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    if (isLowerAlnum(text[i])) {
      ++i;
      continue;
    }
    const char c = text[i];
    const std::size_t end = std::min(text.find_first_not_of(c, i), text.size());
    const std::size_t run = end - i;
    const bool allowed = (c == '.' && run == 1) || (c == '_' && run <= 2) || c == '-';
    if (!allowed || !isLowerAlnum(text[end])) return false;
    i = end;
  }
  return true;
}
bool isRepositoryPath(std::string_view text) { return everyPart(text, '/', isPathComponent); }

// 1 to 65535 without leading zeros: one port has one text.
bool isPort(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.front() == '0') return false;
  return std::ranges::all_of(text, isDigit) && std::stoul(std::string(text)) <= 65535;
}

bool isDockerHub(std::string_view host) {
  return host == "docker.io" || host == "index.docker.io" || host == kDockerHub;
}

// A first component is a host when it could be nothing else to docker either.
bool namesHost(std::string_view first) {
  return first.find_first_of(".:[") != first.npos || first == "localhost" ||
         std::ranges::any_of(first, [](char c) { return c >= 'A' && c <= 'Z'; });
}

Result<Repository> readRepository(std::string_view name, std::string_view whole) {
  Repository place{.host = std::string(kDockerHub), .port = {}, .path = {}};
  const auto slash = name.find('/');
  if (slash != name.npos && namesHost(name.substr(0, slash))) {
    const std::string authority = lowerCase(name.substr(0, slash));
    name.remove_prefix(slash + 1);
    if (authority.starts_with('[')) {
      return bad(whole, "an IPv6 address cannot name a registry: give it a name");
    }
    const auto colon = authority.find(':');
    place.host = authority.substr(0, colon);
    if (colon != authority.npos) place.port = authority.substr(colon + 1);
    if (!isDomain(place.host)) return bad(whole, "its host is no host name");
    if (colon != authority.npos && !isPort(place.port)) return bad(whole, "its port is none");
    if (place.port == "443") place.port.clear();
  }
  if (isDockerHub(place.host) && place.port.empty()) {
    place.host = kDockerHub;
    if (name.find('/') == name.npos) place.path = kLibrary;
  }
  place.path += name;
  if (!isRepositoryPath(place.path)) {
    return bad(whole,
               "a repository is lower-case letters and digits, with single '.', '_', "
               "'__' or dashes between them, in parts that '/' separates");
  }
  if (place.authority().size() + 1 + place.path.size() > limits::kNameBytes) {
    return bad(whole, "it is longer than 255 characters");
  }
  return place;
}

// "a__b--c" becomes "a~u2~b~d2~c": an AC identifier has no two separators in a row, and no '~' can
// be in what comes in.
std::string withoutRuns(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t end = std::min(text.find_first_not_of(c, i), text.size());
    const std::size_t run = end - i;
    if ((c == '_' || c == '-') && run > 1) {
      out += (c == '_' ? "~u" : "~d") + std::to_string(run) + "~";
      i = end;
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

// Undoes it, up to a '~' that begins something else.
std::optional<std::string> withRuns(std::string_view& text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() != '~') {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const char kind = text.size() > 1 ? text[1] : '\0';
    if (kind != 'u' && kind != 'd') return out;
    const auto end = text.find('~', 2);
    if (end == text.npos || end == 2 || end > 5) return std::nullopt;
    const std::string_view digits = text.substr(2, end - 2);
    if (digits.front() == '0' || !std::ranges::all_of(digits, isDigit)) return std::nullopt;
    const std::size_t run = std::stoul(std::string(digits));
    if (run < 2 || run > limits::kNameBytes) return std::nullopt;
    out.append(run, kind == 'u' ? '_' : '-');
    text.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace

bool isOciTag(std::string_view text) {
  const auto inner = [](char c) {
    return isLowerAlnum(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '-';
  };
  return !text.empty() && text.size() <= kMostTag && text.front() != '.' && text.front() != '-' &&
         std::ranges::all_of(text, inner);
}

Result<RegistryImage> parseRegistryImage(std::string_view text) {
  if (text.size() > limits::kReferenceBytes) return bad("", "it is too long");
  RegistryImage image;
  std::string_view name = text;
  if (const auto at = name.find('@'); at != name.npos) {
    const auto digest = parseOciDigest(name.substr(at + 1));
    if (!digest) {
      return refuse(ErrorKind::Invalid, "E_DIGEST",
                    airlock::quoted(text) + " has no digest that could be checked after its @",
                    "it is sha256: and 64 lower-case hex digits");
    }
    image.digest = *digest;
    name = name.substr(0, at);
  }
  const auto lastSlash = name.rfind('/');
  const auto colon = name.find(':', lastSlash == name.npos ? 0 : lastSlash);
  if (colon != name.npos) {
    image.tag = name.substr(colon + 1);
    name = name.substr(0, colon);
    if (!isOciTag(image.tag)) {
      return bad(text, "a tag is up to 128 letters, digits, '_', '.' and '-'");
    }
  } else if (!image.digest) {
    image.tag = kLatest;
  }
  image.repository = TRY(readRepository(name, text));
  return image;
}

std::string referenceText(const RegistryImage& image) {
  std::string text = image.repository.authority() + "/" + image.repository.path;
  if (!image.tag.empty()) text += ":" + image.tag;
  if (image.digest) text += "@" + ociText(*image.digest);
  return text;
}

Result<LocalOciImage> parseLocalOciImage(LocalOciImage::Kind kind, std::string_view text) {
  const auto colon = std::min(text.find(':'), text.size());
  LocalOciImage image{.kind = kind,
                      .path = std::string(text.substr(0, colon)),
                      .reference = std::string(text.substr(std::min(text.size(), colon + 1)))};
  if (image.path.empty()) {
    return refuse(ErrorKind::Invalid, "E_REFERENCE", "no path stands after the colon",
                  "write oci:DIR[:REF], oci-archive:FILE[:REF] or docker-archive:FILE[:NAME:TAG]");
  }
  return image;
}

std::string referenceText(const LocalOciImage& image) {
  std::string text;
  switch (image.kind) {
    case LocalOciImage::Kind::Layout:
      text = "oci:";
      break;
    case LocalOciImage::Kind::OciArchive:
      text = "oci-archive:";
      break;
    case LocalOciImage::Kind::DockerArchive:
      text = "docker-archive:";
      break;
  }
  text += image.path;
  if (!image.reference.empty()) text += ":" + image.reference;
  return text;
}

Result<ImageName> imageNameOf(const Repository& repository) {
  std::string name = withoutRuns(repository.host);
  if (!repository.port.empty()) name += "~" + repository.port;
  return ImageName::parse(name + "/" + withoutRuns(repository.path));
}

Result<ImageName> imageNameOfPrefix(std::string_view text) {
  const auto slash = std::min(text.find('/'), text.size());
  const std::string authority = lowerCase(text.substr(0, slash));
  const std::string host = authority.substr(0, authority.find(':'));
  std::string port = authority.substr(std::min(authority.size(), host.size() + 1));
  const auto plain = ImageName::parse(text);
  // A run of separators can only be a repository's: appc has none.
  const bool hasRun = text.find("__") != text.npos || text.find("--") != text.npos;
  if (plain && !isDockerHub(host) && !hasRun) return plain;
  const std::string_view path = text.substr(std::min(text.size(), slash + 1));
  const bool noPort = authority.find(':') == std::string::npos;
  const bool isPrefix = isDomain(host) && (noPort || isPort(port)) &&
                        (slash == text.size() || isRepositoryPath(path));
  if (!isPrefix) return plain;
  if (port == "443") port.clear();
  std::string name = withoutRuns(isDockerHub(host) && port.empty() ? kDockerHub : host);
  if (!port.empty()) name += "~" + port;
  if (!path.empty()) name += "/" + withoutRuns(path);
  return ImageName::parse(name);
}

std::optional<Repository> repositoryOf(const ImageName& name) {
  std::string_view text = name.text();
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  std::string_view first = text.substr(0, slash);
  std::string_view rest = text.substr(slash + 1);
  Repository place;
  const std::optional<std::string> host = withRuns(first);
  const std::optional<std::string> path = withRuns(rest);
  if (!host || !path || !rest.empty()) return std::nullopt;
  place.host = *host;
  place.path = *path;
  if (!first.empty()) {
    place.port = first.substr(1);
    if (!isPort(place.port) || place.port == "443") return std::nullopt;
  }
  if (!isDomain(place.host) || !isRepositoryPath(place.path)) return std::nullopt;
  // Only the one name that imageNameOf() makes is a repository's.
  const auto again = imageNameOf(place);
  if (!again || *again != name) return std::nullopt;
  return place;
}

}  // namespace airlock::image
