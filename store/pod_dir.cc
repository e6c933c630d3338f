// SPDX-License-Identifier: Apache-2.0
#include "store/pod_dir.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

constexpr const char* kFolders[] = {"embryo", "run", "exited-garbage", "garbage"};

template <class Number>
std::optional<Number> parseNumber(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The status directory belongs to the pod's root: what is in it is the pod's word, and read as
// such.
void readStatuses(FdRef podDir, Pod& pod) {
  constexpr std::string_view kOomKilled = " oom-killed";
  auto dir = sys::openBeneath(podDir, name("status"), O_RDONLY | O_DIRECTORY);
  if (!dir) return;
  for (const ipc::PodApp& app : pod.record.apps) {
    const auto content = sys::readFile(*dir, name(app.name.text()), 16);
    if (!content || content->empty()) continue;
    std::string_view text(*content);
    text.remove_suffix(1);
    const bool oomKilled = text.ends_with(kOomKilled);
    if (oomKilled) text.remove_suffix(kOomKilled.size());
    const auto status = parseNumber<int>(text);
    if (!status || *status < 0 || *status > 255) continue;
    pod.statuses.emplace_back(app.name.text(), *status);
    if (oomKilled) pod.oomKilled.push_back(app.name.text());
  }
}

}  // namespace

const char* toString(PodState state) {
  switch (state) {
    case PodState::Embryo:
      return "embryo";
    case PodState::Preparing:
      return "preparing";
    case PodState::Prepared:
      return "prepared";
    case PodState::Running:
      return "running";
    case PodState::Exited:
      return "exited";
    case PodState::ExitedGarbage:
      return "exited garbage";
    case PodState::Garbage:
      return "garbage";
  }
  return "unknown";
}

Result<bool> isAlive(FdRef podDir) {
  auto file = sys::openBeneath(podDir, name("lock"), O_RDONLY);
  if (!file && file.error().kind() == ErrorKind::Missing) return false;
  if (!file) return std::unexpected(std::move(file.error()));
  // Asking for a read lock finds write locks alone, and only the store's owner can hold one: a
  // stranger who locks the file for reading cannot make a dead pod look alive.
  struct flock query {};
  query.l_type = F_RDLCK;
  query.l_whence = SEEK_SET;
  if (::fcntl(file->get(), F_OFD_GETLK, &query) != 0) return failErrno("query the pod's lock");
  return query.l_type == F_WRLCK;
}

Result<PodDirectory> PodDirectory::openForWriting(FdRef top) {
  Fd pods = TRY(sys::ensureDirectory(top, name("pods"), 0755));
  if (::fchmod(pods.get(), 0755) != 0) return failErrno("chmod pods");
  for (const char* folder : kFolders) {
    Fd made = TRY(sys::ensureDirectory(pods, name(folder), 0755));
    if (::fchmod(made.get(), 0755) != 0) return failErrno("chmod");
  }
  return PodDirectory(std::move(pods));
}

Result<std::optional<PodDirectory>> PodDirectory::openForReading(FdRef top) {
  auto pods = sys::openBeneath(top, name("pods"), O_RDONLY | O_DIRECTORY);
  if (!pods && pods.error().kind() == ErrorKind::Missing) return std::optional<PodDirectory>();
  if (!pods) return std::unexpected(std::move(pods.error()));
  return std::optional(PodDirectory(*std::move(pods)));
}

