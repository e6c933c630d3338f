// SPDX-License-Identifier: Apache-2.0
// OCI images from a real registry to a running pod, and back to other programs: docker-registry,
// skopeo and umoci, in a network of the test's own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <memory>

#include "base/accounts.h"
#include "base/syscall.h"
#include "tests/support/engine.h"
#include "tests/support/shell.h"

namespace airlock::test {
namespace {

constexpr const char* kProgram = AIRLOCK_BINARY_DIR "/bin/airlock";
constexpr const char* kHost = "localhost:5443";  // in a network where nobody else is

// The registry, and images that umoci made.
class Registry {
 public:
  // "" when it serves.
  std::string start() {
    if (::geteuid() != 0) return "needs root (CAP_SYS_ADMIN)";
    const auto account = findUser(kFetchUser);
    if (!account || !*account) return "needs the user airlock-fetch";
    for (const char* program : {"/usr/bin/docker-registry", "/usr/bin/skopeo", "/usr/bin/umoci"})
      if (!exists(program)) return std::string("needs ") + program;
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return "needs namespaces of its own";
    if (shell("ip link set lo up").code != 0) return "needs iproute2";
    must("cd " + files_.path() +
         "; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout reg.key "
         "-out reg.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>&1");
    writeFile(files_ / "registry.yml",
              "version: 0.1\nlog: {level: error}\nstorage: {filesystem: "
              "{rootdirectory: " +
                  (files_ / "blobs") +
                  "}}\nhttp: {addr: \"127.0.0.1:5443\""
                  ", tls: {certificate: " +
                  (files_ / "reg.pem") + ", key: " + (files_ / "reg.key") + "}}\n");
    const Fd program = sys::openPath("/usr/bin/docker-registry", O_RDONLY).value();
    const Fd log =
        sys::openPath(files_ / "registry.log", O_WRONLY | O_CREAT | O_CLOEXEC, 0644).value();
    server_ = spawn({.executable = program,
                     .arguments = {"docker-registry", "serve", files_ / "registry.yml"},
                     .environment = {},
                     .descriptors = {{log, STDOUT_FILENO}, {log, STDERR_FILENO}}})
                  .value();
    const bool serves = eventually([&] {
      return shell("curl -sk -o /dev/null https://" + std::string(kHost) + "/v2/").code == 0;
    });
    return serves ? "" : "the registry did not start";
  }

  std::string certificate() const { return files_ / "reg.pem"; }
  std::string path(const std::string& name) const { return files_ / name; }

  // An image of busybox and what the scripts leave, a layer for each, in a layout and in the
  // registry.
  void publish(const std::string& name, const std::vector<std::string>& scripts,
               const std::string& config = "") {
    const std::string layout = files_ / "layout";
    std::string made = "cd " + files_.path() + "; rm -rf layout base\n" +
                       "umoci init --layout layout; umoci new --image layout:1\n"
                       "mkdir -p base/bin base/etc base/tmp; chmod 1777 base/tmp; "
                       "cp /bin/busybox base/bin\n"
                       "for a in sh ls cat id stat sleep; do ln -s busybox base/bin/$a; done\n"
                       "printf 'root:x:0:0::/root:/bin/sh\\nwww:x:33:34::/srv:/bin/sh\\n' > "
                       "base/etc/passwd\n"
                       "find base -exec touch -hd @1700000000 {} +\n"
                       "umoci insert --image layout:1 base /\n";
    for (std::size_t i = 0; i < scripts.size(); ++i) {
      const std::string add = "add" + std::to_string(i);
      made += "rm -rf " + add + "; mkdir " + add + "; (cd " + add + "; " + scripts[i] + ")\nfind " +
              add + " -exec touch -hd @1700000000 {} +\numoci insert --image layout:1 " + add +
              " /\n";
    }
    if (!config.empty()) made += "umoci config --image layout:1 " + config + "\n";
    made += "chmod -R a+rX layout\nskopeo copy -q --dest-tls-verify=false oci:layout:1 docker://" +
            std::string(kHost) + "/" + name + "\n";
    must("{ " + made + "} 2>&1");
  }
  // As cosign does, by its published format: beside the image, under a tag made of its digest.
  void sign(const std::string& repository, const std::string& tag) {
    must("cd " + files_.path() +
         "; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key; "
         "openssl pkey -in key -pubout -out key.pub");
    writeFile(files_ / "sign.py", kSign);
    must("cd " + files_.path() + "; python3 sign.py " + kHost + " " + repository + " " + tag);
  }

