// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_arguments.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "base/log.h"
#include "cli/in_message.h"
#include "cli/pod_declarations.h"
#include "cli/pod_flags.h"
#include "cli/start_arguments.h"
#include "cli/stream_modes.h"
#include "image/quantity.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

std::unexpected<Error> badFlag(std::string message, std::string hint = {}) {
  return refuse(ErrorKind::Invalid, "E_FLAG", std::move(message), std::move(hint));
}

template <class Number>
Result<Number> parseNumber(std::string_view text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return badFlag(airlock::quoted(text) + " is not a number that is allowed here");
  }
  return value;
}

Result<bool> readBoolean(std::string_view key, std::string_view text) {
  const auto value = parseBoolean(text);
  if (!value)
    return badFlag(std::string(key) + "=" + printable(text) + " is neither true nor false");
  return *value;
}

// The parts of "a,b=c,d=e" as (key, value); a part without '=' has an empty key.
std::vector<std::pair<std::string, std::string>> splitPairs(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (std::string& part : splitText(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos) {
      pairs.emplace_back("", std::move(part));
    } else {
      pairs.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    }
  }
  return pairs;
}

Result<void> checkVolume(const image::Volume& volume) {
  const bool ofEmpty = volume.mode || volume.uid || volume.gid;
  if (volume.kind == image::Volume::Kind::Empty) {
    if (!volume.source.empty()) return badFlag("source for empty volume should be empty");
    if (volume.recursive) return badFlag("recursive does not go with kind=empty");
    return {};
  }
  if (volume.source.empty()) return badFlag("source for host volume cannot be empty");
  if (volume.source[0] != '/') return badFlag("source for host volume must be absolute path");
  if (ofEmpty) return badFlag("mode, uid and gid for host volume should not be set");
  return {};
}

}  // namespace

Result<image::Volume> parseVolume(const std::string& text) {
  const auto pairs = splitPairs(text);
  std::optional<AppName> name;
  bool hasKind = false;
  for (const auto& [key, value] : pairs) {
    if (key.empty() || key == "name") name = TRY(AppName::parse(value));
  }
  if (!name)
    return badFlag("the volume has no name", "NAME,kind=host,source=PATH or NAME,kind=empty");
  image::Volume volume{.name = *name,
                       .kind = {},
                       .source = {},
                       .readOnly = {},
                       .recursive = {},
                       .mode = {},
                       .uid = {},
                       .gid = {}};
  for (const auto& [key, value] : pairs) {
    if (key.empty() || key == "name") continue;
    if (key == "kind") {
      hasKind = value == "host" || value == "empty";
      if (!hasKind)
        return badFlag("unrecognized volume kind: should be one of \"empty\", \"host\"");
      volume.kind = value == "host" ? image::Volume::Kind::Host : image::Volume::Kind::Empty;
    } else if (key == "source") {
      volume.source = value;
    } else if (key == "readOnly") {
      volume.readOnly = TRY(readBoolean(key, value));
    } else if (key == "recursive") {
      volume.recursive = TRY(readBoolean(key, value));
    } else if (key == "mode") {
      volume.mode = TRY(parseNumber<std::uint32_t>(value, 8));
      if (*volume.mode > limits::kModeMax)
        return badFlag("mode " + printable(value) + " is too large");
    } else if (key == "uid" || key == "gid") {
      const auto id = TRY(parseNumber<std::uint32_t>(value));
      if (id > limits::kImageIdMax) return badFlag(key + " " + value + " is not one of a pod");
      (key == "uid" ? volume.uid : volume.gid) = id;
    } else {
      return badFlag("unknown volume parameter " + airlock::quoted(key));
    }
  }
  if (!hasKind) return badFlag("the volume has no kind", "kind=host or kind=empty");
  TRY(checkVolume(volume));
  return volume;
}

Result<image::Mount> parseMount(const std::string& text) {
  std::optional<AppName> volume;
  std::string target;
  for (const auto& [key, value] : splitPairs(text)) {
    if (key == "volume") {
      volume = TRY(AppName::parse(value));
    } else if (key == "target") {
      target = value;
    } else {
      return badFlag("unknown mount parameter " + airlock::quoted(key.empty() ? value : key),
                     "volume=NAME,target=PATH");
    }
  }
  if (!volume) return badFlag("the mount names no volume", "volume=NAME,target=PATH");
  if (target.empty()) return badFlag("the mount has no target", "volume=NAME,target=PATH");
  if (target[0] != '/')
    return badFlag("target " + airlock::quoted(target) + " is not an absolute path");
  return image::Mount{*volume, std::move(target), std::nullopt};
}

