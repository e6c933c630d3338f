// SPDX-License-Identifier: Apache-2.0
#include "sandbox/selinux.h"

#include <selinux/selinux.h>
#include <sys/xattr.h>

#include <cstdlib>

#include "base/limits.h"

namespace airlock::sandbox {

SelinuxMode selinuxMode() {
  if (::is_selinux_enabled() <= 0) return SelinuxMode::Disabled;
  // Unreadable counts as not enforcing: nothing is claimed that was not seen.
  return ::security_getenforce() == 1 ? SelinuxMode::Enforcing : SelinuxMode::Permissive;
}

bool isLabelKnown(const std::string& label) {
  return ::security_check_context_raw(label.c_str()) == 0;
}

Result<bool> mayUse(const std::string& process, const std::string& file, bool directory,
                    bool write) {
  const security_class_t kind = ::string_to_security_class(directory ? "dir" : "file");
  if (kind == 0) return failErrno("ask the SELinux policy for its classes");
  access_vector_t wanted = 0;
  const auto add = [&](const char* permission) { wanted |= ::string_to_av_perm(kind, permission); };
  add("getattr");
  add("open");
  add("read");
  if (directory) add("search");
  if (write) add("write");
  av_decision decision{};
  if (::security_compute_av_raw(process.c_str(), file.c_str(), kind, wanted, &decision) != 0)
    return failErrno("ask the SELinux policy");
  return (decision.allowed & wanted) == wanted;
}

namespace {

// "user:role:type:low-high" without "-high"; empty where there is no range, or no SELinux.
std::string lowEndOfOwnRange() {
  char* own = nullptr;
  if (::is_selinux_enabled() <= 0 || ::getcon_raw(&own) != 0) return {};
  std::string label = own;
  ::freecon(own);
  std::size_t level = 0;  // starts behind the third colon
  for (int field = 0; field < 3; ++field) {
    level = label.find(':', level);
    if (level == std::string::npos) return {};
    ++level;
  }
  const std::size_t high = label.find('-', level);
  if (high == std::string::npos) return {};
  return label.substr(0, high);
}

}  // namespace

bool hasHighCategories() { return !lowEndOfOwnRange().empty(); }

Result<void> leaveHighCategoriesAtExec() {
  const std::string low = lowEndOfOwnRange();
  if (low.empty() || ::setexeccon_raw(low.c_str()) == 0) return {};
  return fail(
      Error::fromErrno(errno, "leave the SELinux categories of the login").withCode("E_SELINUX"));
}

bool hasCategories(const std::string& label) {
  const std::size_t level = label.rfind(":s0");
  return level != std::string::npos && label.find(":c", level) != std::string::npos;
}

Result<std::string> labelOfFile(FdRef file) {
  char label[limits::kLabelBytes];
  const ssize_t size = ::fgetxattr(file.get(), "security.selinux", label, sizeof label);
  if (size < 0 && (errno == ENODATA || errno == EOPNOTSUPP)) return std::string();
  if (size < 0) return failErrno("read the label of a file");
  std::string text(label, static_cast<std::size_t>(size));
  while (text.ends_with('\0')) text.pop_back();
  return text;
}

Result<FileLabel> FileLabel::set(const std::string& label) {
  if (label.empty()) return FileLabel(false);
  if (::setfscreatecon_raw(label.c_str()) != 0) {
    return fail(
        Error::fromErrno(errno, "set the SELinux label of new files").withCode("E_SELINUX"));
  }
  return FileLabel(true);
}

FileLabel::~FileLabel() {
  if (set_ && ::setfscreatecon_raw(nullptr) != 0) std::abort();
}

}  // namespace airlock::sandbox
