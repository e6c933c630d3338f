// SPDX-License-Identifier: Apache-2.0
// Images that other programs have made and serve: docker-registry, skopeo, umoci.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/syscall.h"
#include "unpriv-fetch/blob_file.h"
#include "unpriv-fetch/oci_fixture_test.h"

namespace airlock::fetch {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool shell(const std::string& command) { return std::system(command.c_str()) == 0; }

bool answers(std::uint16_t port) {
  const Fd socket = Fd::own(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

// One docker-registry in the network of the test's own.
class Peers : public OciFetch {
 protected:
  void SetUp() override {
    OciFetch::SetUp();
    if (IsSkipped()) return;
    for (const char* program :
         {"/usr/bin/docker-registry", "/usr/bin/skopeo", "/usr/bin/umoci", "/usr/bin/htpasswd"}) {
      if (!std::filesystem::exists(program)) GTEST_SKIP() << "needs " << program;
    }
    ::umask(022);
    work_ = directory() + "/peers";
    std::filesystem::create_directories(work_ + "/certs");
    std::filesystem::copy_file(directory() + "/ca.pem", work_ + "/certs/ca.crt");
    std::ofstream(work_ + "/policy.json") << R"({"default":[{"type":"insecureAcceptAnything"}]})";
    makeLayout();
  }
  void TearDown() override {
    registry_.reset();
    if (!work_.empty()) std::filesystem::remove_all(work_);
  }

  // Two layers, made and compressed by umoci; readable for its owner alone.
  void makeLayout() const {
    std::ofstream(work_ + "/first") << imageBytes();
    std::ofstream(work_ + "/second") << "second layer\n";
    const std::string umoci = "umoci >/dev/null 2>&1 ";
    const std::string layout = work_ + "/layout";
    ASSERT_TRUE(shell(umoci + "init --layout " + layout));
    ASSERT_TRUE(shell(umoci + "new --image " + layout + ":1"));
    for (const char* name : {"first", "second"}) {
      ASSERT_TRUE(
          shell(umoci + "insert --image " + layout + ":1 " + work_ + "/" + name + " /" + name));
    }
  }

  // auth: "htpasswd" or "token"; a certificate besides, when `wantsCertificate`.
  void serve(const std::string& auth, bool wantsCertificate = false) {
    ASSERT_TRUE(shell("htpasswd -Bbn user canary > " + work_ + "/htpasswd 2>/dev/null"));
    std::ofstream config(work_ + "/config.yml");
    config << "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
           << "storage: {filesystem: {rootdirectory: " << work_ << "/storage}}\n"
           << "http: {addr: '127.0.0.1:5000', secret: test, tls: {certificate: " << directory()
           << "/good.crt, key: " << directory() << "/good.key"
           << (wantsCertificate ? ", clientcas: [" + directory() + "/ca.pem]" : "") << "}}\n";
    if (auth == "token") {
      config << "auth: {token: {realm: 'https://example.com/token/signed', service: 'registry, "
                "test', issuer: test, rootcertbundle: "
             << directory() << "/ca.pem}}\n";
    } else {
      config << "auth: {htpasswd: {realm: 'test, registry', path: " << work_ << "/htpasswd}}\n";
    }
    config.close();
    const Fd program = sys::openPath("/usr/bin/docker-registry", O_RDONLY).value();
    registry_ = spawn({.executable = program,
                       .arguments = {"docker-registry", "serve", work_ + "/config.yml"},
                       .environment = {"PATH=/usr/bin:/bin"}})
                    .value();
    for (int tries = 0; tries < 600 && !answers(5000); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_TRUE(answers(5000));
  }

  bool skopeo(const std::string& arguments) const {
    return shell("SSL_CERT_FILE=" + directory() + "/ca.pem skopeo --policy " + work_ +
                 "/policy.json " + arguments + " >" + work_ + "/skopeo.log 2>&1") ||
           (std::cerr << content(work_ + "/skopeo.log"), false);
  }
  void push() const {
    ASSERT_TRUE(skopeo("copy --dest-creds user:canary --dest-cert-dir " + work_ +
                       "/certs oci:" + work_ + "/layout:1 docker://example.com:5000/team/web:1"));
  }
  static ipc::FetchOciJob registryJob() {
    ipc::FetchOciJob job = ociJob("team");
    job.origin = ipc::FromRegistry{{{.host = "example.com:5000", .repository = "team/web"}}};
    job.options.credentials = {userOf("example.com:5000")};
    return job;
  }
  static ipc::FetchOciJob localJob(ipc::OciOrigin origin, const std::string& reference) {
    ipc::FetchOciJob job;
    job.options.mostBytes = 16 << 20;
    job.origin = std::move(origin);
    job.tag = reference;
    job.platform = {"linux", "amd64", ""};
    return job;
  }
  static OciOutcome getLocal(const ipc::FetchOciJob& job, const std::string& path) {
    if (std::filesystem::is_directory(path)) return converse(start(job), {.layout = path});
    const Fd archive = sys::openPath(path, O_RDONLY).value();
    return converse(start(job, "", false, archive));
  }

  // Every layer is the one of umoci's layout.
  void expectImage(const OciOutcome& outcome) const {
    ASSERT_TRUE(outcome.done()) << outcome.failure();
    ASSERT_THAT(outcome.layers, SizeIs(2));
    for (const auto& [index, bytes] : outcome.layers) {
      const OciDigest& digest = outcome.documents->layers[index].digest;
      EXPECT_EQ(bytes, content(work_ + "/layout/blobs/sha256/" + digest.hex()));
    }
  }

  std::string work_;
  std::optional<Child> registry_;
};

TEST_F(Peers, ARegistryWithPasswordsServesAnImage) {
  serve("htpasswd");
  push();
  expectImage(get(registryJob()));
  ipc::FetchOciJob stranger = registryJob();
  stranger.options.credentials.clear();
  EXPECT_EQ(get(stranger).code(), "E_AUTH");
  stranger.options.credentials = {userOf("example.com:5000")};
  stranger.options.credentials[0].secret = "wrong";
  const OciOutcome wrong = get(stranger);
  EXPECT_EQ(wrong.code(), "E_AUTH");
  EXPECT_THAT(wrong.failure(), HasSubstr("refuses the credential"));
}

TEST_F(Peers, ARegistryWithATokenServerServesAnImage) {
  serve("token");
  push();
  expectImage(get(registryJob()));
  ipc::FetchOciJob stranger = registryJob();
  stranger.options.credentials.clear();
  EXPECT_EQ(get(stranger).code(), "E_AUTH");
}

TEST_F(Peers, ARegistryThatWantsACertificateGetsIt) {
  serve("htpasswd", true);
  std::filesystem::copy_file(directory() + "/good.crt", work_ + "/certs/client.cert");
  std::filesystem::copy_file(directory() + "/good.key", work_ + "/certs/client.key");
  push();
  EXPECT_EQ(get(registryJob()).code(), "E_TLS");
  ipc::FetchOciJob job = registryJob();
  std::get<ipc::FromRegistry>(job.origin).endpoints[0].hasClientCertificate = true;
  const Fd certificate = sys::openPath(work_ + "/certs/client.cert", O_RDONLY).value();
  const Fd key = sys::openPath(work_ + "/certs/client.key", O_RDONLY).value();
  const std::vector<FdRef> both = {certificate, key};
  expectImage(converse(start(job, "", false, FdRef(-1), both)));
}

TEST_F(Peers, ARegistryTakesRequestsForParts) {
  serve("htpasswd");
  push();
  const OciOutcome whole = get(registryJob());
  expectImage(whole);
  const Wish wish{.layers = {}, .before = {{0, whole.layers.at(0).substr(0, 100)}}};
  expectImage(get(registryJob(), wish));
  ipc::FetchOciJob missing = registryJob();
  missing.tag = "none";
  EXPECT_EQ(get(missing).code(), "E_HTTP");
}

TEST_F(Peers, ALayoutOfUmociIsRead) {
  const OciOutcome outcome = getLocal(localJob(ipc::FromLayout{}, "1"), work_ + "/layout");
  expectImage(outcome);
  EXPECT_EQ(outcome.documents->sourceName, "1");
  expectImage(getLocal(localJob(ipc::FromLayout{}, ""), work_ + "/layout"));
  const OciOutcome missing = getLocal(localJob(ipc::FromLayout{}, "2"), work_ + "/layout");
  EXPECT_EQ(missing.code(), "E_NOT_FOUND");
  EXPECT_THAT(missing.failure(), HasSubstr("there is \"1\""));
}

TEST_F(Peers, SignaturesInALayoutHaveTheTagsOfARegistry) {
  // From the test server, with skopeo: the image, and cosign's tag of it.
  const OciOutcome image = get(ociJob("signed"));
  ASSERT_TRUE(image.documents) << image.failure();
  const std::string tag = "sha256-" + image.documents->manifestDigest.hex() + ".sig";
  for (const std::string& name : {std::string("1"), tag}) {
    ASSERT_TRUE(
        skopeo("copy --preserve-digests --dest-oci-accept-uncompressed-layers "
               "docker://example.com/signed/image:" +
               name + " oci:" + work_ + "/signed:" + name));
  }
  ipc::FetchOciJob job = localJob(ipc::FromLayout{}, "");
  job.wantSigstore = true;
  const OciOutcome outcome = getLocal(job, work_ + "/signed");
  ASSERT_TRUE(outcome.done()) << outcome.failure();
  EXPECT_EQ(outcome.documents->manifestDigest, image.documents->manifestDigest);
  ASSERT_THAT(outcome.documents->attachments, SizeIs(1));
  EXPECT_THAT(outcome.attachment(0).first, HasSubstr("cosign container image signature"));
}

TEST_F(Peers, ALayoutOfSkopeoIsReadFromAnArchive) {
  const std::string archive = work_ + "/web.tar";
  ASSERT_TRUE(skopeo("copy oci:" + work_ + "/layout:1 oci-archive:" + archive + ":web"));
  expectImage(getLocal(localJob(ipc::FromOciArchive{}, "web"), archive));
  expectImage(getLocal(localJob(ipc::FromOciArchive{}, ""), archive));
  // What is no archive, and what is cut off.
  std::filesystem::resize_file(archive, std::filesystem::file_size(archive) / 2);
  EXPECT_FALSE(getLocal(localJob(ipc::FromOciArchive{}, ""), archive).code().empty());
  std::ofstream(archive) << "no tar";
  EXPECT_EQ(getLocal(localJob(ipc::FromOciArchive{}, ""), archive).code(), "E_ARCHIVE");
}

TEST_F(Peers, AnArchiveOfDockersHasTheDigestThatSkopeoGivesIt) {
  const std::string archive = work_ + "/docker.tar";
  ASSERT_TRUE(
      skopeo("copy oci:" + work_ + "/layout:1 docker-archive:" + archive + ":team/web:1.2"));
  const OciOutcome outcome = getLocal(localJob(ipc::FromDockerArchive{}, "team/web:1.2"), archive);
  ASSERT_TRUE(outcome.done()) << outcome.failure();
  EXPECT_THAT(outcome.layers, SizeIs(2));
  ASSERT_TRUE(shell("skopeo inspect --raw docker-archive:" + archive + " > " + work_ +
                    "/manifest 2>/dev/null"));
  EXPECT_EQ(outcome.documentBytes.substr(0, outcome.documents->manifestBytes),
            content(work_ + "/manifest"));
  EXPECT_TRUE(getLocal(localJob(ipc::FromDockerArchive{}, ""), archive).done());
  EXPECT_EQ(getLocal(localJob(ipc::FromDockerArchive{}, "other"), archive).code(), "E_NOT_FOUND");
}

TEST_F(Peers, ALayoutWithOtherContentIsRefused) {
  const OciOutcome before = getLocal(localJob(ipc::FromLayout{}, ""), work_ + "/layout");
  ASSERT_TRUE(before.documents) << before.failure();
  const ipc::OciLayer& layer = before.documents->layers[0];
  const std::string blob = work_ + "/layout/blobs/sha256/" + layer.digest.hex();
  std::ofstream(blob) << std::string(layer.size, 'x');
  EXPECT_EQ(getLocal(localJob(ipc::FromLayout{}, ""), work_ + "/layout").code(), "E_DIGEST");
  std::filesystem::remove(blob);
  EXPECT_FALSE(getLocal(localJob(ipc::FromLayout{}, ""), work_ + "/layout").done());
  std::ofstream(work_ + "/layout/oci-layout") << R"({"imageLayoutVersion":"2.0.0"})";
  EXPECT_EQ(getLocal(localJob(ipc::FromLayout{}, ""), work_ + "/layout").code(), "E_MANIFEST");
}

}  // namespace
}  // namespace airlock::fetch