Result<image::Isolator> parseSeccomp(const std::string& text) {
  image::SeccompFilter filter;
  bool hasMode = false;
  for (auto& [key, value] : splitPairs(text)) {
    if (key == "mode") {
      if (hasMode) return badFlag("mode is given twice");
      hasMode = value == "retain" || value == "remove";
      if (!hasMode)
        return badFlag("unknown mode " + airlock::quoted(value), "mode=retain or mode=remove");
      filter.mode = value == "retain" ? image::SeccompFilter::Mode::Retain
                                      : image::SeccompFilter::Mode::Remove;
    } else if (key == "errno") {
      filter.errnoName = value;
    } else if (key.empty() && !value.empty()) {
      filter.names.push_back(value);
    } else {
      return badFlag("unknown seccomp parameter " + airlock::quoted(key));
    }
  }
  if (!hasMode) return badFlag("missing mode", "mode=retain or mode=remove");
  if (filter.names.empty()) return badFlag("empty syscalls list");
  return image::seccompIsolator(filter);
}

Result<image::EnvironmentVariable> parseEnvironment(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return badFlag("environment variable must be specified as name=value");
  }
  image::EnvironmentVariable variable{text.substr(0, equals), text.substr(equals + 1)};
  TRY(image::checkEnvironmentName(variable.name));
  return variable;
}

Result<std::vector<image::EnvironmentVariable>> parseEnvironmentFile(const std::string& text) {
  std::vector<image::EnvironmentVariable> variables;
  int number = 0;
  for (std::string& line : splitText(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    const std::size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos || line[start] == '#' || line[start] == ';') continue;
    variables.push_back(
        TRY(inMessage(parseEnvironment(line.substr(start)), "line " + std::to_string(number))));
  }
  return variables;
}

namespace {

// State of one reading of the arguments.
class Reader {
 public:
  explicit Reader(PodVerb verb) {
    if (verb == PodVerb::Run) addStartFlags(flags_, pod_);
    if (verb == PodVerb::Run) flags_.boolean("detach", pod_.detach);
    if (verb == PodVerb::Prepare) refuseStartFlags(flags_);
    if (verb == PodVerb::Prepare) flags_.boolean("quiet", pod_.quiet);
    addDeclarations(flags_, pod_);
    addChoices(flags_, pod_);
    addPodFlags();
    addAppFlags();
  }
  // The flags refer to this object.
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<PodArguments> read(const std::vector<std::string>& arguments) {
    std::size_t next = 0;
    std::optional<std::size_t> appWithArguments;
    while (next < arguments.size()) {
      if (arguments[next] == "---") {
        ++next;
      } else if (arguments[next] == "--") {
        if (pod_.apps.empty()) return badFlag("an image is required before any app arguments");
        if (appWithArguments == pod_.apps.size()) {
          return badFlag("only one set of app arguments allowed per image");
        }
        appWithArguments = pod_.apps.size();
        for (++next; next < arguments.size() && arguments[next] != "---"; ++next) {
          pod_.apps.back().arguments.push_back(arguments[next]);
        }
      } else {
        const std::size_t image = TRY(flags_.parse(arguments, next));
        next = image;
        if (image == arguments.size() || arguments[image].starts_with("--")) continue;
        pod_.apps.emplace_back().image = arguments[image];
        ++next;
      }
    }
    TRY(checkWhole());
    return std::move(pod_);
  }

 private:
  using Handler = FlagSet::Handler;

  // What rkt counts as saying something that the manifest says, too.
  Result<void> checkManifestAlone() const {
    const bool alone = pod_.apps.empty() && pod_.volumes.empty() && pod_.mounts.empty() &&
                       pod_.ports.empty() && pod_.environment.empty() &&
                       pod_.environmentFiles.empty() && !pod_.inheritEnvironment &&
                       pod_.annotations.empty() && pod_.userAnnotations.empty() &&
                       pod_.userLabels.empty() && !pod_.pullPolicyGiven;
    if (!alone) return badFlag("conflicting flags set with --pod-manifest (see --help)");
    return {};
  }

