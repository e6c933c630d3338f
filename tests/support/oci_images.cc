// SPDX-License-Identifier: Apache-2.0
#include "tests/support/oci_images.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/sealed.h"
#include "base/syscall.h"

namespace airlock::test {

namespace {

std::string descriptor(const std::string& mediaType, const std::string& content) {
  return R"({"mediaType":")" + mediaType + R"(","digest":")" + ociText(ociDigestOf(content)) +
         R"(","size":)" + std::to_string(content.size()) + "}";
}

}  // namespace

OciTestLayer makeOciLayer(const std::string& path, const std::string& script,
                          const std::string& compress) {
  must("rm -rf " + path + ".d && mkdir " + path + ".d && cd " + path + ".d\n" + script +
       "\nfind . -mindepth 1 -printf '%P\\n' | LC_ALL=C sort | tar --no-recursion --owner=0 "
       "--group=0 --mtime=@1700000000 -cf - -T - | " +
       compress + " > " + path);
  OciTestLayer layer{.path = path};
  if (compress.starts_with("cat")) layer.mediaType = "application/vnd.oci.image.layer.v1.tar";
  if (compress.starts_with("zstd")) layer.mediaType = "application/vnd.oci.image.layer.v1.tar+zstd";
  return layer;
}

OciTestLayer makeBusyboxLayer(const std::string& path) {
  return makeOciLayer(path,
                      "mkdir -p bin etc tmp; chmod 1777 tmp; cp /bin/busybox bin/busybox\n"
                      "for a in $(/bin/busybox --list); do [ -e bin/$a ] || ln -s busybox bin/$a; "
                      "done\n"
                      "printf 'root:x:0:0::/root:/bin/sh\\nwww:x:33:34::/srv:/bin/sh\\n' > "
                      "etc/passwd");
}

OciTestImage makeOciImage(std::vector<OciTestLayer> layers, const std::string& config) {
  OciTestImage image{.manifest = {}, .config = {}, .index = {}, .layers = std::move(layers)};
  std::string diffIds;
  std::string descriptors;
  for (const OciTestLayer& layer : image.layers) {
    const std::string content = readFile(layer.path);
    // Nobody looks at these: what the manifest's digests pin needs no second name.
    diffIds += (diffIds.empty() ? "\"" : ",\"") + ociText(ociDigestOf(content)) + "\"";
    descriptors += (descriptors.empty() ? "" : ",") + descriptor(layer.mediaType, content);
  }
  image.config =
      R"({"created":"2023-11-14T22:13:20Z","architecture":"amd64","os":"linux","config":)" +
      config + R"(,"rootfs":{"type":"layers","diff_ids":[)" + diffIds + "]}}";
  image.manifest =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" +
      descriptor("application/vnd.oci.image.config.v1+json", image.config) + R"(,"layers":[)" +
      descriptors + "]}";
  return image;
}

OciReply importOci(const Engine& engine, const OciTestImage& image,
                   const OciImportOptions& options) {
  OciReply result;
  const Sealed manifest = Sealed::make("manifest", image.manifest).value();
  const Sealed config = Sealed::make("config", image.config).value();
  const Sealed signatures =
      Sealed::make("signatures", ipc::encodeOciSignatures(options.signatures).value()).value();
  std::optional<Sealed> index;
  std::vector<FdRef> fds = {manifest.fd(), config.fd(), signatures.fd()};
  if (!image.index.empty()) {
    index = Sealed::make("index", image.index).value();
    fds.emplace_back(index->fd());
  }
  ipc::ImportOciRequest request{.name = ImageName::parse(options.name).value(),
                                .labels = {},
                                .origin = "docker://" + options.name,
                                .hasIndex = index.has_value(),
                                .skipSignature = options.skipSignature};
  if (!options.version.empty()) request.labels.push_back({"version", options.version});
  Connection connection = engine.start(options.start);
  result.reply = connection.ask(request, fds);
  if (!result.reply.reply || !std::holds_alternative<ipc::LayersWanted>(*result.reply.reply))
    return result;
  result.wanted = result.reply.as<ipc::LayersWanted>().layers;
  std::size_t sent = 0;
  for (const std::uint32_t number : result.wanted) {
    if (sent++ == options.stopAfter) break;
    const bool other = options.instead && options.instead->first == number;
    const Fd file =
        sys::openPath(other ? options.instead->second : image.layers[number].path, O_RDONLY)
            .value();
    const FdRef layer[] = {file};
    static_cast<void>(
        connection.channel().send(ipc::encode(ipc::OciLayerFile{number}).value(), layer));
  }
  if (options.stopAfter) {
    connection.close();
    return result;
  }
  result.reply = connection.receive();
  return result;
}

}  // namespace airlock::test
