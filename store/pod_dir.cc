// SPDX-License-Identifier: Apache-2.0
#include "store/pod_dir.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/fault.h"
#include "base/limits.h"
#include "base/syscall.h"
#include "store/layout.h"

namespace airlock::store {

namespace {

// In the order of a pod's life.
constexpr const char* kFolders[] = {"embryo", "prepare",        "prepared",
                                    "run",    "exited-garbage", "garbage"};

template <class Number>
std::optional<Number> parseNumber(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The status directory belongs to the pod's root: what is in it is the pod's word, and read as
// such.
void readStatuses(Pod& pod) {
  constexpr std::string_view kOomKilled = " oom-killed";
  for (const ipc::PodApp& app : pod.record.apps) {
    auto dir = sys::openBeneath(pod.dirOf(app.name), name("status"), O_RDONLY | O_DIRECTORY);
    if (!dir) continue;
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

PodState stateIn(std::string_view folder, bool locked) {
  if (folder == "embryo") return PodState::Embryo;
  if (folder == "prepare") return locked ? PodState::Preparing : PodState::AbortedPrepare;
  if (folder == "prepared") return PodState::Prepared;
  if (folder == "run") return locked ? PodState::Running : PodState::Exited;
  if (folder == "exited-garbage")
    return locked ? PodState::ExitedDeleting : PodState::ExitedGarbage;
  return locked ? PodState::Deleting : PodState::Garbage;
}

std::unexpected<Error> busy(std::string_view folder, const PodId& id) {
  const std::string pod = "pod \"" + id.text() + "\" is currently ";
  if (folder == "run")
    return refuse(ErrorKind::Busy, "E_RUNNING", pod + "running",
                  "Stop it first: airlock stop " + id.text());
  if (folder == "embryo" || folder == "prepare")
    return refuse(ErrorKind::Busy, "E_PREPARING", pod + "being prepared");
  if (folder == "prepared") return refuse(ErrorKind::Busy, "E_RUNNING", pod + "being started");
  return refuse(ErrorKind::Busy, "E_DELETING", pod + "being deleted");
}

Result<bool> lockWhole(FdRef file, short type = F_WRLCK) {
  struct flock whole {};
  whole.l_type = type;
  whole.l_whence = SEEK_SET;
  if (::fcntl(file.get(), F_OFD_SETLK, &whole) == 0) return true;
  if (errno != EAGAIN && errno != EACCES) return failErrno("lock the pod");
  return false;
}

Result<ipc::PodRecord> readRecord(FdRef dir) {
  return ipc::decodePodRecord(TRY(sys::readFile(dir, name("record"), limits::kMessageBytes)));
}

// When what is in this directory was started, and its pid as the starter saw it.
struct Start {
  std::int64_t at = 0;
  std::optional<pid_t> pid;
};
Result<Start> readStart(FdRef dir) {
  auto pidFile = sys::openBeneath(dir, name("pid"), O_RDONLY);
  if (!pidFile) return Start{};
  const struct stat info = TRY(sys::status(*pidFile));
  const std::string text = TRY(sys::readAll(*pidFile, 64));
  return Start{
      static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec,
      parseNumber<pid_t>(std::string_view(text).substr(0, text.find(' ')))};
}

// What is not readable as an app is none: it was being added or removed.
Result<void> readAdded(Pod& pod) {
  auto folder = sys::openBeneath(pod.dir, name("added"), O_RDONLY | O_DIRECTORY);
  if (!folder) return {};
  for (const std::string& entry : TRY(sys::list(*folder))) {
    const auto app = AppName::parse(entry);
    if (!app) continue;
    auto dir = sys::openBeneath(*folder, name(entry), O_RDONLY | O_DIRECTORY);
    if (!dir) continue;
    const auto record = readRecord(*dir);
    if (!record || record->apps.size() != 1 || record->apps[0].name != *app) continue;
    const Start start = TRY(readStart(*dir));
    const bool running = TRY(isAlive(*dir));
    pod.record.apps.push_back(record->apps[0]);
    pod.added.push_back({*app, record->createdAt, start.at, running, start.pid, *std::move(dir)});
  }
  return {};
}

}  // namespace

const char* toString(PodState state) {
  switch (state) {
    case PodState::Embryo:
      return "embryo";
    case PodState::Preparing:
      return "preparing";
    case PodState::AbortedPrepare:
      return "aborted prepare";
    case PodState::ExitedDeleting:
      return "exited deleting";
    case PodState::Deleting:
      return "deleting";
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

Result<bool> isAlive(FdRef dir) {
  auto file = sys::openBeneath(dir, name("lock"), O_RDONLY);
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

Result<Fd> claimPod(FdRef dir) {
  Fd claim = TRY(sys::openBeneath(dir, name("claim"), O_RDWR));
  return TRY(lockWhole(claim)) ? std::move(claim) : Fd();
}

Result<Fd> makeLock(FdRef dir) {
  const Component fresh = name("new-lock");
  Fd lock = TRY(sys::openBeneath(dir, fresh, O_RDWR | O_CREAT | O_TRUNC, 0600));
  if (!TRY(lockWhole(lock))) return fail(ErrorKind::Busy, "the pod's lock is held");
  if (::fchmod(lock.get(), 0644) != 0) return failErrno("chmod lock");
  TRY(sys::rename(dir, fresh, dir, name("lock")));
  return lock;
}

Result<void> checkIdle(const Pod& pod) {
  const PodId& id = pod.record.pod;
  switch (pod.state) {
    case PodState::Running:
      return busy("run", id);
    case PodState::Preparing:
      return busy("prepare", id);
    case PodState::ExitedDeleting:
    case PodState::Deleting:
      return busy("garbage", id);
    case PodState::Embryo:
    case PodState::Prepared:
      if (TRY(isAlive(pod.dir)))
        return busy(pod.state == PodState::Embryo ? "embryo" : "prepared", id);
      return {};
    case PodState::AbortedPrepare:
    case PodState::Exited:
    case PodState::ExitedGarbage:
    case PodState::Garbage:
      return {};
  }
  return {};
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
  auto record = readRecord(*dir);
  if (!record) {
    // Before it was written, or while the pod is taken away, there is none.
    if (folder == "embryo" || folder == "garbage") return std::optional<Pod>();
    const auto still = sys::openBeneath(parent, podName(*id), O_RDONLY | O_DIRECTORY);
    if (!still || TRY(sys::status(*still)).st_ino != TRY(sys::status(*dir)).st_ino)
      return std::optional<Pod>();
  }
  Pod pod{.record = record ? *std::move(record) : ipc::PodRecord{.pod = *id, .ownerUid = kNoOwner}};
  if (!record) pod.broken = "its record cannot be read: " + record.error().message();
  // What the directory is called is what counts.
  if (pod.record.pod != *id) pod.broken = "its record is another pod's";
  if (!pod.broken.empty()) pod.record = ipc::PodRecord{.pod = *id, .ownerUid = kNoOwner};
  const bool alive = TRY(isAlive(*dir));
  pod.state = stateIn(folder, alive);
  static const BeneathPath ready = TRY(BeneathPath::parse("status/.ready"));
  const Start start = TRY(readStart(*dir));
  pod.startedAt = start.at;
  if (pod.state == PodState::Running) pod.pid = start.pid;
  pod.dir = *std::move(dir);
  if (pod.broken.empty()) TRY(readAdded(pod));
  readStatuses(pod);
  pod.ready = sys::openBeneath(pod.dir, ready, O_PATH).has_value();
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
  std::set<PodId> seen;  // one that moves on meanwhile is seen twice
  for (const char* folder : kFolders) {
    for (const PodId& id : TRY(in(folder))) {
      if (seen.contains(id)) continue;
      auto pod = TRY(read(folder, id.text()));
      if (!pod) continue;
      seen.insert(id);
      pods.push_back(*std::move(pod));
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
  const Fd claim = TRY(sys::openBeneath(dir, name("claim"), O_RDWR | O_CREAT | O_EXCL, 0600));
  Fd lock = TRY(makeLock(dir));
  if (::fchmod(dir.get(), 0755) != 0) return failErrno("chmod pod");
  return Embryo{id, std::move(dir), std::move(lock), Fd(), std::nullopt};
}

Result<PodDirectory::Embryo> PodDirectory::takePrepared(const PodId& id) const {
  const auto refused = [&] {
    return refuse(ErrorKind::Busy, "E_STATE", "pod \"" + id.text() + "\" is not prepared",
                  "airlock list shows what state it is in");
  };
  Fd folder = TRY(sys::openBeneath(pods_, name("prepared"), O_RDONLY | O_DIRECTORY));
  auto dir = sys::openBeneath(folder, podName(id), O_RDONLY | O_DIRECTORY);
  if (!dir) return refused();
  Fd claim = TRY(claimPod(*dir));
  if (!claim.valid()) return refused();
  // Whoever had the claim before us may have started it, or taken it away.
  const auto still = sys::openBeneath(folder, podName(id), O_RDONLY | O_DIRECTORY);
  if (!still || TRY(sys::status(*still)).st_ino != TRY(sys::status(*dir)).st_ino) return refused();
  ipc::PodRecord record = TRY(readRecord(*dir));
  if (record.pod != id) return refused();
  Fd lock = TRY(makeLock(*dir));
  return Embryo{id, *std::move(dir), std::move(lock), std::move(claim), std::move(record)};
}

Result<PodDirectory::Exited> PodDirectory::holdExited(const PodId& id) const {
  const Pod seen = TRY(find(id));
  // A pod that an engine without claims has left gets one.
  Fd claim = TRY(sys::openBeneath(seen.dir, name("claim"), O_RDONLY | O_CREAT, 0600));
  if (!TRY(lockWhole(claim, F_RDLCK))) return busy("garbage", id);
  // Whoever had the claim before us may have taken the pod away.
  Pod pod = TRY(find(id));
  if (pod.state != PodState::Exited && pod.state != PodState::ExitedGarbage) {
    return refuse(ErrorKind::Busy, "E_STATE",
                  "pod is not exited. Only exited pods can be exported");
  }
  return Exited{std::move(pod), std::move(claim)};
}

Result<void> PodDirectory::move(const PodId& id, std::string_view from, std::string_view to) const {
  Fd source = TRY(sys::openBeneath(pods_, name(from), O_RDONLY | O_DIRECTORY));
  Fd target = TRY(sys::openBeneath(pods_, name(to), O_RDONLY | O_DIRECTORY));
  return sys::rename(source, podName(id), target, podName(id));
}

Result<void> PodDirectory::prepare(const Embryo& pod) const {
  return move(pod.id, "embryo", "prepare");
}

Result<void> PodDirectory::keepPrepared(const Embryo& pod) const {
  TRY(sys::syncFileSystem(pod.dir));
  TRY(move(pod.id, "prepare", "prepared"));
  return sys::syncFileSystem(pod.dir);
}

Result<void> PodDirectory::start(const Embryo& pod) const {
  return move(pod.id, pod.prepared ? "prepared" : "embryo", "run");
}

Result<bool> PodDirectory::mark(const PodId& id) const {
  Fd from = TRY(sys::openBeneath(pods_, name("run"), O_RDONLY | O_DIRECTORY));
  auto dir = sys::openBeneath(from, podName(id), O_RDONLY | O_DIRECTORY);
  if (!dir && dir.error().kind() == ErrorKind::Missing) return false;
  if (TRY(isAlive(TRY(std::move(dir))))) return false;
  auto moved = move(id, "run", "exited-garbage");
  if (!moved && moved.error().kind() == ErrorKind::Missing) return false;  // another gc was first
  if (!moved) return std::unexpected(std::move(moved.error()));
  return true;
}

// With the claim, so that nobody starts it any more.
Result<bool> PodDirectory::discard(const PodId& id, std::string_view from) const {
  Fd folder = TRY(sys::openBeneath(pods_, name(from), O_RDONLY | O_DIRECTORY));
  auto dir = sys::openBeneath(folder, podName(id), O_RDONLY | O_DIRECTORY);
  if (!dir && dir.error().kind() == ErrorKind::Missing) return false;
  const Fd pod = TRY(std::move(dir));
  const auto claim = claimPod(pod);
  if (!claim && claim.error().kind() != ErrorKind::Missing) return std::unexpected(claim.error());
  if ((claim && !claim->valid()) || TRY(isAlive(pod))) return false;
  auto moved = move(id, from, "garbage");
  if (!moved && moved.error().kind() == ErrorKind::Missing) return false;
  if (!moved) return std::unexpected(std::move(moved.error()));
  return true;
}

Result<bool> PodDirectory::expire(const PodId& id) const { return discard(id, "prepared"); }
Result<bool> PodDirectory::abort(const PodId& id) const { return discard(id, "prepare"); }

namespace {

// What keeps others off while a pod is deleted, and what makes them see it.
struct Deletion {
  Fd claim;
  Fd lock;
};

Result<Deletion> beginDeletion(FdRef dir, std::string_view folder, const PodId& id) {
  Deletion deletion;
  auto claim = claimPod(dir);
  if (!claim && claim.error().kind() != ErrorKind::Missing)
    return std::unexpected(std::move(claim.error()));
  if (TRY(isAlive(dir))) return busy(folder, id);
  if (claim && !claim->valid()) {
    const bool over = std::string_view(folder) == "run" || folder == "exited-garbage";
    if (!over) return busy(folder, id);
    return refuse(ErrorKind::Busy, "E_DELETING",
                  "pod \"" + id.text() + "\" is currently being exported or deleted");
  }
  if (claim) deletion.claim = *std::move(claim);
  deletion.lock = TRY(makeLock(dir));
  return deletion;
}

// Last what keeps others off, and what says whose it is: a removal that failed can be told, and
// made again.
Result<void> empty(FdRef dir) {
  for (const std::string& entry : TRY(sys::list(dir))) {
    if (entry == "lock" || entry == "claim" || entry == "record") continue;
    auto removed = sys::removeTree(dir, TRY(Component::parse(entry)));
    if (!removed && removed.error().kind() != ErrorKind::Missing) return removed;
  }
  return {};
}

}  // namespace

Result<void> PodDirectory::remove(const PodId& id) const {
  std::optional<Deletion> deletion;
  for (const char* folder : kFolders) {
    Fd from = TRY(sys::openBeneath(pods_, name(folder), O_RDONLY | O_DIRECTORY));
    auto dir = sys::openBeneath(from, podName(id), O_RDONLY | O_DIRECTORY);
    if (!dir) continue;
    if (!deletion) {
      auto begun = beginDeletion(*dir, folder, id);
      // Another has just removed the last of it.
      if (!begun && begun.error().kind() == ErrorKind::Missing) continue;
      deletion = TRY(std::move(begun));
    }
    if (std::string_view(folder) != "garbage") {
      auto moved = move(id, folder, "garbage");
      if (!moved && moved.error().kind() != ErrorKind::Missing) return moved;
      continue;
    }
    TRY(empty(*dir));
    auto removed = sys::removeTree(from, podName(id));
    if (!removed && removed.error().kind() != ErrorKind::Missing) return removed;
  }
  return {};
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