  Result<void> checkWhole() const {
    TRY(checkStart(pod_));
    for (const char* network : {"none", "host"}) {
      if (!pod_.ports.empty() && pod_.networkName == network)
        return badFlag("--port flag does not work with '" + std::string(network) + "' networking");
    }
    if (!pod_.podManifest.empty()) return checkManifestAlone();
    if (pod_.apps.empty()) return badFlag("must provide at least one image");
    if (pod_.interactive && pod_.apps.size() > 1) {
      return badFlag("interactive option only supports one image");
    }
    if (pod_.interactive && pod_.detach)
      return badFlag("--detach does not go with a terminal of the caller's");
    TRY(checkStreams());
    if (pod_.apps.size() > limits::kApps) {
      return badFlag("a pod has at most " + std::to_string(limits::kApps) + " apps");
    }
    for (std::size_t i = 0; i < pod_.volumes.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (pod_.volumes[k].name == pod_.volumes[i].name) {
          return badFlag("duplicate volume name \"" + pod_.volumes[i].name.text() + "\"");
        }
      }
    }
    return {};
  }

  Result<void> checkStreams() const {
    for (const AppArguments& app : pod_.apps) {
      if (pod_.interactive && (app.input || app.output || app.errors))
        return badFlag("an interactive app has one terminal, and no other streams");
    }
    return {};
  }

  void addStreamFlag(const char* name, std::optional<ipc::StreamMode> AppArguments::*stream) {
    appValue(name,
             [this, name, stream](AppArguments& app, const std::string& value) -> Result<void> {
               if (value == "interactive") {
                 pod_.interactive = true;
                 return {};
               }
               app.*stream = TRY(inMessage(parseStreamMode(value), "--" + std::string(name)));
               if (std::string_view(name) == "stdin" && app.*stream == ipc::StreamMode::Log)
                 return badFlag("--stdin cannot be a log");
               return {};
             });
  }

  template <class Act>
  void appValue(const char* name, Act act) {
    flags_.value(name, [this, name, act](const std::string& value) -> Result<void> {
      if (pod_.apps.empty()) return badFlag("--" + std::string(name) + " must follow an image");
      return act(pod_.apps.back(), value);
    });
  }

  void addPodFlags() {
    flags_.boolean("inherit-env", pod_.inheritEnvironment);
    flags_.value("pod-manifest", [this](const std::string& value) -> Result<void> {
      if (value.empty()) return badFlag("a file is needed");
      pod_.podManifest = value;
      return {};
    });
    flags_.value("uuid-file-save", [this](const std::string& value) -> Result<void> {
      pod_.uuidFile = value;
      return {};
    });
    flags_.value("set-env", [this](const std::string& value) -> Result<void> {
      pod_.environment.push_back(TRY(parseEnvironment(value)));
      return {};
    });
    flags_.value("set-env-file", [this](const std::string& value) -> Result<void> {
      pod_.environmentFiles.push_back(value);
      return {};
    });
    const Handler volume = [this](const std::string& value) -> Result<void> {
      pod_.volumes.push_back(TRY(parseVolume(value)));
      return {};
    };
    flags_.value("volume", volume);
    flags_.value("volumes", volume);
    flags_.value("mount", [this](const std::string& value) -> Result<void> {
      auto& mounts = pod_.apps.empty() ? pod_.mounts : pod_.apps.back().mounts;
      mounts.push_back(TRY(parseMount(value)));
      return {};
    });
    flags_.value("pull-policy", [this](const std::string& value) -> Result<void> {
      pod_.pullPolicy = TRY(parsePullPolicy(value));
      pod_.pullPolicyGiven = true;
      return {};
    });
    addPullPolicyAliases();
  }

  void addPullPolicyAliases() {
    const auto alias = [this](const char* name, PullPolicy policy) {
      flags_.optionalValue(name, "true", [this, policy](const std::string& value) -> Result<void> {
        if (!TRY(readBoolean("value", value))) return {};
        pod_.pullPolicy = policy;
        pod_.pullPolicyGiven = true;
        return {};
      });
    };
    alias("local", PullPolicy::Never);
    alias("store-only", PullPolicy::Never);
    alias("no-store", PullPolicy::Update);
  }

