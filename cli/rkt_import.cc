// SPDX-License-Identifier: Apache-2.0
#include "cli/rkt_import.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/names.h"
#include "base/syscall.h"
#include "cli/configuration.h"
#include "cli/own_paths.h"
#include "cli/trusted_keys.h"

namespace airlock::cli {

namespace {

constexpr std::size_t kOpenPgpDigits = 40;
constexpr mode_t kSecretMode = 0600;
constexpr mode_t kPublicMode = 0644;

std::unexpected<Error> refused(std::string message, std::string hint = {}) {
  return refuse(ErrorKind::Invalid, "E_IMPORT", std::move(message), std::move(hint));
}

bool isFingerprint(std::string_view name) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() == kOpenPgpDigits && std::ranges::all_of(name, hex);
}

// What stands at a path: nothing, something that is no regular file, or its bytes.
struct Found {
  bool exists = false;
  std::optional<std::string> content;
};
Result<Found> lookAt(const std::string& path, std::size_t most) {
  const auto file = sys::openPath(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (!file) {
    if (file.error().kind() == ErrorKind::Missing) return Found{};
    if (file.error().number() == ELOOP) return Found{.exists = true};
    return std::unexpected(file.error());
  }
  const struct stat info = TRY(sys::status(*file));
  if (!S_ISREG(info.st_mode)) return Found{.exists = true};
  if ((info.st_mode & S_IWOTH) != 0)
    return refused(airlock::quoted(path) + " can be written by everyone",
                   "Nobody can vouch for it");
  return Found{.exists = true, .content = TRY(inContext(sys::readAll(*file, most), path))};
}

Result<std::vector<std::string>> namesIn(const std::string& path) {
  const auto directory = sys::openPath(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (directory) return sys::list(*directory);
  if (directory.error().kind() == ErrorKind::Missing) return std::vector<std::string>{};
  return std::unexpected(directory.error());
}

class Planning {
 public:
  Planning(const std::string& from, const std::string& target) : from_(from), target_(target) {}

  Result<RktImport> plan() {
    if (!TRY(isDirectory())) return refused("there is no directory " + airlock::quoted(from_));
    // First what takes trust away, so that at no moment more is trusted than in the end.
    TRY(keysBelow("trustedkeys/root.d", "", 0));
    TRY(keysBelow("trustedkeys/prefix.d", "", 0));
    std::ranges::stable_sort(plan_.files, [](const auto& one, const auto& other) {
      return one.content.empty() && !other.content.empty();
    });
    for (const ConfigurationDirectory& directory : configurationDirectories())
      TRY(configuration(directory));
    TRY(everythingElse());
    return std::move(plan_);
  }

 private:
  Result<bool> isDirectory() const {
    const auto directory = sys::openPath(from_, O_RDONLY | O_DIRECTORY);
    if (directory) return true;
    if (directory.error().kind() == ErrorKind::Missing || directory.error().number() == ENOTDIR)
      return false;
    return std::unexpected(directory.error());
  }

  void leave(const std::string& path, std::string why) {
    plan_.left.push_back({path, std::move(why)});
  }

  Result<void> add(RktImport::File file, std::size_t most) {
    const std::string place = target_ + "/" + file.directory + "/" + file.name;
    const Found there = TRY(lookAt(place, most));
    if (!there.exists) {
      plan_.files.push_back(std::move(file));
      return {};
    }
    if (there.content == file.content) {
      plan_.alreadyThere.push_back(place);
      return {};
    }
    const bool isKey = file.mode == kPublicMode;
    if (isKey && there.content && there.content->empty())
      return refused(airlock::quoted(place) + " disables the key that " +
                         airlock::quoted(file.from) + " trusts",
                     "Decide which of the two is right");
    return refused(
        airlock::quoted(place) + " says something else than " + airlock::quoted(file.from),
        "Decide which of the two is right");
  }

  // trustedkeys/root.d, or prefix.d with the prefix as directories.
  Result<void> keysBelow(const std::string& directory, const std::string& prefix, int depth) {
    constexpr int kDeepest = 32;
    if (depth > kDeepest)
      return refused(airlock::quoted(directory) + " is too deep to be a prefix");
    for (const std::string& name : TRY(namesIn(from_ + "/" + directory))) {
      const std::string path = from_ + "/" + directory + "/" + name;
      const Found found = TRY(lookAt(path, limits::kKeyFileBytes));
      const bool inPrefixes = directory.starts_with("trustedkeys/prefix.d");
      if (!found.content && inPrefixes && TRY(isSubdirectory(path))) {
        TRY(keysBelow(directory + "/" + name, prefix.empty() ? name : prefix + "/" + name,
                      depth + 1));
        continue;
      }
      if (!found.content) {
        leave(path, "it is neither a file nor a directory; rkt does not read it either");
        continue;
      }
      if (!isFingerprint(name)) {
        leave(path, "its name is no fingerprint of 40 digits; rkt does not read it either");
        continue;
      }
      TRY(key({.from = path,
               .directory = directory,
               .name = name,
               .content = *found.content,
               .mode = kPublicMode,
               .what = ""},
              prefix, inPrefixes));
    }
    return {};
  }

  static Result<bool> isSubdirectory(const std::string& path) {
    const auto directory = sys::openPath(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return directory.has_value();
  }

  Result<void> key(RktImport::File file, const std::string& prefix, bool inPrefixes) {
    if (inPrefixes && prefix.empty()) {
      leave(file.from, "it stands below no prefix");
      return {};
    }
    if (inPrefixes) {
      const auto name = ImageName::parse(prefix);
      if (!name) return refused(airlock::quoted(file.from) + ": " + name.error().message());
    }
    const std::string scope = inPrefixes ? "prefix " + airlock::quoted(prefix) : "every image";
    file.what = (file.content.empty() ? "disabled key for " : "trusted key for ") + scope;
    if (!file.content.empty()) {
      const auto facts = inspectKey(file.content);
      if (!facts)
        return refused(airlock::quoted(file.from) + " is no key: " + facts.error().message());
      if (facts->fingerprint.text() != file.name) {
        return refused("fingerprint mismatch: " + airlock::quoted(file.from) + " holds the key " +
                           facts->fingerprint.text(),
                       "Find out who put it there");
      }
    }
    return add(std::move(file), limits::kKeyFileBytes);
  }

  Result<void> configuration(const ConfigurationDirectory& directory) {
    // What the target says by now, and what would come to it: together they must be well.
    Configuration all;
    const std::string own = target_ + "/" + directory.name;
    for (const std::string& name : TRY(namesIn(own))) {
      if (!name.ends_with(".json")) continue;
      const Found found = TRY(lookAt(own + "/" + name, limits::kConfigurationBytes));
      if (found.content)
        TRY(parseConfigurationFile(*found.content, own + "/" + name, directory, all));
    }
    for (const std::string& name : TRY(namesIn(from_ + "/" + directory.name))) {
      const std::string path = from_ + "/" + directory.name + "/" + name;
      const Found found = TRY(lookAt(path, limits::kConfigurationBytes));
      if (!name.ends_with(".json") || !found.content) {
        leave(path, "it is no file that ends in .json; rkt does not read it either");
        continue;
      }
      TRY(configurationFile({.from = path,
                             .directory = directory.name,
                             .name = name,
                             .content = *found.content,
                             .mode = kSecretMode,
                             .what = ""},
                            directory, all));
    }
    return {};
  }

  Result<void> configurationFile(RktImport::File file, const ConfigurationDirectory& directory,
                                 Configuration& all) {
    Configuration alone;
    const auto understood = parseConfigurationFile(file.content, file.from, directory, alone);
    if (!understood) return refused(understood.error().message());
    if (!alone.data.empty()) {
      leave(file.from, "its data directory " + airlock::quoted(alone.data) +
                           " holds a store in rkt's format; name another in paths.d, and fetch the "
                           "images anew");
      return {};
    }
    if (alone.stage1Name.starts_with("coreos.com/rkt/") ||
        (alone.stage1Name.empty() && !alone.stage1Location.empty())) {
      leave(file.from, "it names a stage1 of rkt's; Airlock brings its own along");
      return {};
    }
    file.what = alone.auth.empty() && alone.docker.empty() ? "configuration" : "credentials";
    if (file.what == "configuration") file.mode = kPublicMode & ~0022U;
    const std::size_t before = plan_.files.size();
    TRY(add(std::move(file), limits::kConfigurationBytes));
    if (plan_.files.size() == before) return {};  // it is there, and counted
    const RktImport::File& added = plan_.files.back();
    const auto together = parseConfigurationFile(added.content, added.from, directory, all);
    if (!together) {
      return refused(together.error().message() + " in " + printable(target_),
                     "Decide which of the two is right");
    }
    return {};
  }

  Result<void> everythingElse() {
    for (const std::string& name : TRY(namesIn(from_))) {
      const auto isName = [&](const ConfigurationDirectory& directory) {
        return name == directory.name;
      };
      if (name == "trustedkeys" || std::ranges::any_of(configurationDirectories(), isName))
        continue;
      leave(from_ + "/" + name,
            name == "net.d" ? "networks are not taken over" : "it has no counterpart here");
    }
    return {};
  }

  const std::string& from_;
  const std::string& target_;
  RktImport plan_;
};

Result<void> write(const RktImport::File& file, const std::string& target) {
  const Fd directory = TRY(makeDirectories(target + "/" + file.directory, 0755));
  return sys::replaceFile(directory, TRY(Component::parse(file.name)), file.content, file.mode);
}

void takeAway(const RktImport::File& file, const std::string& target) {
  const auto directory = sys::openPath(target + "/" + file.directory, O_RDONLY | O_DIRECTORY);
  const auto name = Component::parse(file.name);
  if (directory && name) static_cast<void>(sys::unlink(*directory, *name));
}

}  // namespace

Result<RktImport> planRktImport(const std::string& from, const std::string& target) {
  return Planning(from, target).plan();
}

Result<void> carryOut(const RktImport& plan, const std::string& target) {
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    auto written = write(plan.files[i], target);
    if (written) continue;
    for (std::size_t j = i; j-- > 0;) takeAway(plan.files[j], target);
    return refuse(written.error().kind(), "E_IMPORT",
                  printable(target + "/" + plan.files[i].directory + "/" + plan.files[i].name) +
                      " cannot be written: " + written.error().message(),
                  "Nothing was taken over; use sudo, or --local-config");
  }
  return {};
}

}  // namespace airlock::cli
