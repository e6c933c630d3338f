// SPDX-License-Identifier: Apache-2.0
// Images that the real airlock-fetch gets from the test server on loopback.
#include "cli/oci_download.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <thread>

#include "base/process.h"
#include "base/syscall.h"

namespace airlock::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::string_view kLayerHex =
    "dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac8584f85";
constexpr std::string_view kConfig =
    R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_i)"
    R"(ds":["sha256:dac1d7cfa95021764849fd102524e141488c5e3a90f861dbb5a12d9ac)"
    R"(8584f85"]}})";
constexpr std::string_view kConfigHex =
    "3732f137c32fca17466b9bb5a7593be391633fa95dc5c9f3e1e52d6fc7e9876b";
constexpr std::string_view kManifest =
    R"({"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.co)"
    R"(nfig.v1+json","digest":"sha256:3732f137c32fca17466b9bb5a7593be391633fa)"
    R"(95dc5c9f3e1e52d6fc7e9876b","size":151},"layers":[{"mediaType":"applica)"
    R"(tion/vnd.oci.image.layer.v1.tar","digest":"sha256:dac1d7cfa95021764849)"
    R"(fd102524e141488c5e3a90f861dbb5a12d9ac8584f85","size":5}]})";
constexpr std::string_view kManifestHex =
    "c170af13fbc15ff5924e71e9711f295c2c3b3ad030f9937a4c6f29b7ae9ee2a6";

// The value, and an end with the error's text without one.
template <class T>
T must(Result<T> result) {
  EXPECT_TRUE(result) << result.error().text();
  return std::move(result).value();
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Certificates, server, home and data directory are the test's own.
class OciDownloadTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    std::string pattern = std::filesystem::temp_directory_path() / "airlock-download-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    const std::string servers = AIRLOCK_SOURCE_DIR "/tests/servers/";
    const std::string made = servers + "make_test_ca.sh " + root_ + " >/dev/null 2>&1";
    const auto python = sys::openPath("/usr/bin/python3", O_RDONLY);
    if (std::system(made.c_str()) != 0 || !python) return;
    server_ = spawn({.executable = *python,
                     .arguments = {"python3", servers + "evil_httpd.py", root_},
                     .environment = {"PATH=/usr/bin:/bin"}})
                  .value();
    for (int tries = 0; tries < 600 && port_.empty(); ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      std::ifstream ports(root_ + "/ports");
      std::string name;
      while (ports >> name >> port_ && name != "https") port_.clear();
    }
  }
  static void TearDownTestSuite() {
    server_.reset();
    std::filesystem::remove_all(root_);
  }
  void SetUp() override {
    if (port_.empty()) GTEST_SKIP() << "needs python3 and openssl";
    ::signal(SIGPIPE, SIG_IGN);
    home_ = root_ + "/home";
    for (const char* name :
         {"REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG"}) {
      ::unsetenv(name);
    }
    ::setenv("HOME", home_.c_str(), 1);
    options_.dir = home_ + "/data";
    options_.dirGiven = true;
    options_.systemConfig = options_.localConfig = home_ + "/none";
    std::filesystem::create_directories(options_.dir);
    write(".config/containers/certs.d/" + host() + "/ca.crt", content(root_ + "/ca.pem"));
    seen_ = content(root_ + "/requests").size();
  }
  void TearDown() override {
    if (!home_.empty()) std::filesystem::remove_all(home_);
  }

  static std::string host() { return "localhost:" + port_; }
  void write(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = home_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    ::chmod(file.c_str(), 0600);
  }
  Result<OciDownload> start(const std::string& scenario, const OciWish& wish = {}) const {
    const auto image = image::parseRegistryImage(host() + "/" + scenario + "/image:1").value();
    OciWish amd64 = wish;
    amd64.platform = {"linux", "amd64", ""};
    return OciDownload::start(options_, image, amd64);
  }
  image::LocalOciImage layout() const {
    return {.kind = image::LocalOciImage::Kind::Layout, .path = home_ + "/layout", .reference = ""};
  }
  static OciWish linuxAmd64() {
    OciWish wish;
    wish.platform = {"linux", "amd64", ""};
    return wish;
  }
  // What the server was asked since this test began.
  std::string requests() const { return content(root_ + "/requests").substr(seen_); }
  std::vector<std::string> cached() const {
    std::vector<std::string> names;
    const std::string cache = options_.dir + "/cache";
    if (!std::filesystem::exists(cache)) return names;
    for (const auto& entry : std::filesystem::directory_iterator(cache))
      names.push_back(entry.path().filename());
    return names;
  }

  static std::string root_;
  static std::string port_;
  static std::optional<Child> server_;
  std::string home_;
  Options options_;
  std::size_t seen_ = 0;
};
std::string OciDownloadTest::root_;
std::string OciDownloadTest::port_;
std::optional<Child> OciDownloadTest::server_;

