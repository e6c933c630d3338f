// SPDX-License-Identifier: Apache-2.0
#include "store/unpacking.h"

#include <fcntl.h>

#include <algorithm>

#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "store/byte_stream.h"

namespace airlock::store {

namespace {

// Fewer, larger reads; smaller works too.
void widen(FdRef pipe) { static_cast<void>(::fcntl(pipe.get(), F_SETPIPE_SZ, 1 * limits::MiB)); }

// For one layer as a whole: nothing is heard of its roles before they are done.
constexpr int kLayerMilliseconds = 3600 * 1000;

// A pipe to the role unpack, which may stop reading at any time.
Result<sys::Pipe> pipeToUnpack() {
  sys::Pipe pipe = TRY(sys::pipe());
  if (::fcntl(pipe.writeEnd.get(), F_SETFL, O_NONBLOCK) != 0) return failErrno("fcntl");
  return pipe;
}

// Feeds a tar to the role unpack.  If it stops reading, it has said why, or died.
template <class Reply>
Result<ImageId> inflateFor(Role& unpack, const RoleStarter& starter, FdRef blob, Fd tar) {
  widen(tar);
  bool unpackGone = false;
  auto id = inflateImage(starter, blob, [&](std::span<const std::uint8_t> bytes) -> Result<void> {
    auto written = feed(tar, bytes);
    unpackGone = !written && written.error().number() == EPIPE;
    return written;
  });
  if (unpackGone) {
    TRY(unpack.finish<Reply>(deadline(kRoleMilliseconds)));
    return refuse(ErrorKind::Failed, "E_ROLE", "the unpack process stopped reading");
  }
  return id;
}

}  // namespace

Result<ImageId> inflateImage(const RoleStarter& starter, FdRef blob, const UseBytes& use) {
  const auto blobBytes = static_cast<std::uint64_t>(TRY(sys::status(blob)).st_size);
  const std::uint64_t most = std::min<std::uint64_t>(
      limits::kTreeBytes, blobBytes * limits::kInflateRatio + limits::kInflateSlack);
  sys::Pipe inflated = TRY(sys::pipe());
  widen(inflated.writeEnd);
  const FdRef fds[] = {blob, inflated.writeEnd};
  Role inflate = TRY(Role::start(starter, "inflate", ipc::InflateJob{.most = most}, fds));
  inflated.writeEnd.reset();
  Sha512 hash;
  TRY(pump(inflated.readEnd, most, [&](std::span<const std::uint8_t> bytes) {
    hash.update(bytes);
    return use(bytes);
  }));
  inflated.readEnd.reset();
  TRY(inflate.finish<ipc::Inflated>(deadline(kRoleMilliseconds)));
  return ImageId(AciId(hash.finish()));
}

Result<std::pair<ImageId, ipc::Unpacked>> unpackInto(const RoleStarter& starter, FdRef blob,
                                                     FdRef tree, FdRef manifest) {
  sys::Pipe tar = TRY(pipeToUnpack());
  const FdRef fds[] = {tar.readEnd, tree, manifest};
  Role unpack = TRY(Role::start(starter, "unpack", ipc::UnpackJob{}, fds));
  tar.readEnd.reset();
  const ImageId id = TRY(inflateFor<ipc::Unpacked>(unpack, starter, blob, std::move(tar.writeEnd)));
  return std::pair(id, TRY(unpack.finish<ipc::Unpacked>(deadline(kRoleMilliseconds))));
}

Result<ipc::Layered> unpackLayerInto(const RoleStarter& starter, FdRef file, FdRef tree,
                                     const ipc::LayerJob& job, std::span<const Fd> lowers) {
  sys::Pipe tar = TRY(sys::pipe());
  widen(tar.writeEnd);
  std::vector<FdRef> fds = {tar.readEnd, tree};
  fds.insert(fds.end(), lowers.begin(), lowers.end());
  Role unpack = TRY(Role::start(starter, "unpack", job, fds));
  const FdRef inflated[] = {file, tar.writeEnd};
  Role inflate =
      TRY(Role::start(starter, "inflate", ipc::InflateJob{.most = limits::kTreeBytes, .layer = true}, inflated));
  tar.readEnd.reset();
  tar.writeEnd.reset();
  auto layered = unpack.finish<ipc::Layered>(deadline(kLayerMilliseconds));
  const auto whole = inflate.finish<ipc::Inflated>(deadline(kRoleMilliseconds));
  // One that stops has the other see an end too early: who has something to say about it is asked.
  if (!whole && (layered || layered.error().code() == "E_TRUNCATED"))
    return std::unexpected(whole.error());
  return layered;
}

Result<void> renderInto(const RoleStarter& starter, std::span<const RenderPart> parts, FdRef tree,
                        FdRef scratch) {
  std::vector<ipc::PlannedImage> plan;
  std::vector<sys::Pipe> tars;
  for (const RenderPart& part : parts) {
    plan.push_back({.manifest = part.manifest, .depth = part.depth});
    tars.push_back(TRY(pipeToUnpack()));
  }
  const Sealed sealed = TRY(Sealed::make("airlock-render-plan", TRY(ipc::encodeRenderPlan(plan))));
  std::vector<FdRef> fds = {sealed.fd(), tree, scratch};
  for (const sys::Pipe& tar : tars) fds.emplace_back(tar.readEnd);
  Role unpack = TRY(Role::start(
      starter, "unpack", ipc::RenderJob{.images = static_cast<std::uint32_t>(parts.size())}, fds));
  for (sys::Pipe& tar : tars) tar.readEnd.reset();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const ImageId id =
        TRY(inflateFor<ipc::Rendered>(unpack, starter, parts[i].blob, std::move(tars[i].writeEnd)));
    if (id == parts[i].image) continue;
    return refuse(
        ErrorKind::Invalid, "E_DIGEST",
        "image hash does not match expected: the stored file of " + printable(parts[i].shown) +
            " is not the one that was imported",
        "Remove that image and fetch it again: airlock image rm " + printable(parts[i].shown));
  }
  TRY(unpack.finish<ipc::Rendered>(deadline(kRoleMilliseconds)));
  return {};
}

}  // namespace airlock::store