 private:
  static constexpr const char* kSign = R"(
import base64, hashlib, json, ssl, subprocess, sys, urllib.parse, urllib.request
host, repository, tag = sys.argv[1:]
base = f"https://{host}/v2/{repository}"
context = ssl._create_unverified_context()
def ask(method, url, data=None, headers={}):
    request = urllib.request.Request(url, data, headers, method=method)
    return urllib.request.urlopen(request, context=context)
def put_blob(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    place = urllib.parse.urljoin(base, ask("POST", base + "/blobs/uploads/", b"").headers["Location"])
    ask("PUT", place + "&digest=" + digest, data, {"Content-Type": "application/octet-stream"})
    return {"digest": digest, "size": len(data)}
manifest = "application/vnd.oci.image.manifest.v1+json"
image = ask("GET", f"{base}/manifests/{tag}", headers={"Accept": manifest}).read()
digest = hashlib.sha256(image).hexdigest()
payload = json.dumps({
    "critical": {"identity": {"docker-reference": f"{host}/{repository}"},
                 "image": {"docker-manifest-digest": "sha256:" + digest},
                 "type": "cosign container image signature"},
    "optional": None}).encode()
signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", "key"],
                           input=payload, capture_output=True, check=True).stdout
layer = {"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", **put_blob(payload),
         "annotations": {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}}
config = {"mediaType": "application/vnd.oci.image.config.v1+json", **put_blob(b"{}")}
document = {"schemaVersion": 2, "mediaType": manifest, "config": config, "layers": [layer]}
ask("PUT", f"{base}/manifests/sha256-{digest}.sig", json.dumps(document).encode(), {"Content-Type": manifest})
)";

  Scratch files_;
  std::optional<Child> server_;
};

class Oci : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    registry_ = std::make_unique<Registry>();
    reason_ = registry_->start();
  }
  static void TearDownTestSuite() { registry_.reset(); }
  void SetUp() override {
    if (!reason_.empty()) GTEST_SKIP() << reason_;
    engine_ = std::make_unique<Engine>();
    engine_->policy("10-unsigned.policy",
                    "allow root * image=localhost~5443/team signer=any insecure=image\n"
                    "allow root * image=localhost signer=any insecure=image\n");
  }
  Outcome airlock(const std::string& arguments) const {
    std::string command = kProgram;
    for (const std::string& path : engine_->pathArguments()) command += " " + path;
    return shell(command + " " + arguments,
                 {.environment = {"HOME=" + engine_->scratch("home"),
                                  "SSL_CERT_FILE=" + registry_->certificate()}});
  }
  Outcome unsignedImage(const std::string& arguments) const {
    return airlock("--insecure-options=image " + arguments);
  }

  static inline std::unique_ptr<Registry> registry_;
  static inline std::string reason_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(Oci, AnImageOfARegistryRunsAsItsConfigSays) {
  registry_->publish("team/web:1.2", {"echo one > one"},
                     "--config.entrypoint /bin/sh --config.cmd -c --config.cmd 'id; cat /one; echo "
                     "$A' --config.env A=b --config.user www");
  const Outcome ran = unsignedImage("run docker://localhost:5443/team/web:1.2");
  EXPECT_EQ(ran.out, "uid=33(www) gid=34\none\nb\n") << ran.err;
  EXPECT_EQ(ran.code, 0);
  // The second time nothing is asked of the registry.
  const Outcome again =
      unsignedImage("run --pull-policy=never docker://localhost:5443/team/web:1.2");
  EXPECT_EQ(again.out, ran.out) << again.err;
  EXPECT_EQ(again.err.find("Downloading"), std::string::npos) << again.err;
}