TEST_F(OciDownloadTest, LayersFollowDocuments) {
  OciDownload download = must(start("plain"));
  const auto answer = download.documents();
  ASSERT_TRUE(answer) << answer.error().text();
  const auto& documents = std::get<OciDocuments>(*answer);
  EXPECT_THAT(documents.manifest, HasSubstr("schemaVersion"));
  EXPECT_THAT(documents.config, HasSubstr("diff_ids"));
  EXPECT_THAT(documents.index, IsEmpty());
  ASSERT_THAT(documents.layers, SizeIs(3));
  std::map<std::size_t, std::size_t> sizes;
  const std::vector<std::size_t> wanted = {2, 0};
  const auto done = download.layers(wanted, [&](std::size_t index, Fd file) -> Result<void> {
    sizes[index] = TRY(sys::readAll(file, 16 << 20)).size();
    return {};
  });
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(sizes, (std::map<std::size_t, std::size_t>{{0, 1 << 20}, {2, 64}}));
  EXPECT_THAT(cached(), IsEmpty());
}

TEST_F(OciDownloadTest, WhatIsKnownIsUnchanged) {
  OciDownload first = must(start("plain"));
  const auto documents = std::get<OciDocuments>(must(first.documents()));
  OciWish wish;
  wish.known = documents.manifestDigest;
  OciDownload second = must(start("plain", wish));
  const auto answer = second.documents().value();
  ASSERT_TRUE(std::holds_alternative<OciDownload::Unchanged>(answer));
}

TEST_F(OciDownloadTest, CredentialsOfOtherToolsAreUsed) {
  write(".docker/config.json",
        R"({"auths":{")" + host() + R"(":{"auth":"dXNlcjpjYW5hcnk="}}})");  // user:canary
  OciDownload known = must(start("basic"));
  EXPECT_TRUE(known.documents());
  write(".docker/config.json", "{}");
  OciDownload unknown = must(start("basic"));
  const auto answer = unknown.documents();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), "E_AUTH");
}

TEST_F(OciDownloadTest, F11_ARegistryThatNobodyVouchesForIsRefused) {
  std::filesystem::remove_all(home_ + "/.config");
  OciDownload download = must(start("plain"));
  EXPECT_EQ(download.documents().error().code(), "E_TLS");
}

TEST_F(OciDownloadTest, ABrokenOneGoesOnTheNextTime) {
  const std::vector<std::size_t> wanted = {0};
  {
    OciDownload download = must(start("plain"));
    ASSERT_TRUE(download.documents());
    const auto failed = download.layers(
        wanted, [](std::size_t, Fd) -> Result<void> { return fail(ErrorKind::Failed, "no room"); });
    EXPECT_THAT(failed.error().text(), HasSubstr("no room"));
    EXPECT_THAT(cached(), SizeIs(2));  // the part, and what it is of
  }
  OciDownload again = must(start("plain"));
  const auto documents = std::get<OciDocuments>(must(again.documents()));
  const std::string layer = ociText(documents.layers[0].digest);
  const auto before = requests();
  ASSERT_THAT(before, HasSubstr(layer));
  std::size_t size = 0;
  const auto done = again.layers(wanted, [&](std::size_t, Fd file) -> Result<void> {
    size = TRY(sys::readAll(file, 16 << 20)).size();
    return {};
  });
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(size, 1U << 20);
  EXPECT_THAT(requests().substr(before.size()), Not(HasSubstr(layer)));
  EXPECT_THAT(cached(), IsEmpty());
}

