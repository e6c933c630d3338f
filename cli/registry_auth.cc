// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_auth.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"
#include "base/syscall.h"
#include "cli/text_output.h"
#include "image/json_reader.h"

namespace airlock::cli {

namespace {

using image::Json;
using image::ObjectReader;
using Kind = ipc::Credential::Kind;

// How a helper says that the password is an identity token (docker-credential-helpers).
constexpr std::string_view kTokenUser = "<token>";
constexpr char kOldDockerFile[] = "/.dockercfg";
constexpr int kHelperMilliseconds = 120'000;  // it may ask its user for a passphrase

std::unexpected<Error> wrong(const std::string& path, std::string why) {
  return refuse(ErrorKind::Invalid, "E_CONFIG", printable(path) + ": " + std::move(why));
}

std::optional<std::string> fromBase64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == kDigits.npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xffff;
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

bool isSecret(std::string_view text) {
  return text.size() <= limits::kTextBytes && std::ranges::none_of(text, [](char c) {
           return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
         });
}

std::string canonicalHost(std::string host) {
  std::ranges::transform(host, host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (host.ends_with(":443")) host.resize(host.size() - 4);
  const bool hub = host == "docker.io" || host == "index.docker.io";
  return hub ? std::string(image::kDockerHub) : host;
}

// docker writes URLs ("https://index.docker.io/v1/"), podman names; of a URL the path says nothing.
std::string canonicalKey(std::string_view key) {
  const auto scheme = key.find("://");
  if (scheme != key.npos) {
    key.remove_prefix(scheme + 3);
    key = key.substr(0, key.find('/'));
  }
  while (key.ends_with('/')) key.remove_suffix(1);
  const auto slash = std::min(key.find('/'), key.size());
  return canonicalHost(std::string(key.substr(0, slash))) + std::string(key.substr(slash));
}

// nullopt: the entry is empty, because a store has it.
Result<std::optional<ipc::Credential>> readAuth(const Json& value, const std::string& where,
                                                const std::string& path) {
  const ObjectReader entry = TRY(ObjectReader::of(value, where));
  ipc::Credential credential;
  credential.secret = TRY(entry.text("identitytoken"));
  if (!credential.secret.empty()) {
    credential.kind = Kind::Identity;
  } else {
    const std::string encoded = TRY(entry.text("auth"));
    if (encoded.empty()) return std::nullopt;
    const auto plain = fromBase64(encoded);
    const auto colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos || colon == 0)
      return wrong(path, where + ".auth is not the base64 of USER:PASSWORD");
    credential.user = plain->substr(0, colon);
    credential.secret = plain->substr(colon + 1);
    // docker pads what it wrote in old times.
    while (credential.secret.ends_with('\0')) credential.secret.pop_back();
  }
  if (!isSecret(credential.user) || !isSecret(credential.secret))
    return wrong(path, where + " has control characters in it, or is too long");
  return std::optional(std::move(credential));
}

bool isHelperName(std::string_view name) {
  return !name.empty() && name.size() <= limits::kNameBytes &&
         std::ranges::all_of(name, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

std::string variable(const char* name) {
  const char* value = ::secure_getenv(name);
  return value != nullptr ? value : "";
}

std::string below(const std::string& directory, const char* path) {
  return directory.empty() ? std::string() : directory + path;
}

std::vector<std::string> authFiles() {
  const std::string named = variable("REGISTRY_AUTH_FILE");
  if (!named.empty()) return {named};
  const std::string home = variable("HOME");
  std::string config = variable("XDG_CONFIG_HOME");
  if (config.empty()) config = below(home, "/.config");
  std::string docker = variable("DOCKER_CONFIG");
  if (docker.empty()) docker = below(home, "/.docker");
  return {below(variable("XDG_RUNTIME_DIR"), "/containers/auth.json"),
          below(config, "/containers/auth.json"), below(docker, "/config.json"),
          below(home, kOldDockerFile)};
}

Result<std::optional<RegistryAuthFile>> readAuthFile(const std::string& path) {
  if (path.empty()) return std::nullopt;
  const auto file = sys::openPath(path, O_RDONLY | O_NONBLOCK);
  if (!file) {
    if (file.error().kind() == ErrorKind::Missing || file.error().number() == ENOTDIR)
      return std::nullopt;
    return inContext(Result<std::optional<RegistryAuthFile>>(std::unexpected(file.error())),
                     printable(path));
  }
  const struct stat info = TRY(sys::status(*file));
  if (!S_ISREG(info.st_mode)) return wrong(path, "it is no regular file");
  if ((info.st_mode & S_IWOTH) != 0) {
    return refuse(ErrorKind::Denied, "E_CONFIG", printable(path) + " can be written by everyone",
                  "Look at what it says now, then run chmod o-w " + printable(path));
  }
  const std::string text =
      TRY(inContext(sys::readAll(*file, limits::kConfigurationBytes), printable(path)));
  RegistryAuthFile read = TRY(parseRegistryAuthFile(text, path));
  if (!read.auths.empty() && (info.st_mode & S_IROTH) != 0) {
    inform("warning: everyone on this machine can read the credentials in " + printable(path) +
           ". Run chmod 0600 " + printable(path));
  }
  return std::optional(std::move(read));
}

// The program in PATH, with the interpreter that a script names: a script cannot be executed by
// its descriptor alone.
struct HelperProgram {
  Fd executable;
  std::vector<std::string> arguments;
};

Result<HelperProgram> findHelper(const std::string& name) {
  std::string directories = variable("PATH");
  if (directories.empty()) directories = "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t at = 0; at <= directories.size();) {
    const auto end = std::min(directories.find(':', at), directories.size());
    const std::string path = directories.substr(at, end - at) + "/" + name;
    at = end + 1;
    if (!path.starts_with('/') || ::access(path.c_str(), X_OK) != 0) continue;
    Fd file = TRY(sys::openPath(path, O_RDONLY));
    std::string head(limits::kNameBytes, '\0');
    const auto got =
        TRY(sys::readAt(file, {reinterpret_cast<std::uint8_t*>(head.data()), head.size()}, 0));
    head.resize(got);
    if (!head.starts_with("#!")) return HelperProgram{std::move(file), {name, "get"}};
    const auto begin = head.find_first_not_of(" \t", 2);
    const auto stop = head.find_first_of(" \t\n", std::min(begin, head.size()));
    if (stop == head.npos) return wrong(path, "its first line names no interpreter");
    const std::string interpreter = head.substr(begin, stop - begin);
    const auto line = std::min(head.find('\n', stop), head.size());
    std::vector<std::string> arguments = {interpreter};
    const auto word = head.find_first_not_of(" \t", stop);
    if (word < line) arguments.push_back(head.substr(word, line - word));
    arguments.insert(arguments.end(), {path, "get"});
    return HelperProgram{TRY(sys::openPath(interpreter, O_RDONLY)), std::move(arguments)};
  }
  return refuse(ErrorKind::Missing, "E_CONFIG",
                "the program " + name + " keeps the credential, and is not in PATH",
                "install it, or log in again with a tool that writes auth.json");
}

// What such a program needs of the session to find its store; nothing else of the environment.
std::vector<std::string> helperEnvironment() {
  std::vector<std::string> environment;
  for (const char* name :
       {"HOME", "PATH", "USER", "LOGNAME", "LANG", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME",
        "PASSWORD_STORE_DIR", "SSL_CERT_FILE", "https_proxy", "no_proxy", "AWS_PROFILE",
        "AWS_REGION", "GOOGLE_APPLICATION_CREDENTIALS"}) {
    const std::string value = variable(name);
    if (!value.empty()) environment.push_back(std::string(name) + "=" + value);
  }
  return environment;
}

Result<std::optional<ipc::Credential>> askHelper(const std::string& name, const std::string& key) {
  const std::string program = "docker-credential-" + name;
  const HelperProgram found = TRY(findHelper(program));
  sys::Pipe question = TRY(sys::pipe());
  sys::Pipe answer = TRY(sys::pipe());
  Child child = TRY(spawn({.executable = found.executable,
                           .arguments = found.arguments,
                           .environment = helperEnvironment(),
                           .descriptors = {{question.readEnd, STDIN_FILENO},
                                           {answer.writeEnd, STDOUT_FILENO},
                                           {FdRef(STDERR_FILENO), STDERR_FILENO}}}));
  question.readEnd.reset();
  answer.writeEnd.reset();
  // One that does not read its question is told so by its end; SIGPIPE is ignored by the CLI.
  static_cast<void>(sys::writeAll(question.writeEnd, key + "\n").has_value());
  question.writeEnd.reset();
  const auto text = sys::readAll(answer.readEnd, limits::kConfigurationBytes);
  const auto status = TRY(child.wait(kHelperMilliseconds));
  if (!text) return fail(text.error());
  return parseHelperAnswer(*text, status && status->clean(), program);
}

// docker keeps its own registry under the URL of its first protocol.
std::string helperKey(const std::string& host) {
  return host == image::kDockerHub ? "https://index.docker.io/v1/" : host;
}

Result<std::optional<ipc::Credential>> credentialIn(const RegistryAuthFile& file,
                                                    const image::Repository& repository) {
  const std::string host = canonicalHost(repository.authority());
  const auto helper = file.helpers.find(host);
  if (helper != file.helpers.end()) return askHelper(helper->second, helperKey(host));
  for (const std::string& key : authKeys(repository)) {
    const auto found = file.auths.find(key);
    if (found != file.auths.end()) return std::optional(found->second);
  }
  if (!file.store.empty()) return askHelper(file.store, helperKey(host));
  return std::nullopt;
}

}  // namespace

std::vector<std::string> authKeys(const image::Repository& repository) {
  std::string key = canonicalHost(repository.authority()) + "/" + repository.path;
  std::vector<std::string> keys = {key};
  for (auto slash = key.rfind('/'); slash != key.npos; slash = key.rfind('/')) {
    key.resize(slash);
    keys.push_back(key);
  }
  return keys;
}

Result<RegistryAuthFile> parseRegistryAuthFile(std::string_view text, const std::string& path) {
  const auto document = image::parseJson(text, limits::kConfigurationBytes);
  if (!document) return wrong(path, document.error().text());
  const ObjectReader reader = TRY(ObjectReader::of(*document, printable(path)));
  RegistryAuthFile file;
  const bool old = path.ends_with(kOldDockerFile);
  if (const Json* auths = old ? &*document : reader.find("auths")) {
    TRY(ObjectReader::of(*auths, reader.at("auths")));
    for (const auto& [key, value] : auths->items()) {
      auto credential = TRY(readAuth(value, "auths." + printable(key), path));
      if (credential) file.auths.emplace(canonicalKey(key), *std::move(credential));
    }
  }
  if (old) return file;
  for (auto& [key, name] : TRY(reader.textMap("credHelpers"))) {
    if (!isHelperName(name)) return wrong(path, "credHelpers names no program");
    file.helpers.emplace(canonicalKey(key), name);
  }
  file.store = TRY(reader.text("credsStore"));
  if (!file.store.empty() && !isHelperName(file.store))
    return wrong(path, "credsStore names no program");
  return file;
}

Result<std::optional<ipc::Credential>> parseHelperAnswer(std::string_view text, bool succeeded,
                                                         const std::string& program) {
  if (!succeeded) {
    // What it prints may be anything, but never the secret.
    const bool none = text.contains("credentials not found");
    if (none) return std::nullopt;
    return refuse(ErrorKind::Failed, "E_AUTH",
                  program + " gives no credential: " + printable(text.substr(0, 200)));
  }
  // An error of the parser could show what it read.
  const auto document = image::parseJson(text, limits::kConfigurationBytes);
  const auto reader = document
                          ? ObjectReader::of(*document, program)
                          : Result<ObjectReader>(refuse(ErrorKind::Invalid, "E_AUTH", "no JSON"));
  if (!reader) return refuse(ErrorKind::Failed, "E_AUTH", program + " answers no JSON object");
  ipc::Credential credential{.kind = Kind::Basic,
                             .user = TRY(reader->text("Username")),
                             .secret = TRY(reader->text("Secret"))};
  if (credential.secret.empty()) return std::nullopt;
  if (!isSecret(credential.user) || !isSecret(credential.secret))
    return refuse(ErrorKind::Failed, "E_AUTH", program + " answers what cannot be sent");
  if (credential.user == kTokenUser) {
    credential.kind = Kind::Identity;
    credential.user.clear();
  }
  return std::optional(std::move(credential));
}

Result<std::optional<ipc::Credential>> registryCredential(const image::Repository& repository) {
  for (const std::string& path : authFiles()) {
    const auto file = TRY(readAuthFile(path));
    if (!file) continue;
    auto credential = TRY(credentialIn(*file, repository));
    if (credential) return credential;
  }
  return std::nullopt;
}

Result<std::optional<ipc::Credential>> registryCredential(const image::Repository& repository,
                                                          const std::string& authFile) {
  const auto file = TRY(readAuthFile(authFile));
  if (!file)
    return refuse(ErrorKind::Missing, "E_CONFIG", "there is no " + printable(authFile),
                  "Name a file in --authfile= as podman login or docker login write it");
  return credentialIn(*file, repository);
}

}  // namespace airlock::cli