TEST_F(Oci, S28_AnUnsignedImageIsRefusedBeforeALayerIsDownloaded) {
  registry_->publish("team/plain:1", {});
  const Outcome refused = airlock("fetch docker://localhost:5443/team/plain:1");
  EXPECT_EQ(refused.code, 254);
  EXPECT_NE(refused.err.find("localhost~5443/team/plain:1 has no signature"), std::string::npos)
      << refused.err;
  EXPECT_NE(refused.err.find("--insecure-options=image"), std::string::npos) << refused.err;
  EXPECT_EQ(refused.err.find("Downloading layers"), std::string::npos) << refused.err;
  EXPECT_TRUE(engine_->images().empty());
}

TEST_F(Oci, ASignedImageRunsForWhoTrustsItsKey) {
  engine_->policy("10-unsigned.policy", "allow root * image=localhost~5443 kinds=cosign\n");
  registry_->publish("team/signed:1", {});
  registry_->sign("team/signed", "1");
  const std::string run = "run docker://localhost:5443/team/signed:1 --exec /bin/ls -- /etc";
  EXPECT_NE(airlock(run).err.find("is not signed by a key you trust for it"), std::string::npos);
  const Outcome trusted = airlock("trust --prefix=localhost:5443/team --skip-fingerprint-review " +
                                  registry_->path("key.pub"));
  ASSERT_EQ(trusted.code, 0) << trusted.err;
  const Outcome ran = airlock(run);
  EXPECT_NE(ran.out.find("passwd\n"), std::string::npos) << ran.out << ran.err;
  EXPECT_NE(ran.err.find("signature verified"), std::string::npos) << ran.err;
  EXPECT_EQ(airlock("image verify docker://localhost:5443/team/signed:1").code, 0);
  // Under another tag it is the same image, and cosign's claim names none; elsewhere it is not.
  must(
      "skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "
      "docker://localhost:5443/team/signed:1 docker://localhost:5443/team/moved:1");
  EXPECT_EQ(airlock("fetch docker://localhost:5443/team/moved:1").code, 254);
  const std::string key =
      must("ls " + engine_->config() + "/trustedkeys/prefix.d/localhost~5443/team").substr(0, 71);
  ASSERT_EQ(airlock("trust remove --prefix=localhost:5443/team " + key).code, 0);
  const Outcome stopped = airlock("run --pull-policy=never " + run.substr(4));
  EXPECT_NE(stopped.err.find("no longer trusted"), std::string::npos) << stopped.err;
}

TEST_F(Oci, LayersAreSharedAndANewerImageBringsOnlyItsOwn) {
  registry_->publish("team/app:1", {"echo shared > shared", "echo 1 > version"});
  EXPECT_EQ(unsignedImage("fetch docker://localhost:5443/team/app:1").code, 0);
  registry_->publish("team/app:2", {"echo shared > shared", "echo 2 > version"});
  EXPECT_EQ(unsignedImage("fetch docker://localhost:5443/team/app:2").code, 0);
  const auto images = engine_->images();
  ASSERT_EQ(images.size(), 2U);
  EXPECT_EQ(images[0].layers[0], images[1].layers[0]);
  EXPECT_EQ(images[0].layers[1], images[1].layers[1]);
  EXPECT_NE(images[0].layers[2].blob, images[1].layers[2].blob);
  EXPECT_EQ(must("ls " + engine_->data() + "/store/tree | wc -l"), "4\n");
  const Outcome ran =
      unsignedImage("run docker://localhost:5443/team/app:2 --exec /bin/cat -- /version /shared");
  EXPECT_EQ(ran.out, "2\nshared\n") << ran.err;
}