Result<std::optional<Pod>> PodDirectory::read(std::string_view folder,
                                              const std::string& entry) const {
  const auto id = PodId::parse(entry);
  if (!id) return std::optional<Pod>();
  Fd parent = TRY(sys::openBeneath(pods_, name(folder), O_RDONLY | O_DIRECTORY));
  auto dir = sys::openBeneath(parent, podName(*id), O_RDONLY | O_DIRECTORY);
  if (!dir) return std::optional<Pod>();  // renamed or removed in between, or not ours to read yet
  auto bytes = sys::readFile(*dir, name("record"), limits::kMessageBytes);
  if (!bytes) return std::optional<Pod>();
  auto record = ipc::decodePodRecord(*bytes);
  if (!record) return std::optional<Pod>();

  Pod pod{.record = *std::move(record)};
  const bool alive = TRY(isAlive(*dir));
  pod.state = folder == "embryo"           ? (alive ? PodState::Preparing : PodState::Garbage)
              : folder == "run"            ? (alive ? PodState::Running : PodState::Exited)
              : folder == "exited-garbage" ? PodState::ExitedGarbage
                                           : PodState::Garbage;
  if (auto pidFile = sys::openBeneath(*dir, name("pid"), O_RDONLY)) {
    const struct stat info = TRY(sys::status(*pidFile));
    pod.startedAt =
        static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec;
    const std::string text = TRY(sys::readAll(*pidFile, 64));
    if (alive) pod.pid = parseNumber<pid_t>(std::string_view(text).substr(0, text.find(' ')));
  }
  readStatuses(*dir, pod);
  pod.dir = *std::move(dir);
  return std::optional(std::move(pod));
}

Result<std::vector<PodId>> PodDirectory::in(std::string_view folder) const {
  Fd dir = TRY(sys::openBeneath(pods_, name(folder), O_RDONLY | O_DIRECTORY));
  std::vector<PodId> ids;
  for (const std::string& entry : TRY(sys::list(dir))) {
    if (auto id = PodId::parse(entry)) ids.push_back(*id);
  }
  return ids;
}

Result<std::vector<PodId>> PodDirectory::ids() const {
  std::vector<PodId> all;
  for (const char* folder : kFolders) {
    for (const PodId& id : TRY(in(folder))) all.push_back(id);
  }
  return all;
}

Result<std::vector<Pod>> PodDirectory::list() const {
  std::vector<Pod> pods;
  for (const char* folder : kFolders) {
    for (const PodId& id : TRY(in(folder))) {
      auto pod = TRY(read(folder, id.text()));
      const auto same = [&](const Pod& had) { return had.record.pod == id; };
      if (pod && std::ranges::none_of(pods, same)) pods.push_back(*std::move(pod));
    }
  }
  std::ranges::sort(pods, {}, [](const Pod& pod) { return pod.record.pod; });
  return pods;
}

Result<Pod> PodDirectory::find(const PodId& id) const {
  // In the order of a pod's life, twice: a rename in between cannot hide it.
  for (int round = 0; round < 2; ++round) {
    for (const char* folder : kFolders) {
      if (auto pod = TRY(read(folder, id.text()))) return *std::move(pod);
    }
  }
  return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no matches found for \"" + id.text() + "\"");
}

Result<PodId> PodDirectory::resolve(std::string_view text) const {
  std::optional<PodId> found;
  std::size_t matches = 0;
  for (const char* folder : kFolders) {
    for (const PodId& id : TRY(in(folder))) {
      if (text.empty() || !id.text().starts_with(text) || (found && *found == id)) continue;
      found = id;
      ++matches;
    }
  }
  if (matches == 1) return *found;
  if (matches > 1) {
    return refuse(ErrorKind::Invalid, "E_AMBIGUOUS",
                  "ambiguous uuid, " + std::to_string(matches) + " matches");
  }
  return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                "no matches found for \"" + std::string(text) + "\"",
                "airlock list shows the pods there are");
}

Result<PodDirectory::Embryo> PodDirectory::create() const {
  const PodId id = PodId::random();
  Fd embryos = TRY(sys::openBeneath(pods_, name("embryo"), O_RDONLY | O_DIRECTORY));
  // Closed to others until the lock is held: nobody can hold even a read lock on it by then.
  TRY(sys::makeDirectory(embryos, podName(id), 0700));
  Fd dir = TRY(sys::openBeneath(embryos, podName(id), O_RDONLY | O_DIRECTORY));
  Fd lock = TRY(sys::openBeneath(dir, name("lock"), O_RDWR | O_CREAT | O_EXCL, 0644));
  if (::fchmod(lock.get(), 0644) != 0) return failErrno("chmod lock");
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(lock.get(), F_OFD_SETLK, &whole) != 0) return failErrno("lock the pod");
  if (::fchmod(dir.get(), 0755) != 0) return failErrno("chmod pod");
  return Embryo{id, std::move(dir), std::move(lock)};
}

