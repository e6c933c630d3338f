// SPDX-License-Identifier: Apache-2.0
// airlock image export, extract and render: what is in an image, as files.  Roles parse it; this
// process writes, with the rights of its caller.
#include <fcntl.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/command.h"
#include "cli/oci_archive.h"
#include "cli/options.h"
#include "cli/own_paths.h"
#include "cli/own_store.h"
#include "cli/tree_output.h"
#include "store/byte_stream.h"
#include "store/unpacking.h"

namespace airlock::cli {

namespace {

struct Wanted {
  std::string image;
  std::string output;
  bool rootOnly = false;
  bool overwrite = false;
};

Result<Wanted> parse(const std::vector<std::string>& arguments, bool ofTree) {
  Wanted wanted;
  std::vector<Flag> flags = {boolFlag("overwrite", wanted.overwrite)};
  if (ofTree) flags.push_back(boolFlag("rootfs-only", wanted.rootOnly));
  const auto operands = TRY(parseFlags(arguments, flags));
  if (operands.size() != 2) {
    return refuse(ErrorKind::Invalid, "E_USAGE",
                  ofTree ? "takes an image and a directory to be made"
                         : "takes an image and a file to be made");
  }
  wanted.image = operands[0];
  wanted.output = operands[1];
  return wanted;
}

Result<void> checkId(const ImageId& found, const ipc::CatalogRecord& record) {
  if (found == record.image) return {};
  return refuse(ErrorKind::Invalid, "E_DIGEST",
                "image hash does not match expected (" + found.text() + " != " +
                    record.image.text() + "): the stored file is not the one that was imported",
                "Remove the image and fetch it again");
}

// A file without a name beside what is written: for the tree of one image alone.
Result<Fd> scratchIn(FdRef directory) { return sys::openTemporary(directory, 0600); }

// `trees` are for reading alone, the topmost first: the role gets them.
Result<void> writeTree(const store::RoleStarter& starter, std::span<const Fd> trees,
                       TreeOutput& output, const std::string& below) {
  sys::Pipe pipe = TRY(sys::pipe());
  std::vector<FdRef> fds = {pipe.writeEnd};
  fds.insert(fds.end(), trees.begin(), trees.end());
  const ipc::ExtractJob job{.layers = static_cast<std::uint32_t>(trees.size())};
  auto role = TRY(store::Role::start(starter, "extract", job, fds));
  pipe.writeEnd.reset();
  auto written = output.putTree(pipe.readEnd, below);
  pipe.readEnd.reset();
  // What the role says of a tree that it refuses is the reason, not that its stream ended.
  auto extracted = role.finish<ipc::Extracted>(store::kRoleMilliseconds);
  if (!extracted && (written || written.error().code() == "E_TREE"))
    return std::unexpected(std::move(extracted.error()));
  return written;
}

constexpr const char* kRootFolder = "rootfs";

Result<void> putManifest(TreeOutput& output, const std::string& manifest) {
  return output.putFile(TRY(Component::parse("manifest")), manifest);
}

// What runs, as files; of an OCI image with what its config says in appc's terms.
Result<int> renderTo(const ImageStore& images, const ipc::CatalogRecord& record,
                     const Wanted& wanted) {
  TreeOutput output = TRY(TreeOutput::create(wanted.output, wanted.overwrite));
  const std::vector<Fd> trees = TRY(images.openContent(record, ImageStore::Content::Tree));
  if (!wanted.rootOnly) {
    const auto opened = TRY(images.open());
    if (!opened) return refuse(ErrorKind::Missing, "E_STORE", "the store went away");
    TRY(putManifest(output, TRY(opened->manifest(record))));
  }
  TRY(writeTree(TRY(store::RoleStarter::create()), trees, output,
                wanted.rootOnly ? "" : kRootFolder));
  TRY(std::move(output).finish());
  return 0;
}

// Gives a file without a name its name, in the place of another where that is allowed.
Result<void> nameFile(FdRef file, FdRef directory, const Component& name, bool overwrite) {
  if (TRY(sys::linkTemporary(file, directory, name))) return {};
  if (!overwrite) {
    return refuse(ErrorKind::Invalid, "E_EXISTS", "output ACI file exists (try --overwrite)",
                  "Name another file, or replace this one with --overwrite");
  }
  const auto beside =
      TRY(Component::parse("." + name.text().substr(0, 100) + "." + PodId::random().shortText()));
  TRY(sys::linkTemporary(file, directory, beside));
  auto moved = sys::rename(directory, beside, directory, name);
  if (!moved) static_cast<void>(sys::unlink(directory, beside));
  return moved;
}

Result<std::vector<ipc::OciSignature>> signaturesOf(const ImageStore& images,
                                                    const ipc::CatalogRecord& record) {
  const auto opened = TRY(images.open());
  if (!record.hasSignature || !opened) return std::vector<ipc::OciSignature>();
  const Fd folder = TRY(opened->folder("signature"));
  return ipc::decodeOciSignatures(
      TRY(sys::readFile(folder, store::catalogName(record.image), limits::kSealedBytes)));
}

}  // namespace

Result<int> imageExport(const Options& options, const std::vector<std::string>& arguments) {
  const Wanted wanted = TRY(parse(arguments, false));
  const std::string path = TRY(absolutePath(wanted.output));
  const auto slash = path.rfind('/');
  const auto name = Component::parse(path.substr(slash + 1));
  if (!name) {
    return refuse(ErrorKind::Invalid, "E_PATH",
                  airlock::quoted(wanted.output) + " is not the name of a file");
  }
  if (!wanted.overwrite && ::access(path.c_str(), F_OK) == 0) {
    return refuse(ErrorKind::Invalid, "E_EXISTS", "output ACI file exists (try --overwrite)",
                  "Name another file, or replace this one with --overwrite");
  }
  const ImageStore images = TRY(ImageStore::choose(options));
  const ipc::CatalogRecord record = TRY(images.resolve(wanted.image));
  const std::vector<Fd> files = TRY(images.openContent(record, ImageStore::Content::File));
  const Fd directory =
      TRY(sys::openPath(slash == 0 ? "/" : path.substr(0, slash), O_RDONLY | O_DIRECTORY));
  const Fd file = TRY(sys::openTemporary(directory, 0644));
  if (record.image.oci() != nullptr) {
    TRY(writeOciArchive(file, record, files, TRY(signaturesOf(images, record))));
    TRY(nameFile(file, directory, *name, wanted.overwrite));
    return 0;
  }
  const auto write = [&](std::span<const std::uint8_t> bytes) {
    return sys::writeAll(file, bytes);
  };
  const auto starter = TRY(store::RoleStarter::create());
  TRY(checkId(TRY(store::inflateImage(starter, files.front(), write)), record));
  TRY(nameFile(file, directory, *name, wanted.overwrite));
  return 0;
}

Result<int> imageExtract(const Options& options, const std::vector<std::string>& arguments) {
  const Wanted wanted = TRY(parse(arguments, true));
  const ImageStore images = TRY(ImageStore::choose(options));
  const ipc::CatalogRecord record = TRY(images.resolve(wanted.image));
  if (record.image.oci() != nullptr) return renderTo(images, record, wanted);
  TreeOutput output = TRY(TreeOutput::create(wanted.output, wanted.overwrite));
  const std::vector<Fd> files = TRY(images.openContent(record, ImageStore::Content::File));
  const auto starter = TRY(store::RoleStarter::create());
  const Fd tree = TRY(scratchIn(output.parent()));
  const Fd manifest = TRY(scratchIn(output.parent()));
  TRY(checkId(TRY(store::unpackInto(starter, files.front(), tree, manifest)).first, record));
  if (!wanted.rootOnly)
    TRY(putManifest(output, TRY(sys::readAll(manifest, limits::kManifestBytes))));
  const Fd trees[] = {TRY(store::readOnly(tree))};
  TRY(writeTree(starter, trees, output, wanted.rootOnly ? "" : kRootFolder));
  TRY(std::move(output).finish());
  return 0;
}

Result<int> imageRender(const Options& options, const std::vector<std::string>& arguments) {
  const Wanted wanted = TRY(parse(arguments, true));
  const ImageStore images = TRY(ImageStore::choose(options));
  return renderTo(images, TRY(images.resolve(wanted.image)), wanted);
}

}  // namespace airlock::cli
