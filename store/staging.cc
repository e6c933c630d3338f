// SPDX-License-Identifier: Apache-2.0
#include "store/staging.h"

#include <sys/stat.h>

#include "base/fault.h"
#include "base/syscall.h"
#include "store/byte_stream.h"

namespace airlock::store {

Result<Fd> unnamed(const Store& store, const char* folder) {
  Fd dir = TRY(store.folder(folder));
  const bool forAll =
      std::string_view(folder) == "manifest" || std::string_view(folder) == "signature";
  Fd file = TRY(sys::openTemporary(dir, forAll ? 0644 : 0600));
  if (forAll && ::fchmod(file.get(), 0644) != 0)
    return failErrno("chmod");  // whatever the umask was
  return file;
}

void beginWriting(FdRef file) { ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE); }

Result<CheckedTree> checkTree(const RoleStarter& starter, FdRef tree, const ipc::CheckJob& job) {
  const Fd bytes = TRY(readOnly(tree));
  const FdRef fds[] = {bytes};
  Role role = TRY(Role::start(starter, "check", job, fds));
  CheckedTree result;
  if (offersVerity(bytes)) {
    const TreeDigests both = TRY(digestsOfTree(bytes));
    result = {both.tree, both.verity};
  } else {
    result.tree = TreeDigest(TRY(blake2bOfFile(bytes)));
  }
  TRY(role.finish<ipc::Checked>(deadline(kRoleMilliseconds)));
  return result;
}

}  // namespace airlock::store
