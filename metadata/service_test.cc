// SPDX-License-Identifier: Apache-2.0
// The real service with a real client, curl.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <thread>

#include "base/process.h"
#include "base/syscall.h"

namespace airlock::metadata {
namespace {

using testing::HasSubstr;

constexpr char kUuid[] = "6733c088-a507-4694-aabf-000000000001";
constexpr char kPod[] =
    R"({"acKind":"PodManifest","acVersion":"0.8.11","apps":[{"name":"web","image":{"id":"sha512-abc"}}]})";
constexpr char kImage[] =
    R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/web"})";
const std::string kToken(32, 'a');

class Service : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/airlock-metadata-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    home_ = path;
    if (::geteuid() == 0 && std::system("getent passwd airlock-metadata >/dev/null") != 0)
      GTEST_SKIP() << "needs the user airlock-metadata";
    const Fd program =
        sys::openPath(AIRLOCK_BINARY_DIR "/libexec/airlock/airlock-metadata", O_RDONLY).value();
    const Fd log = sys::openPath(home_ + "/log", O_WRONLY | O_CREAT, 0600).value();
    child_.emplace(
        spawn({.executable = program,
               .arguments = {"airlock-metadata", "--port=0", "--socket=" + home_ + "/socket"},
               .environment = {},
               .descriptors = {{log, 1}, {log, 2}}})
            .value());
    for (int tries = 0; tries < 500 && port_.empty(); ++tries) {
      std::smatch found;
      const std::string text = fileText(home_ + "/log");
      if (std::regex_search(text, found, std::regex("127\\.0\\.0\\.1:([0-9]+)"))) port_ = found[1];
      if (port_.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ASSERT_FALSE(port_.empty()) << fileText(home_ + "/log");
  }
  void TearDown() override {
    child_.reset();
    std::filesystem::remove_all(home_);
  }
  static std::string fileText(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // "STATUS BODY"
  std::string curl(const std::string& arguments) const {
    const std::string command = "curl -s -m 20 -o " + home_ + "/body -w '%{http_code}' " +
                                arguments + " >" + home_ + "/status 2>/dev/null";
    std::filesystem::remove(home_ + "/body");
    static_cast<void>(std::system(command.c_str()));
    return fileText(home_ + "/status") + " " + fileText(home_ + "/body");
  }
  std::string registering(const std::string& method, const std::string& target,
                          const std::string& body) const {
    std::ofstream(home_ + "/request") << body;
    return curl("--unix-socket " + home_ + "/socket -X " + method + " --data-binary @" + home_ +
                "/request 'http://metadata" + target + "'");
  }
  std::string url(const std::string& rest, const std::string& token = kToken) const {
    return "http://127.0.0.1:" + port_ + "/" + token + "/acMetadata/v1/" + rest;
  }
  void registerPod() const {
    ASSERT_EQ(registering("PUT", "/pods/" + std::string(kUuid) + "?token=" + kToken, kPod), "200 ");
    ASSERT_EQ(registering("PUT", "/pods/" + std::string(kUuid) + "/web", kImage), "200 ");
  }

  std::string home_;
  std::optional<Child> child_;
  std::string port_;
};

TEST_F(Service, TellsARegisteredPodAboutItself) {
  registerPod();
  EXPECT_EQ(curl(url("pod/uuid")), "200 " + std::string(kUuid));
  EXPECT_EQ(curl(url("pod/manifest")), "200 " + std::string(kPod));
  EXPECT_EQ(curl(url("apps/web/image/manifest")), "200 " + std::string(kImage));
  EXPECT_EQ(curl(url("apps/db/image/id")), "404 not found\n");
  EXPECT_EQ(curl(url("pod/uuid", std::string(32, 'b'))), "401 unauthorized\n");
  EXPECT_EQ(curl("-X DELETE " + url("pod/uuid")), "405 method not allowed\n");
  EXPECT_EQ(registering("DELETE", "/pods/" + std::string(kUuid), ""), "200 ");
  EXPECT_EQ(curl(url("pod/uuid")), "401 unauthorized\n");
}
TEST_F(Service, SignsAndVerifies) {
  registerPod();
  const std::string signature = curl("-d content=hello " + url("pod/hmac/sign")).substr(4);
  EXPECT_EQ(signature.size(), 88U) << signature;
  const std::string verify = "-d uuid=" + std::string(kUuid) +
                             " --data-urlencode 'signature=" + signature + "' " +
                             url("pod/hmac/verify");
  EXPECT_EQ(curl("-d content=hello " + verify), "200 ");
  EXPECT_EQ(curl("-d content=other " + verify), "403 invalid signature\n");
  EXPECT_EQ(curl("-d x=y " + url("pod/hmac/sign")), "400 content form value not found\n");
}
TEST_F(Service, TakesNoRegistrationOverTheNetwork) {
  EXPECT_EQ(curl("-X PUT -d '{}' 'http://127.0.0.1:" + port_ + "/pods/" + std::string(kUuid) +
                 "?token=" + kToken + "'"),
            "401 unauthorized\n");
}
TEST_F(Service, SurvivesBodiesThatAreTooLarge) {
  registerPod();
  std::ofstream(home_ + "/large") << "content=" << std::string(2 << 20, 'x');
  const std::string announced = curl("-d @" + home_ + "/large " + url("pod/hmac/sign"));
  EXPECT_TRUE(announced.starts_with("413")) << announced;
  curl("-H 'Transfer-Encoding: chunked' -d @" + home_ + "/large " + url("pod/hmac/sign"));
  EXPECT_EQ(curl(url("pod/uuid")), "200 " + std::string(kUuid));
}
TEST_F(Service, SurvivesWhatIsNoHttp) {
  registerPod();
  const std::string say = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/" + port_ + "; printf ";
  for (const char* text : {"\"\\0\\0\\0\\0\"", "\"GET\"", "\"GET / HTTP/9.9\\r\\n\\r\\n\"",
                           "\"POST /x HTTP/1.1\\r\\nContent-Length: -1\\r\\n\\r\\n\""})
    static_cast<void>(std::system((say + text + " >&3' 2>/dev/null").c_str()));
  EXPECT_EQ(curl(url("pod/uuid")), "200 " + std::string(kUuid));
}
TEST_F(Service, IsConfinedAndNobody) {
  const std::string status = fileText("/proc/" + std::to_string(child_->pid()) + "/status");
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000"));
  EXPECT_THAT(status, testing::Not(HasSubstr("Uid:\t0\t")));
  struct stat info{};
  ASSERT_EQ(::stat((home_ + "/socket").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660U);
}

}  // namespace
}  // namespace airlock::metadata
