// SPDX-License-Identifier: Apache-2.0
#include "cli/configuration.h"

#include <fcntl.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/options.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

using image::Json;

// One root while it is read.
struct Layer {
  Configuration configuration;
  std::vector<std::string> remarks;
};

Result<void> refuseWritable(const struct stat& info, const std::string& path) {
  if ((info.st_mode & S_IWOTH) == 0) return {};
  return refuse(ErrorKind::Denied, "E_CONFIG",
                airlock::quoted(path) + " can be written by everyone",
                "Look at what it says now, then run chmod o-w " + printable(path));
}

Result<void> readOne(FdRef directory, const std::string& name, const std::string& path,
                     const ConfigurationDirectory& kind, Layer& layer) {
  // A link is passed over, as is everything else that is no regular file.
  const auto file =
      sys::openBeneath(directory, TRY(Component::parse(name)), O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!file) {
    if (file.error().number() == ELOOP || file.error().number() == ENXIO) return {};
    if (file.error().kind() == ErrorKind::Denied) {
      layer.remarks.push_back("you may not read " + printable(path) +
                              ": going on without what it says");
      return {};
    }
    return std::unexpected(file.error());
  }
  const struct stat info = TRY(sys::status(*file));
  if (!S_ISREG(info.st_mode)) return {};
  TRY(refuseWritable(info, path));
  if (std::string_view(kind.name) == "auth.d" && (info.st_mode & S_IROTH) != 0) {
    layer.remarks.push_back("warning: everyone on this machine can read the credentials in " +
                            printable(path) + ". Run chmod 0640 " + printable(path));
  }
  const auto text = sys::readAll(*file, limits::kConfigurationBytes);
  if (!text) return inContext(Result<void>(std::unexpected(text.error())), printable(path));
  return parseConfigurationFile(*text, path, kind, layer.configuration);
}

Result<void> readDirectory(const std::string& root, const ConfigurationDirectory& kind,
                           Layer& layer) {
  const std::string path = root + "/" + kind.name;
  const auto directory = sys::openPath(path, O_RDONLY | O_NONBLOCK);
  if (!directory) {
    if (directory.error().kind() == ErrorKind::Missing || directory.error().number() == ENOTDIR)
      return {};
    if (directory.error().kind() == ErrorKind::Denied) {
      layer.remarks.push_back("you may not read " + printable(path) +
                              ": going on without what it says");
      return {};
    }
    return std::unexpected(directory.error());
  }
  const struct stat info = TRY(sys::status(*directory));
  if (!S_ISDIR(info.st_mode)) {
    return refuse(ErrorKind::Invalid, "E_CONFIG",
                  "expected " + airlock::quoted(path) + " to be a directory",
                  "Remove it, or make it a directory");
  }
  TRY(refuseWritable(info, path));
  const std::vector<std::string> names = TRY(sys::list(*directory));
  if (names.size() > limits::kConfigurationFiles) {
    return refuse(ErrorKind::Invalid, "E_CONFIG", airlock::quoted(path) + " has too many files",
                  "A file may be for several hosts");
  }
  for (const std::string& name : names) {
    if (name.ends_with(".json")) TRY(readOne(*directory, name, path + "/" + name, kind, layer));
  }
  return {};
}

void override(std::string& field, std::string value) {
  if (!value.empty()) field = std::move(value);
}

void merge(Configuration& into, Configuration layer) {
  for (auto& [host, credential] : layer.auth) into.auth[host] = std::move(credential);
  for (auto& [registry, credential] : layer.docker) into.docker[registry] = std::move(credential);
  for (auto& [registry, settings] : layer.registries)
    into.registries[registry] = std::move(settings);
  override(into.data, std::move(layer.data));
  override(into.stage1Images, std::move(layer.stage1Images));
  override(into.stage1Name, std::move(layer.stage1Name));
  override(into.stage1Version, std::move(layer.stage1Version));
  override(into.stage1Location, std::move(layer.stage1Location));
}

constexpr const char* kHidden = "(hidden)";

Json entry(const char* kind) {
  Json document;
  document[programName() + "Version"] = "v1";
  document[programName() + "Kind"] = kind;
  return document;
}

