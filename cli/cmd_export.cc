// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/limits.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "cli/command.h"
#include "cli/helper_client.h"
#include "cli/in_message.h"
#include "cli/pod_access.h"
#include "cli/pod_flags.h"
#include "cli/pod_view.h"
#include "image/manifest.h"
#include "image/pod_manifest.h"

namespace airlock::cli {

namespace {

constexpr std::string_view kExtension = ".aci";

// The file, complete or not there: written under another name, which goes unless keep() is called.
class NewFile {
 public:
  static Result<NewFile> make(const std::string& path, bool overwrite) {
    if (!overwrite && ::access(path.c_str(), F_OK) == 0) {
      return refuse(ErrorKind::Invalid, "E_EXISTS", printable(path) + " already exists",
                    "--overwrite replaces it");
    }
    NewFile file(path, path + ".partial");
    file.fd_ = TRY(
        inMessage(sys::openPath(file.temporary_, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0666),
                  "unable to open output file"));
    return file;
  }
  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)),
        temporary_(std::exchange(other.temporary_, {})),
        fd_(std::move(other.fd_)) {}
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }
  FdRef fd() const { return fd_.ref(); }
  Result<void> keep() {
    TRY(sys::sync(fd_));
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failErrno(printable(path_));
    temporary_.clear();
    return {};
  }

 private:
  NewFile(std::string path, std::string temporary)
      : path_(std::move(path)), temporary_(std::move(temporary)) {}
  std::string path_;
  std::string temporary_;
  Fd fd_;
};

// The manifest of the app's image, with the app as the pod had it.  Its files are all in the new
// image: it depends on none, and shows all of them.
Result<std::string> manifestOf(const Options& options, const store::Pod& pod, const AppName& app) {
  const auto opened = TRY(openPods(options));
  const auto entry = std::ranges::find(pod.record.apps, app, &ipc::PodApp::name);
  const auto record = opened ? TRY(opened->store.find(entry->image)) : std::nullopt;
  if (!record) {
    return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                  "image " + printable(entry->imageName) + " (" + entry->image.shortText(32) +
                      ") of the pod is not in the store any more",
                  "Fetch the same image again: what the app left is the changes to it");
  }
  image::ImageManifest manifest =
      TRY(image::parseImageManifest(TRY(opened->store.manifest(*record))));
  const image::PodManifest whole = TRY(podManifestOf(pod));
  const auto runtime = std::ranges::find(whole.apps, app, &image::RuntimeApp::name);
  if (runtime != whole.apps.end() && runtime->app) manifest.app = runtime->app;
  manifest.dependencies.clear();
  manifest.pathWhitelist.clear();
  return image::toJson(manifest, image::JsonStyle::Compact);
}

}  // namespace

Result<int> exportApp(const Options& options, const std::vector<std::string>& arguments) {
  std::string appName;
  bool overwrite = false;
  FlagSet flags;
  flags.value("app", [&](const std::string& value) -> Result<void> {
    appName = value;
    return {};
  });
  flags.boolean("overwrite", overwrite);
  const auto operands = TRY(flags.parseAll(arguments));
  if (operands.size() != 2)
    return refuse(ErrorKind::Invalid, "E_FLAG", "export takes a pod and a file");
  const std::string& path = operands[1];
  if (!path.ends_with(kExtension)) {
    return refuse(ErrorKind::Invalid, "E_FLAG",
                  "extension must be .aci (given " +
                      printable(std::filesystem::path(path).extension().string()) + ")");
  }
  const store::Pod pod =
      TRY(inMessage(findPod(options, operands.front()), "problem retrieving pod"));
  if (pod.state != store::PodState::Exited && pod.state != store::PodState::ExitedGarbage) {
    return refuse(ErrorKind::Busy, "E_STATE",
                  "pod is not exited. Only exited pods can be exported");
  }
  const AppName app = TRY(chooseApp(pod, appName, "export"));
  const Sealed manifest = TRY(Sealed::make("airlock-manifest", TRY(manifestOf(options, pod, app))));
  NewFile file = TRY(NewFile::make(path, overwrite));
  sys::Pipe result = TRY(sys::pipe());
  const std::array<FdRef, 3> fds = {file.fd(), manifest.fd(), result.writeEnd.ref()};
  TRY(askFor<ipc::Done>(options, ipc::ExportRequest{pod.record.pod, app}, fds));
  result.writeEnd.reset();
  const std::string said = TRY(sys::readAll(result.readEnd, limits::kTextBytes));
  if (said != "ok") {
    return refuse(ErrorKind::Failed, "E_EXPORT",
                  said.empty() ? "the image was not written to its end" : printable(said));
  }
  TRY(file.keep());
  return 0;
}

}  // namespace airlock::cli