Result<void> PodDirectory::start(const PodId& id) const {
  Fd from = TRY(sys::openBeneath(pods_, name("embryo"), O_RDONLY | O_DIRECTORY));
  Fd to = TRY(sys::openBeneath(pods_, name("run"), O_RDONLY | O_DIRECTORY));
  return sys::rename(from, podName(id), to, podName(id));
}

Result<bool> PodDirectory::mark(const PodId& id) const {
  Fd from = TRY(sys::openBeneath(pods_, name("run"), O_RDONLY | O_DIRECTORY));
  Fd dir = TRY(sys::openBeneath(from, podName(id), O_RDONLY | O_DIRECTORY));
  if (TRY(isAlive(dir))) return false;
  Fd to = TRY(sys::openBeneath(pods_, name("exited-garbage"), O_RDONLY | O_DIRECTORY));
  auto moved = sys::rename(from, podName(id), to, podName(id));
  if (!moved && moved.error().kind() == ErrorKind::Missing) return false;  // another gc was first
  if (!moved) return std::unexpected(std::move(moved.error()));
  return true;
}

Result<void> PodDirectory::remove(const PodId& id) const {
  Fd garbage = TRY(sys::openBeneath(pods_, name("garbage"), O_RDONLY | O_DIRECTORY));
  for (const char* folder : {"embryo", "run", "exited-garbage"}) {
    Fd from = TRY(sys::openBeneath(pods_, name(folder), O_RDONLY | O_DIRECTORY));
    auto dir = sys::openBeneath(from, podName(id), O_RDONLY | O_DIRECTORY);
    if (!dir) continue;
    if (TRY(isAlive(*dir))) {
      return refuse(ErrorKind::Busy, "E_RUNNING", "pod \"" + id.text() + "\" is currently running",
                    "Stop it first: airlock stop " + id.text());
    }
    auto moved = sys::rename(from, podName(id), garbage, podName(id));
    if (!moved && moved.error().kind() != ErrorKind::Missing) return moved;
  }
  auto removed = sys::removeTree(garbage, podName(id));
  if (!removed && removed.error().kind() == ErrorKind::Missing) return {};  // another gc was first
  return removed;
}

Result<bool> PodDirectory::isAbandoned(const PodId& id) const {
  // Between mkdir and lock a living one looks dead, for an instant.
  constexpr std::int64_t kYoungMilliseconds = 60'000;
  const std::int64_t changed = TRY(changedAt("embryo", id));
  return ::time(nullptr) - changed >= deadline(kYoungMilliseconds) / 1000;
}

Result<std::string> PodDirectory::cgroupOfAbandoned(const PodId& id) const {
  Fd embryos = TRY(sys::openBeneath(pods_, name("embryo"), O_RDONLY | O_DIRECTORY));
  Fd dir = TRY(sys::openBeneath(embryos, podName(id), O_RDONLY | O_DIRECTORY));
  if (!TRY(isAbandoned(id)) || TRY(isAlive(dir))) return std::string();
  constexpr std::size_t kPathBytes = 4096;
  return sys::readFile(dir, name("cgroup"), kPathBytes);
}

Result<void> PodDirectory::removeEmbryo(const PodId& id) const {
  if (!TRY(isAbandoned(id))) return {};
  return remove(id);
}

Result<std::int64_t> PodDirectory::changedAt(std::string_view folder, const PodId& id) const {
  Fd from = TRY(sys::openBeneath(pods_, name(folder), O_RDONLY | O_DIRECTORY));
  Fd dir = TRY(sys::openBeneath(from, podName(id), O_RDONLY | O_DIRECTORY));
  return TRY(sys::status(dir)).st_ctim.tv_sec;
}

}  // namespace airlock::store