TEST_F(OciDownloadTest, AMissingFileIsToldByItsName) {
  const image::LocalOciImage image{
      .kind = image::LocalOciImage::Kind::OciArchive, .path = home_ + "/none.tar", .reference = ""};
  const auto download = OciDownload::start(options_, image, {});
  ASSERT_FALSE(download);
  EXPECT_EQ(download.error().code(), "E_NOT_FOUND");
  EXPECT_THAT(download.error().text(), HasSubstr("none.tar"));
}

// An image of one empty layer, in a layout that only its owner can read.
void makeLayout(const std::string& path) {
  std::filesystem::create_directories(path + "/blobs/sha256");
  const auto put = [&](const std::string& hex, const std::string& text) {
    std::ofstream(path + "/blobs/sha256/" + hex) << text;
    ::chmod((path + "/blobs/sha256/" + hex).c_str(), 0600);
  };
  put(std::string(kLayerHex), "layer");
  put(std::string(kConfigHex), std::string(kConfig));
  put(std::string(kManifestHex), std::string(kManifest));
  std::ofstream(path + "/oci-layout") << R"({"imageLayoutVersion":"1.0.0"})";
  std::ofstream(path + "/index.json")
      << R"({"schemaVersion":2,"manifests":[{"mediaType":)"
      << R"("application/vnd.oci.image.manifest.v1+json","digest":"sha256:)" << kManifestHex
      << R"(","size":)" << kManifest.size() << "}]}";
  ::chmod((path + "/index.json").c_str(), 0600);
}

TEST_F(OciDownloadTest, ALayoutIsReadWithTheRightsOfItsUser) {
  makeLayout(home_ + "/layout");
  OciDownload download = must(OciDownload::start(options_, layout(), linuxAmd64()));
  const auto answer = download.documents();
  ASSERT_TRUE(answer) << answer.error().text();
  std::string layer;
  const std::vector<std::size_t> wanted = {0};
  const auto done = download.layers(wanted, [&](std::size_t, Fd file) -> Result<void> {
    layer = TRY(sys::readAll(file, 100));
    return {};
  });
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(layer, "layer");
}

TEST_F(OciDownloadTest, ALayoutLeadsNowhereElse) {
  const std::string path = home_ + "/layout";
  const std::string manifest = path + "/blobs/sha256/" + std::string(kManifestHex);
  const auto code = [&] {
    OciDownload download = must(OciDownload::start(options_, layout(), linuxAmd64()));
    const auto answer = download.documents();
    return answer ? "" : answer.error().text();
  };
  makeLayout(path);
  std::filesystem::rename(manifest, home_ + "/elsewhere");
  std::filesystem::create_symlink(home_ + "/elsewhere", manifest);
  EXPECT_THAT(code(), HasSubstr("symbolic link"));
  std::filesystem::remove(manifest);
  ASSERT_EQ(::mkfifo(manifest.c_str(), 0600), 0);
  EXPECT_THAT(code(), HasSubstr("no regular file"));
  std::filesystem::remove_all(path);
  makeLayout(path);
  std::filesystem::rename(path + "/blobs", home_ + "/blobs");
  std::filesystem::create_directory_symlink(home_ + "/blobs", path + "/blobs");
  EXPECT_THAT(code(), HasSubstr("symbolic link"));
}

}  // namespace
}  // namespace airlock::cli