  void addAppFlags() {
    using App = AppArguments;
    appValue("signature", [](App& app, const std::string& value) -> Result<void> {
      if (!app.signature.empty()) return badFlag("the --signature option is specified twice");
      app.signature = value;
      return {};
    });
    appValue("name", [](App& app, const std::string& value) -> Result<void> {
      app.name = TRY(AppName::parse(value));
      return {};
    });
    const auto text = [this](const char* name, std::optional<std::string> App::*field) {
      appValue(name, [field](App& app, const std::string& value) -> Result<void> {
        app.*field = value;
        return {};
      });
    };
    text("exec", &App::exec);
    text("user", &App::user);
    text("group", &App::group);
    appValue("working-dir", [](App& app, const std::string& value) -> Result<void> {
      if (!value.starts_with('/')) return badFlag("the working directory must be absolute");
      app.workingDirectory = value;
      return {};
    });
    appValue("supplementary-gids", [](App& app, const std::string& value) -> Result<void> {
      auto& gids = app.supplementaryGids.emplace();
      for (const std::string& part : splitText(value, ',')) {
        gids.push_back(TRY(parseNumber<std::uint32_t>(part)));
        if (gids.back() > limits::kImageIdMax) return badFlag(part + " is not a group of a pod");
      }
      return {};
    });
    flags_.optionalValue(
        "readonly-rootfs", "true", [this](const std::string& value) -> Result<void> {
          if (pod_.apps.empty()) return badFlag("--readonly-rootfs must follow an image");
          pod_.apps.back().readOnlyRootFs = TRY(readBoolean("readonly-rootfs", value));
          return {};
        });
    flags_.optionalValue("notify", "true", [this](const std::string& value) -> Result<void> {
      if (pod_.apps.empty()) return badFlag("--notify must follow an image");
      pod_.apps.back().notify = TRY(readBoolean("notify", value));
      return {};
    });
    appValue("environment", [](App& app, const std::string& value) -> Result<void> {
      app.environment.push_back(TRY(parseEnvironment(value)));
      return {};
    });
    addStreamFlag("stdin", &App::input);
    addStreamFlag("stdout", &App::output);
    addStreamFlag("stderr", &App::errors);
    addIsolatorFlags();
  }

  void addIsolatorFlags() {
    using App = AppArguments;
    appValue("memory", [](App& app, const std::string& value) -> Result<void> {
      const auto quantity = TRY(image::Quantity::parse(value));
      const std::int64_t bytes = quantity.units();
      if (bytes < 0 || static_cast<std::uint64_t>(bytes) < limits::kMemoryLimitMinimum) {
        return badFlag("memory limit of " + std::to_string(bytes) +
                       " bytes too low. Try a reasonable value, such as --memory=16M");
      }
      app.isolators.push_back(image::memoryIsolator(quantity));
      return {};
    });
    appValue("cpu", [](App& app, const std::string& value) -> Result<void> {
      const auto quantity = TRY(image::Quantity::parse(value));
      if (quantity.isNegative() || quantity.thousandths() == 0) {
        return badFlag("a cpu limit must be more than nothing, such as --cpu=500m");
      }
      app.isolators.push_back(image::cpuIsolator(quantity));
      return {};
    });
    appValue("cpu-shares", [](App& app, const std::string& value) -> Result<void> {
      app.isolators.push_back(image::cpuSharesIsolator(TRY(parseNumber<std::int64_t>(value))));
      return checkLast(app);
    });
    appValue("pids-limit", [](App& app, const std::string& value) -> Result<void> {
      app.isolators.push_back(image::pidsLimitIsolator(TRY(parseNumber<std::int64_t>(value))));
      return checkLast(app);
    });
    appValue("oom-score-adj", [](App& app, const std::string& value) -> Result<void> {
      app.isolators.push_back(image::oomScoreAdjIsolator(TRY(parseNumber<std::int64_t>(value))));
      return checkLast(app);
    });
    for (const char* name : {"caps-retain", "cap-retain"}) {
      appValue(name, [](App& app, const std::string& value) -> Result<void> {
        return setCapabilities(app, value, true);
      });
    }
    for (const char* name : {"caps-remove", "cap-remove"}) {
      appValue(name, [](App& app, const std::string& value) -> Result<void> {
        return setCapabilities(app, value, false);
      });
    }
    appValue("seccomp", [](App& app, const std::string& value) -> Result<void> {
      app.isolators.push_back(TRY(parseSeccomp(value)));
      return checkLast(app);
    });
  }

  // Values of flags are held to what an image may say.
  static Result<void> checkLast(const AppArguments& app) {
    return image::checkIsolators({&app.isolators.back(), 1});
  }

  static Result<void> setCapabilities(AppArguments& app, const std::string& value, bool retain) {
    (retain ? app.capabilitiesRetained : app.capabilitiesRemoved) = true;
    if (app.capabilitiesRetained && app.capabilitiesRemoved) {
      return badFlag("cannot use both --caps-retain and --caps-remove on the same image");
    }
    const auto names = splitText(value, ',');
    app.isolators.push_back(retain ? image::capabilitiesRetainIsolator(names)
                                   : image::capabilitiesRemoveIsolator(names));
    return checkLast(app);
  }

  PodArguments pod_;
  FlagSet flags_;
};

}  // namespace

Result<PodArguments> parsePodArguments(const std::vector<std::string>& arguments, PodVerb verb) {
  return Reader(verb).read(arguments);
}

}  // namespace airlock::cli
