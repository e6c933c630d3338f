// SPDX-License-Identifier: Apache-2.0
#include "verifier/roles.h"

#include <sodium.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "base/sealed.h"
#include "base/syscall.h"
#include "image/manifest.h"
#include "image/oci_config.h"
#include "image/oci_manifest.h"
#include "sandbox/confine.h"
#include "sandbox/policies/authenticate.bpf.h"
#include "sandbox/policies/check.bpf.h"
#include "sandbox/policies/inflate.bpf.h"
#include "sandbox/policies/unpack.bpf.h"
#include "verifier/authenticate/authenticate.h"
#include "verifier/authenticate/vouch.h"
#include "verifier/erofs_check.h"
#include "verifier/inflate.h"
#include "verifier/layer.h"
#include "verifier/private_root.h"
#include "verifier/tree_walk.h"
#include "verifier/unpack.h"

namespace airlock::verifier {

namespace {

constexpr std::array<std::pair<Role, std::string_view>, 7> kRoles{
    {{Role::Authenticate, "authenticate"},
     {Role::Describe, "describe"},
     {Role::Inflate, "inflate"},
     {Role::Unpack, "unpack"},
     {Role::Check, "check"},
     {Role::Extract, "extract"},
     {Role::InspectKey, "inspect-key"}}};

#ifdef AIRLOCK_SANITIZED
constexpr bool kLimitMemory = false;  // the sanitizers' shadow memory is terabytes of address space
#else
constexpr bool kLimitMemory = true;
#endif

bool needsFiles(Role role) { return role == Role::Authenticate || role == Role::InspectKey; }

std::vector<ResourceLimit> limitsOf(Role role) {
  std::vector<ResourceLimit> result{{RLIMIT_CPU, limits::kRoleCpuSeconds},
                                    {RLIMIT_NOFILE, limits::kRoleFiles}};
  if (kLimitMemory) result.push_back({RLIMIT_AS, limits::kRoleMemory});
  if (needsFiles(role)) {
    result.push_back({RLIMIT_FSIZE, limits::kKeyRingBytes});
    result.push_back(
        {RLIMIT_NPROC, limits::kRoleProcesses});  // counted in the role's own user namespace
  } else {
    result.push_back({RLIMIT_FSIZE, limits::kTreeBytes});
    result.push_back({RLIMIT_NPROC, 0});
  }
  return result;
}

std::span<const sock_filter> filterOf(Role role) {
  switch (role) {
    case Role::Authenticate:
    case Role::InspectKey:
      return sandbox::policies::kAuthenticate;
    case Role::Inflate:
      return sandbox::policies::kInflate;
    case Role::Unpack:
      return sandbox::policies::kUnpack;
    case Role::Check:
    case Role::Extract:
    case Role::Describe:
      return sandbox::policies::kCheck;
  }
  std::unreachable();
}

// Inside the private root, where these are all there is.
std::vector<sandbox::PathAccess> pathsOf(Role role) {
  if (!needsFiles(role)) return {};
  return {{.path = "/usr", .access = sandbox::kReadExecute},
          {.path = "/lib", .access = sandbox::kReadExecute, .optional = true},
          {.path = "/lib64", .access = sandbox::kReadExecute, .optional = true},
          {.path = "/etc", .access = sandbox::kRead},
          {.path = "/dev/null", .access = sandbox::kReadFile | sandbox::kWriteFile},
          {.path = kKeyHome, .access = sandbox::kReadWrite}};
}

Result<ipc::VerifyReply> run(const ipc::AuthenticateJob& job, ipc::FdTable& fds) {
  const Fd data = TRY(fds.take(0));
  const Fd signatureFile = TRY(fds.take(1));
  Fd bundleFile = TRY(fds.take(2));
  const Sealed bundle = TRY(Sealed::check(std::move(bundleFile), limits::kSealedBytes));
  const std::string bundleBytes = TRY(bundle.read());
  const auto keys = TRY(ipc::decodeKeyBundle(bundleBytes));
  const std::string signature =
      TRY(inContext(sys::readAll(signatureFile, limits::kSignatureBytes), "signature"));
  return TRY(authenticate(data, signature, keys, job.notBefore, kKeyHome));
}

Result<ipc::VerifyReply> run(const ipc::InflateJob& job, ipc::FdTable& fds) {
  const Fd in = TRY(fds.take(0));
  const Fd out = TRY(fds.take(1));
  return TRY(inflate(in, out, job));
}

Result<ipc::VerifyReply> run(const ipc::UnpackJob&, ipc::FdTable& fds) {
  const Fd tar = TRY(fds.take(0));
  const Fd image = TRY(fds.take(1));
  const Fd manifestFile = TRY(fds.take(2));
  const Unpacked unpacked = TRY(unpackAci(tar, image));
  const image::ImageManifest manifest = TRY(image::parseImageManifest(unpacked.manifest));
  TRY(sys::writeAll(manifestFile, unpacked.manifest));
  ipc::Unpacked facts{.name = manifest.name,
                      .labels = manifest.labels,
                      .entries = unpacked.entries,
                      .dependencies = {},
                      .hasWhitelist = !manifest.pathWhitelist.empty()};
  for (const image::Dependency& one : manifest.dependencies)
    facts.dependencies.push_back({one.imageName, one.imageId, one.labels, one.size});
  return facts;
}

// The lists that hold for each image: its own, and those of the images that lead to it.
Result<std::vector<PathWhitelist>> whitelistsOf(const std::vector<ipc::PlannedImage>& plan) {
  std::vector<PathWhitelist> whitelists;
  std::vector<std::vector<std::string>> branch;  // by depth, down to the image before
  for (const ipc::PlannedImage& planned : plan) {
    const auto manifest = TRY(image::parseImageManifest(planned.manifest));
    branch.resize(planned.depth);
    PathWhitelist& whitelist = whitelists.emplace_back();
    for (const auto& list : branch) whitelist.add(list, PathWhitelist::Of::Dependent);
    whitelist.add(manifest.pathWhitelist, PathWhitelist::Of::Itself);
    branch.push_back(manifest.pathWhitelist);
  }
  return whitelists;
}

Result<ipc::VerifyReply> run(const ipc::RenderJob& job, ipc::FdTable& fds) {
  const Sealed sealed = TRY(Sealed::check(TRY(fds.take(0)), limits::kSealedBytes));
  const Fd image = TRY(fds.take(1));
  const Fd scratch = TRY(fds.take(2));
  const auto plan = TRY(ipc::decodeRenderPlan(TRY(sealed.read())));
  if (plan.size() != job.images)
    return refuse(ErrorKind::Invalid, "E_REQUEST", "the plan is of another number of images");
  std::vector<PathWhitelist> whitelists = TRY(whitelistsOf(plan));
  std::vector<Fd> tars;
  std::vector<RenderedImage> images;
  for (std::size_t i = 0; i < plan.size(); ++i) tars.push_back(TRY(fds.take(3 + i)));
  for (std::size_t i = 0; i < plan.size(); ++i)
    images.push_back({.tar = tars[i], .whitelist = std::move(whitelists[i])});
  return ipc::Rendered{.entries = TRY(renderAcis(images, image, scratch))};
}

Result<std::vector<Fd>> takeImages(ipc::FdTable& fds, std::size_t first, std::size_t count) {
  std::vector<Fd> images;
  for (std::size_t i = 0; i < count; ++i) images.push_back(TRY(fds.take(first + i)));
  return images;
}

Result<ipc::VerifyReply> run(const ipc::LayerJob& job, ipc::FdTable& fds) {
  const Fd tar = TRY(fds.take(0));
  const Fd image = TRY(fds.take(1));
  const std::vector<Fd> images = TRY(takeImages(fds, 2, job.lowers));
  const std::vector<FdRef> lowers(images.begin(), images.end());
  return TRY(unpackLayer(tar, image, {.bottom = job.bottom, .lowers = lowers, .skip = job.skip}));
}

Result<image::OciManifest> readManifest(FdRef file) {
  const auto document =
      TRY(image::parseOciDocument(TRY(sys::readAll(file, limits::kOciManifestBytes)), ""));
  const auto* manifest = std::get_if<image::OciManifest>(&document);
  if (manifest == nullptr)
    return refuse(ErrorKind::Invalid, "E_MEDIA_TYPE",
                  "it is an index, not the manifest of an image");
  TRY(image::requireImage(*manifest));
  return *manifest;
}

Result<ipc::VerifyReply> run(const ipc::DescribeJob& job, ipc::FdTable& fds) {
  const Fd manifestFile = TRY(fds.take(0));
  const Fd configFile = TRY(fds.take(1));
  const Fd output = TRY(fds.take(2));
  const image::OciManifest manifest = TRY(inContext(readManifest(manifestFile), "manifest"));
  if (job.hasIndex) {
    const Fd index = TRY(fds.take(3));
    TRY(image::checkInIndex(TRY(sys::readAll(index, limits::kOciManifestBytes)), job.manifest));
  }
  const image::ImageManifest appc =
      TRY(inContext(image::appcManifestOf(job.name, job.labels, job.manifest,
                                          TRY(sys::readAll(configFile, limits::kOciConfigBytes)),
                                          manifest.layers.size()),
                    "config"));
  const std::string text = image::toJson(appc, image::JsonStyle::Compact);
  TRY(image::parseImageManifest(text));
  TRY(sys::writeAll(output, text));
  ipc::Described facts{.config = {manifest.config.digest, manifest.config.size},
                       .layers = {},
                       .labels = appc.labels};
  for (const image::OciDescriptor& layer : manifest.layers)
    facts.layers.push_back({layer.digest, layer.size});
  return facts;
}

Result<ipc::VerifyReply> run(const ipc::VouchJob& job, ipc::FdTable& fds) {
  const Sealed signatures = TRY(Sealed::check(TRY(fds.take(0)), limits::kSealedBytes));
  const Sealed bundle = TRY(Sealed::check(TRY(fds.take(1)), limits::kSealedBytes));
  const auto keys = TRY(ipc::decodeKeyBundle(TRY(bundle.read())));
  return TRY(vouch(job, TRY(ipc::decodeOciSignatures(TRY(signatures.read()))), keys, kKeyHome));
}

Result<ipc::VerifyReply> run(const ipc::CheckJob& job, ipc::FdTable& fds) {
  const Fd image = TRY(fds.take(0));
  TRY(checkTree(image, job.layer ? TreeOf::Layer : TreeOf::Image));
  return ipc::Checked{};
}

Result<ipc::VerifyReply> run(const ipc::ExtractJob& job, ipc::FdTable& fds) {
  const Fd pipe = TRY(fds.take(0));
  const std::vector<Fd> images = TRY(takeImages(fds, 1, job.layers));
  const std::vector<FdRef> layers(images.begin(), images.end());
  for (const FdRef image : layers)
    TRY(checkTree(image, job.layers > 1 ? TreeOf::Layer : TreeOf::Image));
  return ipc::Extracted{.entries = TRY(streamTree(layers, pipe))};
}

Result<ipc::VerifyReply> run(const ipc::InspectKeyJob&, ipc::FdTable& fds) {
  const Fd file = TRY(fds.take(0));
  const std::string content = TRY(sys::readAll(file, limits::kKeyFileBytes));
  return TRY(inspectKey(content, kKeyHome));
}

}  // namespace

std::string_view roleName(Role role) {
  return std::ranges::find(kRoles, role, &std::pair<Role, std::string_view>::first)->second;
}

std::optional<Role> parseRole(std::string_view name) {
  const auto* found = std::ranges::find(kRoles, name, &std::pair<Role, std::string_view>::second);
  if (found == kRoles.end()) return std::nullopt;
  return found->first;
}

Role roleOf(const ipc::VerifyJob& job) {
  struct Visitor {
    Role operator()(const ipc::AuthenticateJob&) const { return Role::Authenticate; }
    Role operator()(const ipc::InflateJob&) const { return Role::Inflate; }
    Role operator()(const ipc::UnpackJob&) const { return Role::Unpack; }
    Role operator()(const ipc::RenderJob&) const { return Role::Unpack; }
    Role operator()(const ipc::CheckJob&) const { return Role::Check; }
    Role operator()(const ipc::ExtractJob&) const { return Role::Extract; }
    Role operator()(const ipc::LayerJob&) const { return Role::Unpack; }
    Role operator()(const ipc::DescribeJob&) const { return Role::Describe; }
    Role operator()(const ipc::VouchJob&) const { return Role::Authenticate; }
    Role operator()(const ipc::InspectKeyJob&) const { return Role::InspectKey; }
  };
  return std::visit(Visitor{}, job);
}

std::size_t descriptorsOf(const ipc::VerifyJob& job) {
  struct Visitor {
    std::size_t operator()(const ipc::AuthenticateJob&) const { return 3; }
    std::size_t operator()(const ipc::InflateJob&) const { return 2; }
    std::size_t operator()(const ipc::UnpackJob&) const { return 3; }
    std::size_t operator()(const ipc::RenderJob& render) const { return 3 + render.images; }
    std::size_t operator()(const ipc::ExtractJob& extract) const { return 1 + extract.layers; }
    std::size_t operator()(const ipc::LayerJob& layer) const { return 2 + layer.lowers; }
    std::size_t operator()(const ipc::DescribeJob& describe) const {
      return describe.hasIndex ? 4 : 3;
    }
    std::size_t operator()(const ipc::VouchJob&) const { return 2; }
    std::size_t operator()(const ipc::CheckJob&) const { return 1; }
    std::size_t operator()(const ipc::InspectKeyJob&) const { return 1; }
  };
  return std::visit(Visitor{}, job);
}

Result<void> confine(Role role, std::span<const int> keep) {
  // What libraries ask of the host at their first use is asked now.
  if (::sodium_init() < 0) return fail(ErrorKind::Failed, "libsodium does not start");
  if (role == Role::Inflate) warmUpInflate();
  if (needsFiles(role)) {
    TRY(enterPrivateRoot(RootContent::GnuPg));
  } else {
    static_cast<void>(enterPrivateRoot(RootContent::Empty));
  }
  const sandbox::Enforced enforced = TRY(sandbox::enter({.filter = filterOf(role),
                                                         .paths = pathsOf(role),
                                                         .keep = {keep.begin(), keep.end()},
                                                         .environment = {},
                                                         .network = false,
                                                         .limits = limitsOf(role),
                                                         .invoker = std::nullopt}));
  if (!enforced.seccomp || !enforced.noNewPrivileges || !enforced.noCapabilities) {
    return refuse(ErrorKind::Unsupported, "E_SANDBOX",
                  "the verifier cannot confine itself on this host", "See: airlock doctor");
  }
  return {};
}

ipc::VerifyReply perform(const ipc::VerifyJob& job, ipc::FdTable& fds) {
  auto reply = std::visit([&](const auto& one) { return run(one, fds); }, job);
  if (reply) return std::move(*reply);
  return ipc::Failure{std::move(reply.error())};
}

}  // namespace airlock::verifier
