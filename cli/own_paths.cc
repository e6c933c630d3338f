// SPDX-License-Identifier: Apache-2.0
#include "cli/own_paths.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/syscall.h"

namespace airlock::cli {

namespace {

std::string variable(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr ? "" : value;
}

// Relative paths in these variables are to be ignored (XDG base directory specification).
std::string xdg(const char* name, const char* fallbackBelowHome) {
  const std::string value = variable(name);
  if (value.starts_with('/')) return value + "/airlock";
  const std::string home = variable("HOME");
  return home.starts_with('/') ? home + "/" + fallbackBelowHome + "/airlock" : "";
}

}  // namespace

Result<std::string> absolutePath(const std::string& path) {
  if (path.starts_with('/')) return path;
  char here[4096];
  if (::getcwd(here, sizeof here) == nullptr) return failErrno("the working directory");
  return std::string(here) + "/" + path;
}

std::string ownConfigDirectory() { return xdg("XDG_CONFIG_HOME", ".config"); }
std::string ownDataDirectory() { return xdg("XDG_DATA_HOME", ".local/share"); }

Result<Fd> makeDirectories(const std::string& path, mode_t mode) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST && errno != EROFS)
      return failErrno("mkdir " + part);
    if (slash == std::string::npos) break;
  }
  return sys::openPath(path, O_RDONLY | O_DIRECTORY);
}

Result<Fd> openCache(const Options& options) {
  std::string path = xdg("XDG_CACHE_HOME", ".cache");
  if (::geteuid() == 0) path = "/var/cache/airlock";
  if (options.dirGiven) {
    // A user's cache does not go below a data directory that is root's.
    struct stat info {};
    const bool theirs = ::stat(options.dir.c_str(), &info) == 0 && info.st_uid != ::geteuid();
    if (!theirs || path.empty()) path = options.dir + "/cache";
  }
  if (path.empty()) {
    return refuse(ErrorKind::Unsupported, "E_CACHE", "no place for downloads",
                  "Set HOME or XDG_CACHE_HOME, or use --dir");
  }
  // DIR itself has to be open to readers; only the cache is private.
  const std::size_t last = path.rfind('/');
  if (last > 0)
    static_cast<void>(TRY(makeDirectories(path.substr(0, last), options.dirGiven ? 0755 : 0700)));
  Fd cache = TRY(makeDirectories(path, 0700));
  const struct stat info = TRY(sys::status(cache));
  if (info.st_uid != ::geteuid() || (info.st_mode & 022) != 0) {
    return refuse(ErrorKind::Denied, "E_CACHE", path + " can be written by others",
                  "Remove it, or make it yours with mode 0700");
  }
  return cache;
}

}  // namespace airlock::cli