Json authJson(const ipc::Credential& credential, bool secrets) {
  const std::string secret = secrets ? credential.secret : kHidden;
  Json document = entry("auth");
  document["domains"] = {credential.host};
  switch (credential.kind) {
    case ipc::Credential::Kind::Basic:
      document["type"] = "basic";
      document["credentials"] = {{"user", credential.user}, {"password", secret}};
      break;
    case ipc::Credential::Kind::Bearer:
      document["type"] = "oauth";
      document["credentials"] = {{"token", secret}};
      break;
    case ipc::Credential::Kind::Aws:
      document["type"] = "aws";
      document["credentials"] = {{"accessKeyID", credential.user}, {"secretAccessKey", secret}};
      if (!credential.region.empty()) document["credentials"]["awsRegion"] = credential.region;
      break;
    case ipc::Credential::Kind::Identity:
      break;  // no file of ours has one
  }
  return document;
}

Json registryJson(const std::string& registry, const RegistrySettings& settings) {
  Json document = entry("registry");
  document["registry"] = registry;
  document["mirrors"] = Json::array();
  for (const RegistryMirror& mirror : settings.mirrors) {
    const std::string path = mirror.prefix.empty() ? "" : "/" + mirror.prefix;
    document["mirrors"].push_back(
        {{"location", mirror.host + path}, {"insecure", mirror.insecure}});
  }
  document["insecure"] = settings.insecure;
  document["lookasides"] = settings.lookasides;
  return document;
}

// Tells each line once in a process: several steps of one command read the configuration.
void tellOnce(const std::vector<std::string>& remarks) {
  static bool told = false;
  if (std::exchange(told, true)) return;
  for (const std::string& remark : remarks) inform(remark);
}

}  // namespace

Result<ReadConfiguration> readConfiguration(const std::vector<std::string>& roots) {
  ReadConfiguration read;
  for (const std::string& root : roots) {
    Layer layer;
    for (const ConfigurationDirectory& directory : configurationDirectories())
      TRY(readDirectory(root, directory, layer));
    merge(read.merged, std::move(layer.configuration));
    for (std::string& remark : layer.remarks) read.remarks.push_back(std::move(remark));
  }
  return read;
}

Json configurationJson(const Configuration& configuration, bool secrets) {
  Json all = Json::array();
  for (const auto& [host, credential] : configuration.auth)
    all.push_back(authJson(credential, secrets));
  for (const auto& [registry, credential] : configuration.docker) {
    Json document = entry("dockerAuth");
    document["registries"] = {registry};
    document["credentials"] = {{"user", credential.user},
                               {"password", secrets ? credential.password : kHidden}};
    all.push_back(std::move(document));
  }
  for (const auto& [registry, settings] : configuration.registries)
    all.push_back(registryJson(registry, settings));
  Json paths = entry("paths");
  paths["data"] = configuration.data;
  paths["stage1-images"] = configuration.stage1Images;
  all.push_back(std::move(paths));
  Json stage1 = entry("stage1");
  stage1["name"] = configuration.stage1Name;
  stage1["version"] = configuration.stage1Version;
  stage1["location"] = configuration.stage1Location;
  all.push_back(std::move(stage1));
  return {{"stage0", std::move(all)}};
}

Result<void> applyConfiguredPaths(Options& options) {
  if (options.dirGiven) return {};
  const ReadConfiguration read = TRY(readConfiguration(options.configRoots()));
  if (read.merged.data.empty()) return {};
  options.dir = read.merged.data;
  options.dirGiven = true;
  return {};
}

Result<std::vector<ipc::Credential>> configuredCredentials(const Options& options) {
  ReadConfiguration read = TRY(readConfiguration(options.configRoots()));
  if (options.insecure.tls && !read.merged.auth.empty()) {
    read.remarks.emplace_back("no credentials are sent, as TLS verification has been disabled");
    read.merged.auth.clear();
  }
  tellOnce(read.remarks);
  if (read.merged.auth.size() > limits::kCredentials) {
    return refuse(
        ErrorKind::Invalid, "E_CONFIG",
        "there are credentials for more than " + std::to_string(limits::kCredentials) + " hosts",
        "Move those that are not needed out of auth.d");
  }
  std::vector<ipc::Credential> credentials;
  for (auto& [host, credential] : read.merged.auth) {
    if (credential.kind == ipc::Credential::Kind::Aws && credential.region.empty())
      credential.region = awsRegionOf(host);
    credentials.push_back(std::move(credential));
  }
  return credentials;
}

}  // namespace airlock::cli
