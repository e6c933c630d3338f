// SPDX-License-Identifier: Apache-2.0
#include "cli/tree_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <ranges>

#include "base/log.h"
#include "base/names.h"
#include "base/syscall.h"
#include "cli/own_paths.h"

namespace airlock::cli {

namespace {

using Kind = ipc::TreeEntry::Kind;

bool isRoot() { return ::geteuid() == 0; }

// A set-user-ID program of an image must not become one of whoever copies it.
mode_t modeOf(const ipc::TreeEntry& entry) { return entry.mode & (isRoot() ? 07777U : 01777U); }

// Those of the class user mean something to people and their programs alone.  A file system without
// them has the files all the same.
Result<void> setExtended(FdRef fd, const ipc::TreeEntry& entry) {
  for (const auto& [name, value] : entry.attributes) {
    if (::fsetxattr(fd.get(), ("user." + name).c_str(), value.data(), value.size(), 0) == 0)
      continue;
    if (errno == ENOTSUP) return {};
    return failErrno("set the attribute user." + printable(name));
  }
  return {};
}

Result<void> setAttributes(FdRef fd, const ipc::TreeEntry& entry) {
  TRY(setExtended(fd, entry));  // while it is ours to write
  if (isRoot() && ::fchown(fd.get(), entry.uid, entry.gid) != 0) return failErrno("chown");
  if (::fchmod(fd.get(), modeOf(entry)) != 0) return failErrno("chmod");  // after the owner
  timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT},
                       {.tv_sec = static_cast<time_t>(entry.mtime),
                        .tv_nsec = static_cast<long>(entry.mtimeNanoseconds)}};
  if (::futimens(fd.get(), times) != 0) return failErrno("set a time");
  return {};
}

// The directory and the last component of a path below `root`; no link is followed on the way.
struct At {
  Fd directory;
  Component name;
};
Result<At> locate(FdRef root, const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return At{TRY(sys::duplicate(root)), TRY(Component::parse(path))};
  return At{TRY(sys::openBeneath(root, TRY(BeneathPath::parse(path.substr(0, slash))),
                                 O_RDONLY | O_DIRECTORY)),
            TRY(Component::parse(path.substr(slash + 1)))};
}

}  // namespace

Result<TreeOutput> TreeOutput::create(const std::string& path, bool overwrite) {
  std::string whole = TRY(absolutePath(path));
  while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  const auto slash = whole.rfind('/');
  auto name = Component::parse(whole.substr(slash + 1));
  if (!name)
    return refuse(ErrorKind::Invalid, "E_PATH", quoted(path) + " cannot be made as a directory");
  Fd parent = TRY(sys::openPath(slash == 0 ? "/" : whole.substr(0, slash), O_RDONLY | O_DIRECTORY));
  if (!overwrite && ::faccessat(parent.get(), name->c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    return refuse(ErrorKind::Invalid, "E_EXISTS", "output directory exists (try --overwrite)",
                  "Name another directory, or replace this one with --overwrite");
  }
  const auto temporary =
      TRY(Component::parse("." + name->text().substr(0, 100) + "." + PodId::random().shortText()));
  TRY(sys::makeDirectory(parent, temporary, 0700));
  Fd top = TRY(sys::openBeneath(parent, temporary, O_RDONLY | O_DIRECTORY));
  return TreeOutput(std::move(parent), std::move(top), *std::move(name), temporary, overwrite);
}

TreeOutput::~TreeOutput() {
  if (!done_) static_cast<void>(sys::removeTree(parent_, temporary_));
}

Result<void> TreeOutput::putFile(const Component& name, std::string_view content) {
  const Fd file = TRY(sys::openBeneath(top_, name, O_WRONLY | O_CREAT | O_EXCL, 0644));
  return sys::writeAll(file, content);
}

Result<void> TreeOutput::putTree(FdRef pipe, const std::string& below) {
  Fd root = TRY(sys::duplicate(top_));
  if (!below.empty()) {
    const Component name = TRY(Component::parse(below));
    TRY(sys::makeDirectory(top_, name, 0700));
    root = TRY(sys::openBeneath(top_, name, O_RDONLY | O_DIRECTORY));
  }
  ipc::TreeStreamReader stream(pipe);
  while (const auto entry = TRY(stream.next())) TRY(put(root, stream, *entry));
  TRY(finishDirectories(root));
  // The root of the image has a mode of its own, where it is the directory itself.
  const bool ours = isRoot() || !below.empty();
  if (ours && ::fchmod(top_.get(), isRoot() ? 0700 : 0755) != 0) return failErrno("chmod");
  return {};
}

Result<void> TreeOutput::put(FdRef root, ipc::TreeStreamReader& stream,
                             const ipc::TreeEntry& entry) {
  if (entry.kind == Kind::Directory) directories_.push_back(entry);
  if (entry.path.empty()) return {};
  const At at = TRY(locate(root, entry.path));
  switch (entry.kind) {
    case Kind::End:
      break;
    case Kind::Directory:
      return sys::makeDirectory(at.directory, at.name, 0700);
    case Kind::File:
      return putContent(at.directory, at.name, stream, entry);
    case Kind::Symlink:
      if (::symlinkat(entry.target.c_str(), at.directory.get(), at.name.c_str()) != 0)
        return failErrno("make a link");
      if (isRoot() && ::fchownat(at.directory.get(), at.name.c_str(), entry.uid, entry.gid,
                                 AT_SYMLINK_NOFOLLOW) != 0)
        return failErrno("chown");
      return {};
    case Kind::HardLink: {
      const At target = TRY(locate(root, entry.target));
      // Without AT_SYMLINK_FOLLOW: a link in the place of the file is linked itself.
      if (::linkat(target.directory.get(), target.name.c_str(), at.directory.get(), at.name.c_str(),
                   0) != 0)
        return failErrno("make a hard link");
      return {};
    }
  }
  return {};
}

Result<void> TreeOutput::putContent(FdRef directory, const Component& name,
                                    ipc::TreeStreamReader& stream, const ipc::TreeEntry& entry) {
  const Fd file = TRY(sys::openBeneath(directory, name, O_WRONLY | O_CREAT | O_EXCL, 0600));
  TRY(stream.content(
      entry, [&](std::span<const std::uint8_t> bytes) { return sys::writeAll(file, bytes); }));
  return setAttributes(file, entry);
}

// The deepest first: making something in a directory changes its time, and one that is read-only
// lets nobody in.
Result<void> TreeOutput::finishDirectories(FdRef root) {
  for (const ipc::TreeEntry& entry : std::views::reverse(directories_)) {
    const Fd directory = entry.path.empty()
                             ? TRY(sys::duplicate(root))
                             : TRY(sys::openBeneath(root, TRY(BeneathPath::parse(entry.path)),
                                                    O_RDONLY | O_DIRECTORY));
    TRY(setAttributes(directory, entry));
  }
  directories_.clear();
  return {};
}

Result<void> TreeOutput::finish() && {
  // One that was there goes when the new one is whole; a link is removed, never followed.
  if (overwrite_ && ::faccessat(parent_.get(), name_.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
    TRY(sys::removeTree(parent_, name_));
  TRY(inContext(sys::rename(parent_, temporary_, parent_, name_, RENAME_NOREPLACE), name_.text()));
  done_ = true;
  return {};
}

}  // namespace airlock::cli
