// SPDX-License-Identifier: Apache-2.0
#include "cli/pod_arguments.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "base/log.h"
#include "cli/in_message.h"
#include "cli/mutable_arguments.h"
#include "cli/pod_declarations.h"
#include "cli/pod_flags.h"
#include "cli/pod_values.h"
#include "cli/start_arguments.h"
#include "cli/stream_modes.h"
#include "image/quantity.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

// State of one reading of the arguments.
class Reader {
 public:
  explicit Reader(PodVerb verb) : verb_(verb) {
    pod_.sandbox = verb == PodVerb::Sandbox;
    if (verb == PodVerb::Run || pod_.sandbox) {
      addStartFlags(flags_, pod_);
      flags_.boolean("detach", pod_.detach);
    } else {
      refuseStartFlags(flags_, verb == PodVerb::Prepare ? "run-prepared" : "app sandbox");
    }
    if (verb == PodVerb::Prepare) flags_.boolean("quiet", pod_.quiet);
    if (pod_.sandbox) refuseForwarding(flags_);
    if (verb == PodVerb::Add) addAppVolumeFlag(flags_, pod_);
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
        if (verb_ == PodVerb::Add && pod_.target.empty()) {
          pod_.target = arguments[next++];
          continue;
        }
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

  Result<void> checkWhole() {
    TRY(checkStart(pod_));
    if (pod_.sandbox) return checkSandbox(pod_);
    if (verb_ == PodVerb::Add) TRY(checkAdded(pod_));
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
        gids.push_back(TRY(parseFlagNumber<std::uint32_t>(part)));
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
      app.isolators.push_back(image::cpuSharesIsolator(TRY(parseFlagNumber<std::int64_t>(value))));
      return checkLast(app);
    });
    appValue("pids-limit", [](App& app, const std::string& value) -> Result<void> {
      app.isolators.push_back(image::pidsLimitIsolator(TRY(parseFlagNumber<std::int64_t>(value))));
      return checkLast(app);
    });
    appValue("oom-score-adj", [](App& app, const std::string& value) -> Result<void> {
      app.isolators.push_back(
          image::oomScoreAdjIsolator(TRY(parseFlagNumber<std::int64_t>(value))));
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

  PodVerb verb_;
  PodArguments pod_;
  FlagSet flags_;
};

}  // namespace

Result<PodArguments> parsePodArguments(const std::vector<std::string>& arguments, PodVerb verb) {
  return Reader(verb).read(arguments);
}

}  // namespace airlock::cli
