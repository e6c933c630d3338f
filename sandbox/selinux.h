// SPDX-License-Identifier: Apache-2.0
// SELinux as libselinux sees it: whether it is on, which labels its policy knows, what new files
// get.  For processes with the host's /sys and one thread: the helper, doctor.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace airlock::sandbox {

enum class SelinuxMode { Disabled, Permissive, Enforcing };
SelinuxMode selinuxMode();

// Whether the policy that is loaded knows this label.  No configuration file is asked: Debian's
// names types that its policy does not have.
bool isLabelKnown(const std::string& label);

// Whether a process with this label could use a file or directory with that one: read, and also
// write with `write`.  The kernel's own answer, also while it is permissive.
Result<bool> mayUse(const std::string& process, const std::string& file, bool directory,
                    bool write);
// Whether this process may use what a label without categories may not: its range's low end has
// none and its high end has some, as that of people who log in.
bool hasHighCategories();
// The next program that this process executes is at the low end of its range, and so are the pipes
// that it makes.
Result<void> leaveHighCategoriesAtExec();
// Whether a pod, which has two categories, may not use a pipe with this label: it has others.
bool hasCategories(const std::string& label);

// The label of an open file; "" when its file system has none.
Result<std::string> labelOfFile(FdRef file);

// While it lives, what this thread makes has this label.  An empty label changes nothing.
class FileLabel {
 public:
  static Result<FileLabel> set(const std::string& label);
  FileLabel(FileLabel&& other) noexcept : set_(std::exchange(other.set_, false)) {}
  FileLabel& operator=(FileLabel&&) = delete;
  // Ends the process when the label cannot be taken back: what it made next would be the pod's.
  ~FileLabel();

 private:
  explicit FileLabel(bool set) : set_(set) {}
  bool set_;
};

}  // namespace airlock::sandbox
