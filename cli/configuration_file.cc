// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "cli/configuration.h"
#include "image/json_reader.h"
#include "image/oci_reference.h"

namespace airlock::cli {

namespace {

using image::Json;
using image::ObjectReader;

constexpr std::string_view kVersion = "v1";
constexpr const char* kDockerHub = "registry-1.docker.io";

std::unexpected<Error> wrong(std::string message) {
  return refuse(ErrorKind::Invalid, "E_CONFIG", std::move(message));
}

// A credential goes into a header line.
Result<std::string> secretText(const ObjectReader& object, std::string_view key,
                               const char* missing) {
  std::string value = TRY(object.text(key));
  if (value.empty()) return wrong(missing);
  const auto bad = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; };
  if (std::ranges::any_of(value, bad)) return wrong(object.at(key) + " has a control character");
  if (value.size() > limits::kTextBytes) return wrong(object.at(key) + " is too long");
  return value;
}

Result<DockerCredential> userAndPassword(const ObjectReader& credentials) {
  DockerCredential both{
      .user = TRY(secretText(credentials, "user", "user not specified")),
      .password = TRY(secretText(credentials, "password", "password not specified"))};
  // RFC 7617: what stands before the first colon is the user.
  if (both.user.contains(':')) return wrong("a user with a colon in it cannot be sent");
  return both;
}

Result<ObjectReader> credentialsOf(const ObjectReader& file) {
  const Json* credentials = file.find("credentials");
  if (credentials == nullptr) return wrong("no credentials");
  return ObjectReader::of(*credentials, "credentials");
}

Result<ipc::Credential> authCredential(const ObjectReader& file) {
  using Kind = ipc::Credential::Kind;
  const std::string type = TRY(file.text("type"));
  if (type.empty()) return wrong("no auth type specified");
  if (type != "basic" && type != "oauth" && type != "aws")
    return wrong("unknown auth type: " + airlock::quoted(type));
  const ObjectReader credentials = TRY(credentialsOf(file));
  if (type == "oauth") {
    return ipc::Credential{
        .kind = Kind::Bearer,
        .secret = TRY(secretText(credentials, "token", "no oauth bearer token specified"))};
  }
  if (type == "basic") {
    DockerCredential both = TRY(userAndPassword(credentials));
    return ipc::Credential{
        .kind = Kind::Basic, .user = std::move(both.user), .secret = std::move(both.password)};
  }
  ipc::Credential aws{
      .kind = Kind::Aws,
      .user = TRY(secretText(credentials, "accessKeyID", "no accessKeyID specified")),
      .secret = TRY(secretText(credentials, "secretAccessKey", "no secretAccessKey specified")),
      .region = TRY(credentials.text("awsRegion"))};
  const auto ofRegion = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (!std::ranges::all_of(aws.region, ofRegion))
    return wrong("awsRegion " + airlock::quoted(aws.region) + " is no region");
  return aws;
}

Result<void> readAuth(const ObjectReader& file, Configuration& into) {
  const auto domains = TRY(file.textList("domains", limits::kCredentials));
  if (domains.empty()) return wrong("no domains specified");
  ipc::Credential credential = TRY(authCredential(file));
  for (const std::string& domain : domains) {
    credential.host = TRY(parseDomain(domain));
    if (!into.auth.emplace(credential.host, credential).second)
      return wrong("auth for domain " + airlock::quoted(domain) + " is already specified");
  }
  return {};
}

Result<void> readDockerAuth(const ObjectReader& file, Configuration& into) {
  const auto registries = TRY(file.textList("registries", limits::kCredentials));
  if (registries.empty()) return wrong("no registries specified");
  const DockerCredential credential = TRY(userAndPassword(TRY(credentialsOf(file))));
  for (const std::string& registry : registries) {
    if (!into.docker.emplace(TRY(parseRegistry(registry)), credential).second) {
      return wrong("credentials for docker registry " + airlock::quoted(registry) +
                   " are already specified");
    }
  }
  return {};
}

Result<void> setOnce(std::string& field, std::string value, const char* what) {
  if (value.empty()) return {};
  if (!field.empty()) return wrong(std::string(what) + " is already specified");
  field = std::move(value);
  return {};
}

Result<std::string> absolute(const ObjectReader& file, std::string_view key, const char* what) {
  std::string path = TRY(file.text(key));
  if (!path.empty() && !path.starts_with('/'))
    return wrong(std::string(what) + " must be an absolute path");
  return path;
}

Result<void> readPaths(const ObjectReader& file, Configuration& into) {
  constexpr const char* kData = "data directory";
  constexpr const char* kStage1Images = "stage1 images directory";
  TRY(setOnce(into.data, TRY(absolute(file, "data", kData)), kData));
  return setOnce(into.stage1Images, TRY(absolute(file, "stage1-images", kStage1Images)),
                 kStage1Images);
}

Result<void> readStage1(const ObjectReader& file, Configuration& into) {
  const std::string name = TRY(file.text("name"));
  const std::string version = TRY(file.text("version"));
  const std::string location = TRY(file.text("location"));
  if (name.empty() != version.empty())
    return wrong("name and version of the default stage1 image must both be given, or neither");
  if (!name.empty()) TRY(ImageName::parse(name));
  constexpr std::array<std::string_view, 5> kBeginnings = {"/", "file://", "docker://", "http://",
                                                           "https://"};
  const auto begins = [&](std::string_view beginning) { return location.starts_with(beginning); };
  if (!location.empty() && !std::ranges::any_of(kBeginnings, begins)) {
    return wrong(
        "default stage1 image location must be an absolute path, or a file, docker, http or https "
        "URL");
  }
  TRY(setOnce(into.stage1Name, name, "name of the default stage1 image"));
  TRY(setOnce(into.stage1Version, version, "version of the default stage1 image"));
  return setOnce(into.stage1Location, location, "location of the default stage1 image");
}

// "mirror.example:5000/hub"
Result<RegistryMirror> readMirror(const Json& value, const std::string& where) {
  const ObjectReader reader = TRY(ObjectReader::of(value, where));
  const std::string location = TRY(reader.text("location"));
  const auto slash = std::min(location.find('/'), location.size());
  RegistryMirror mirror{.host = TRY(parseDomain(location.substr(0, slash))),
                        .prefix = location.substr(std::min(location.size(), slash + 1)),
                        .insecure = TRY(reader.boolean("insecure"))};
  // A repository below it must be one.
  const auto place = image::parseRegistryImage(location + "/repository");
  if (!place) return wrong("mirror " + airlock::quoted(location) + " is not HOST[:PORT][/PATH]");
  return mirror;
}

Result<std::string> readLookaside(const Json& value, const std::string& where) {
  const std::string url = value.is_string() ? value.get<std::string>() : std::string();
  const bool known =
      url.starts_with("https://") || url.starts_with("http://") || url.starts_with("file:///");
  if (!known || url.size() > limits::kUrlBytes)
    return wrong(where + " must be an https, http or file URL");
  return url;
}

Result<void> readRegistry(const ObjectReader& file, Configuration& into) {
  const std::string name = TRY(file.text("registry"));
  if (name.empty()) return wrong("no registry specified");
  RegistrySettings settings{
      .mirrors = TRY(file.list<RegistryMirror>("mirrors", limits::kOciEndpoints - 1, readMirror)),
      .insecure = TRY(file.boolean("insecure")),
      .lookasides =
          TRY(file.list<std::string>("lookasides", limits::kOciLookasides, readLookaside))};
  if (!into.registries.emplace(TRY(parseRegistry(name)), std::move(settings)).second)
    return wrong("settings for registry " + airlock::quoted(name) + " are already specified");
  return {};
}

// The value of airlockKey or rktKey; they may both stand there when they say the same.
Result<std::string> eitherName(const ObjectReader& file, const std::string& key) {
  const std::string ours = TRY(file.text("airlock" + key));
  const std::string rkts = TRY(file.text("rkt" + key));
  if (!ours.empty() && !rkts.empty() && ours != rkts)
    return wrong("airlock" + key + " and rkt" + key + " are not the same");
  return ours.empty() ? rkts : ours;
}

std::string quotedList(const std::vector<std::string_view>& words) {
  std::string list;
  for (const std::string_view word : words)
    list += (list.empty() ? "" : " ") + airlock::quoted(word);
  return "[" + list + "]";
}

Result<void> readFile(const Json& document, const std::string& path,
                      const ConfigurationDirectory& directory, Configuration& into) {
  const ObjectReader file = TRY(ObjectReader::of(document, "the file"));
  const std::string kind = TRY(eitherName(file, "Kind"));
  const std::string version = TRY(eitherName(file, "Version"));
  if (kind.empty()) return wrong("no airlockKind or rktKind specified in " + airlock::quoted(path));
  if (version.empty())
    return wrong("no airlockVersion or rktVersion specified in " + airlock::quoted(path));
  if (std::ranges::find(directory.kinds, std::string_view(kind)) == directory.kinds.end()) {
    const std::size_t slash = path.rfind('/');
    return wrong("the configuration directory " + airlock::quoted(path.substr(0, slash)) +
                 " expects to have configuration files of kinds " + quotedList(directory.kinds) +
                 ", but " + airlock::quoted(path.substr(slash + 1)) + " has kind of " +
                 airlock::quoted(kind));
  }
  if (version != kVersion) {
    return wrong("no parser available for configuration of kind " + airlock::quoted(kind) +
                 " and version " + airlock::quoted(version) + ", which " + airlock::quoted(path) +
                 " has");
  }
  const auto read = [&]() -> Result<void> {
    if (kind == "auth") return readAuth(file, into);
    if (kind == "dockerAuth") return readDockerAuth(file, into);
    if (kind == "paths") return readPaths(file, into);
    if (kind == "registry") return readRegistry(file, into);
    return readStage1(file, into);
  };
  auto done = read();
  if (done) return done;
  return wrong("failed to parse " + airlock::quoted(path) + ": " + done.error().message());
}

bool isHostText(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           c == ':';
  });
}

}  // namespace