TEST_F(Oci, AnUpdateOfATagThatHasNotMovedFetchesNothing) {
  registry_->publish("team/tag:1", {});
  EXPECT_EQ(unsignedImage("fetch docker://localhost:5443/team/tag:1").code, 0);
  const Outcome same =
      unsignedImage("fetch --pull-policy=update docker://localhost:5443/team/tag:1");
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(same.err.find("Downloading layers"), std::string::npos) << same.err;
}

TEST_F(Oci, LayoutsAndArchivesOfOtherProgramsRun) {
  registry_->publish("team/local:1", {"echo local > l"});
  must("cd " + registry_->path("") +
       "; rm -f a.tar d.tar; skopeo copy -q oci:layout:1 oci-archive:a.tar:1 && skopeo copy -q "
       "oci:layout:1 docker-archive:d.tar:team/local:1 && chmod a+r a.tar d.tar");
  for (const std::string& source :
       {"oci:" + registry_->path("layout") + ":1", "oci-archive:" + registry_->path("a.tar") + ":1",
        "docker-archive:" + registry_->path("d.tar")}) {
    const Outcome ran = unsignedImage("run " + source + " --exec /bin/cat -- /l");
    EXPECT_EQ(ran.out, "local\n") << source << ": " << ran.err;
  }
}

TEST_F(Oci, AnExportIsReadByOtherPrograms) {
  registry_->publish("team/out:3",
                     {"mkdir d; echo 1 > d/a; echo 1 > d/b", "mkdir d; echo 2 > d/a"});
  EXPECT_EQ(unsignedImage("fetch docker://localhost:5443/team/out:3").code, 0);
  const std::string archive = engine_->scratch("out.tar");
  const Outcome exported =
      unsignedImage("image export docker://localhost:5443/team/out:3 " + archive);
  ASSERT_EQ(exported.code, 0) << exported.err;
  const std::string id = engine_->images()[0].image.hex();
  EXPECT_EQ(must("skopeo inspect --format '{{.Digest}}' oci-archive:" + archive + ":3"),
            "sha256:" + id + "\n");
  must("cd " + engine_->scratch("") +
       "; mkdir l; tar -xf out.tar -C l; umoci unpack --rootless "
       "--image l:3 bundle 2>&1");
  EXPECT_EQ(must("cat " + engine_->scratch("bundle/rootfs/d/a") + " " +
                 engine_->scratch("bundle/rootfs/d/b")),
            "2\n1\n");
  // And by us, as the same image.
  EXPECT_EQ(unsignedImage("fetch oci-archive:" + archive + ":3").code, 0);
  ASSERT_EQ(engine_->images().size(), 1U);
  // What is rendered is the same tree.
  ASSERT_EQ(unsignedImage("image render sha256-" + id + " " + engine_->scratch("tree")).code, 0);
  EXPECT_EQ(must("cat " + engine_->scratch("tree/rootfs/d/a") + " " +
                 engine_->scratch("tree/rootfs/d/b")),
            "2\n1\n");
}

TEST_F(Oci, ImageCommandsTakeAReferenceOfARegistry) {
  registry_->publish("team/ref:1", {});
  EXPECT_EQ(unsignedImage("fetch docker://localhost:5443/team/ref:1").code, 0);
  EXPECT_EQ(airlock("image cat-manifest docker://localhost:5443/team/ref:1").code, 0);
  const Outcome verified = airlock("image verify docker://localhost:5443/team/ref:1");
  EXPECT_NE((verified.out + verified.err).find("imported without a signature"), std::string::npos)
      << verified.out << verified.err;
  const Outcome removed = airlock("image rm docker://localhost:5443/team/ref:1");
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_EQ(must("ls " + engine_->data() + "/store/blob | wc -l"), "0\n");
}

}  // namespace
}  // namespace airlock::test
