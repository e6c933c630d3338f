// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/offered_files.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"

namespace airlock::fetch {
namespace {

constexpr int kOfferTimeout = 60'000;  // milliseconds: the CLI has nothing else to do
constexpr std::string_view kBlobs = "blobs/sha256/";

Result<ipc::OciFileWanted> wantedOf(const std::string& path) {
  if (path == "oci-layout") return ipc::OciFileWanted{ipc::LayoutVersionFile{}};
  if (path == "index.json") return ipc::OciFileWanted{ipc::LayoutIndexFile{}};
  OciDigest::Bytes bytes{};
  if (path.starts_with(kBlobs) && fromHex(path.substr(kBlobs.size()), bytes))
    return ipc::OciFileWanted{ipc::LayoutBlob{OciDigest(bytes)}};
  return refuse(ErrorKind::Invalid, "E_PATH", quoted(path) + " is no file of a layout");
}

}  // namespace

Result<Fd> OfferedFiles::open(const ipc::OciFileWanted& wanted) {
  TRY(events_->send(wanted));
  auto message = TRY(channel_->receive(kOfferTimeout));
  if (!message) return refuse(ErrorKind::Failed, "E_JOB", "nobody offers the files of the image");
  const ipc::OfferedFile offered = TRY(ipc::decodeOfferedFile(message->bytes));
  TRY(message->fds.expect(offered.failure ? 0 : 1));
  if (offered.failure) return fail(offered.failure->error);
  Fd file = TRY(message->fds.take(0));
  if (!S_ISREG(TRY(sys::status(file)).st_mode))
    return refuse(ErrorKind::Invalid, "E_FD", "what was offered is no regular file");
  return file;
}

Result<std::string> OfferedFiles::read(const std::string& path, std::size_t most) {
  const Fd file = TRY(open(TRY(wantedOf(path))));
  return inContext(sys::readAll(file, most), "the layout's " + quoted(path));
}

Result<void> OfferedFiles::stream(std::span<const FileWish> wishes) {
  std::vector<std::uint8_t> buffer(limits::kInflateBuffer);
  for (const FileWish& wish : wishes) {
    const Fd file = TRY(open(TRY(wantedOf(wish.path))));
    for (std::uint64_t position = 0;;) {
      const std::size_t got = TRY(sys::readAt(file, buffer, position));
      if (got == 0) break;
      position += got;
      TRY(wish.take({reinterpret_cast<const char*>(buffer.data()), got}));
    }
    TRY(wish.finish());
  }
  return {};
}

}  // namespace airlock::fetch
