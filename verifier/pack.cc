// SPDX-License-Identifier: Apache-2.0
#include "verifier/pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/syscall.h"

namespace airlock::verifier {

namespace {

constexpr mode_t kManifestMode = 0644;
constexpr std::size_t kBuffer = 128 * 1024;

struct CloseArchive {
  void operator()(archive* a) const noexcept { ::archive_write_free(a); }
};
struct FreeEntry {
  void operator()(archive_entry* e) const noexcept { ::archive_entry_free(e); }
};
using Entry = std::unique_ptr<archive_entry, FreeEntry>;

class Packer {
 public:
  Result<void> open(FdRef output) {
    archive_.reset(::archive_write_new());
    if (!archive_) return fail(ErrorKind::Failed, "no memory for the archive");
    TRY(good(::archive_write_add_filter_gzip(archive_.get())));
    TRY(good(::archive_write_set_filter_option(archive_.get(), "gzip", "timestamp", nullptr)));
    TRY(good(::archive_write_set_format_pax_restricted(archive_.get())));
    return good(::archive_write_open_fd(archive_.get(), output.get()));
  }

  Result<void> manifest(std::string_view text) {
    Entry entry(::archive_entry_new());
    ::archive_entry_set_pathname(entry.get(), "manifest");
    ::archive_entry_set_filetype(entry.get(), AE_IFREG);
    ::archive_entry_set_perm(entry.get(), kManifestMode);
    ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(text.size()));
    TRY(good(::archive_write_header(archive_.get(), entry.get())));
    return data(text);
  }

  // Depth first: `path` is the directory's name in the archive.
  Result<void> directory(FdRef dir, const std::string& path, std::size_t depth) {
    if (depth > limits::kTreeDepth)
      return refuse(ErrorKind::Invalid, "E_LIMIT", printable(path) + " is too deep");
    TRY(header(dir, path, TRY(sys::status(dir)), {}));
    for (const std::string& name : TRY(sys::list(dir)))
      TRY(inContext(node(dir, name, path + "/" + name, depth), printable(path + "/" + name)));
    return {};
  }

  Result<void> close() { return good(::archive_write_close(archive_.get())); }

 private:
  Result<void> node(FdRef dir, const std::string& name, const std::string& path,
                    std::size_t depth) {
    struct stat status {};
    if (::fstatat(dir.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return failErrno("stat");
    const Component component = TRY(Component::parse(name));
    switch (status.st_mode & S_IFMT) {
      case S_IFDIR: {
        const Fd below = TRY(sys::openBeneath(dir, component, O_RDONLY | O_DIRECTORY));
        return directory(below, path, depth + 1);
      }
      case S_IFREG:
        return file(dir, component, path);
      case S_IFLNK: {
        std::array<char, limits::kPathBytes + 1> target{};
        const ssize_t size =
            ::readlinkat(dir.get(), name.c_str(), target.data(), target.size() - 1);
        if (size < 0) return failErrno("readlink");
        return header(FdRef(-1), path, status, std::string(target.data()));
      }
      case S_IFIFO:
        return header(FdRef(-1), path, status, {});
      default:
        return {};  // what only its maker could serve
    }
  }

  Result<void> file(FdRef dir, const Component& name, const std::string& path) {
    const Fd content = TRY(sys::openBeneath(dir, name, O_RDONLY | O_NOCTTY));
    const struct stat status = TRY(sys::status(content));
    if (status.st_nlink > 1) {
      const auto [first, fresh] = linked_.try_emplace({status.st_dev, status.st_ino}, path);
      if (!fresh) return hardLink(path, first->second, status);
    }
    TRY(header(content, path, status, {}));
    // As long as its header says, whatever its length is now.
    std::vector<std::uint8_t> buffer(kBuffer);
    for (auto left = static_cast<std::uint64_t>(status.st_size); left > 0;) {
      const std::size_t wanted = std::min<std::uint64_t>(left, buffer.size());
      const std::size_t got = TRY(sys::read(content, std::span(buffer).first(wanted)));
      if (got == 0) return fail(ErrorKind::Failed, "the file has become shorter");
      TRY(data({reinterpret_cast<const char*>(buffer.data()), got}));
      left -= got;
    }
    return {};
  }

  Result<void> hardLink(const std::string& path, const std::string& first,
                        const struct stat& status) {
    Entry entry = describe(path, status);
    ::archive_entry_set_hardlink(entry.get(), first.c_str());
    ::archive_entry_set_size(entry.get(), 0);
    return good(::archive_write_header(archive_.get(), entry.get()));
  }

  static Entry describe(const std::string& path, const struct stat& status) {
    Entry entry(::archive_entry_new());
    ::archive_entry_set_pathname(entry.get(), path.c_str());
    ::archive_entry_set_mode(entry.get(), status.st_mode);
    ::archive_entry_set_uid(entry.get(), status.st_uid);
    ::archive_entry_set_gid(entry.get(), status.st_gid);
    ::archive_entry_set_mtime(entry.get(), status.st_mtim.tv_sec, 0);
    return entry;
  }

  Result<void> header(FdRef open, const std::string& path, const struct stat& status,
                      const std::string& target) {
    Entry entry = describe(path, status);
    if (S_ISREG(status.st_mode)) ::archive_entry_set_size(entry.get(), status.st_size);
    if (!target.empty()) ::archive_entry_set_symlink(entry.get(), target.c_str());
    if (open.get() >= 0) TRY(attributes(open, *entry));
    return good(::archive_write_header(archive_.get(), entry.get()));
  }

  static Result<void> attributes(FdRef open, archive_entry& entry) {
    std::vector<char> names(limits::kSealedBytes / 64);
    const ssize_t size = ::flistxattr(open.get(), names.data(), names.size());
    if (size < 0) return errno == ENOTSUP ? Result<void>() : failErrno("list attributes");
    for (std::string_view rest(names.data(), static_cast<std::size_t>(size)); !rest.empty();) {
      const std::string name(rest.substr(0, rest.find('\0')));
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
      if (!name.starts_with("user.") && name != "security.capability") continue;
      std::array<char, limits::kXattrBytes> value;
      const ssize_t length = ::fgetxattr(open.get(), name.c_str(), value.data(), value.size());
      if (length < 0) return failErrno("read attribute " + printable(name));
      ::archive_entry_xattr_add_entry(&entry, name.c_str(), value.data(),
                                      static_cast<std::size_t>(length));
    }
    return {};
  }

  Result<void> data(std::string_view bytes) {
    while (!bytes.empty()) {
      const la_ssize_t written = ::archive_write_data(archive_.get(), bytes.data(), bytes.size());
      if (written <= 0) return good(ARCHIVE_FATAL);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<void> good(int code) {
    if (code == ARCHIVE_OK) return {};
    const char* why = ::archive_error_string(archive_.get());
    return fail(ErrorKind::Failed,
                why != nullptr ? printable(why) : "the archive cannot be written");
  }

  std::unique_ptr<archive, CloseArchive> archive_;
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;
};

}  // namespace

Result<void> packImage(FdRef root, std::string_view manifest, FdRef output) {
  Packer packer;
  TRY(packer.open(output));
  TRY(packer.manifest(manifest));
  TRY(packer.directory(root, "rootfs", 0));
  return packer.close();
}

}  // namespace airlock::verifier