const std::vector<ConfigurationDirectory>& configurationDirectories() {
  static const std::vector<ConfigurationDirectory> directories = {
      {"auth.d", {"auth", "dockerAuth"}},
      {"paths.d", {"paths"}},
      {"registries.d", {"registry"}},
      {"stage1.d", {"stage1"}}};
  return directories;
}

Result<std::string> parseDomain(std::string_view text) {
  std::string host;
  for (const char c : text) host += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (host.ends_with(":443")) host.resize(host.size() - 4);
  if (host.starts_with('[')) std::erase_if(host, [](char c) { return c == '[' || c == ']'; });
  if (!isHostText(host))
    return wrong("domain " + airlock::quoted(text) + " is not HOST or HOST:PORT");
  return host;
}

Result<std::string> parseRegistry(std::string_view text) {
  if (text.empty() || text == "docker.io" || text == "index.docker.io") return kDockerHub;
  auto host = parseDomain(text);
  if (!host) return wrong("registry " + airlock::quoted(text) + " is not HOST or HOST:PORT");
  return host;
}

std::string awsRegionOf(std::string_view host) {
  constexpr std::string_view kEnd = ".amazonaws.com";
  constexpr const char* kDefault = "us-east-1";
  if (!host.ends_with(kEnd)) return kDefault;
  host.remove_suffix(kEnd.size());
  const std::string_view last = host.substr(host.rfind('.') + 1);
  if (last.starts_with("s3-")) return std::string(last.substr(3));
  if (last == host || last == "s3") return kDefault;
  host.remove_suffix(last.size() + 1);
  const std::string_view before = host.substr(host.rfind('.') + 1);
  return before == "s3" ? std::string(last) : kDefault;
}

Result<void> parseConfigurationFile(std::string_view text, const std::string& path,
                                    const ConfigurationDirectory& directory,
                                    Configuration& configuration) {
  const auto document = image::parseJson(text, limits::kConfigurationBytes);
  if (!document)
    return wrong("failed to parse " + airlock::quoted(path) + ": " + document.error().message());
  return readFile(*document, path, directory, configuration);
}

}  // namespace airlock::cli
