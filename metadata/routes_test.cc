// SPDX-License-Identifier: Apache-2.0
#include "metadata/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "metadata/bounds.h"
#include "metadata/form.h"

namespace airlock::metadata {
namespace {

using testing::HasSubstr;

constexpr char kUuid[] = "6733c088-a507-4694-aabf-000000000001";
constexpr char kOther[] = "6733c088-a507-4694-aabf-000000000002";
const std::string kToken(32, 'a');
const std::string kOtherToken(32, 'b');
constexpr char kPod[] =
    R"({"acKind":"PodManifest","acVersion":"0.8.11","annotations":[{"name":"owner","value":"us"},{"name":"a.b/c","value":"d"}],"apps":[{"name":"web","image":{"id":"sha512-abc"},"annotations":[{"name":"tier","value":"pod"}]}]})";
constexpr char kImage[] =
    R"({"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/web","annotations":[{"name":"tier","value":"image"},{"name":"made","value":"here"}]})";

class Routes : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(put(kUuid, kToken, kPod).status, 200U);
    ASSERT_EQ(registering("PUT", "/pods/" + std::string(kUuid) + "/web", kImage).status, 200U);
  }
  Answer registering(const std::string& method, const std::string& path, const std::string& body,
                     uid_t peer = 1000, const std::string& token = "", std::uint64_t heldBy = 0) {
    return answerRegistration(
        registry_, "http://127.0.0.1:18112",
        {.method = method, .path = path, .token = token, .body = body, .heldBy = heldBy}, peer);
  }
  Answer put(const std::string& uuid, const std::string& token, const std::string& manifest,
             uid_t peer = 1000) {
    return registering("PUT", "/pods/" + uuid, manifest, peer, token);
  }
  Answer get(const std::string& rest, const std::string& token = kToken,
             const std::string& method = "GET") const {
    return answerPod(registry_, signer_,
                     {.method = method, .path = "/" + token + "/acMetadata/v1/" + rest});
  }
  Answer post(const std::string& rest, const std::string& body,
              const std::string& token = kToken) const {
    return answerPod(registry_, signer_,
                     {.method = "POST",
                      .path = "/" + token + "/acMetadata/v1/" + rest,
                      .token = "",
                      .body = body});
  }
  Registry registry_;
  Signer signer_;
};

TEST_F(Routes, TellAPodAboutItself) {
  EXPECT_EQ(get("pod/uuid").body, kUuid);
  EXPECT_EQ(get("pod/manifest").body, kPod);
  EXPECT_EQ(get("pod/annotations").body,
            R"([{"name":"owner","value":"us"},{"name":"a.b/c","value":"d"}])");
  EXPECT_EQ(get("pod/annotations/owner").body, "us");
  EXPECT_EQ(get("pod/annotations/a.b/c").body, "d");
  EXPECT_EQ(get("apps/web/image/id").body, "sha512-abc");
  EXPECT_EQ(get("apps/web/image/manifest").body, kImage);
  EXPECT_EQ(get("apps/web/annotations/made").body, "here");
  EXPECT_EQ(get("apps/web/annotations/tier").body, "pod");
  EXPECT_EQ(std::string(get("pod/annotations").type), "application/json");
}
TEST_F(Routes, KnowNobodyWithoutAToken) {
  EXPECT_EQ(get("pod/uuid", kOtherToken).status, 401U);
  EXPECT_EQ(get("pod/uuid", "").status, 401U);
  EXPECT_EQ(get("pod/uuid", kToken.substr(1)).status, 401U);
  EXPECT_EQ(answerPod(registry_, signer_, {.method = "GET", .path = ""}).status, 401U);
  EXPECT_EQ(post("pod/hmac/sign", "content=x", kOtherToken).status, 401U);
}
TEST_F(Routes, AnswerNothingThatIsNotThere) {
  for (const char* path :
       {"apps/db/image/id", "apps/web/annotations/none", "pod/annotations/none", "pod/none",
        "apps/web", "apps/web/image", "none/none", "pod/uuid/more", "pod/hmac/other"})
    EXPECT_EQ(get(path).status, 404U) << path;
  EXPECT_EQ(answerPod(registry_, signer_, {.method = "GET", .path = "/" + kToken}).status, 404U);
}
TEST_F(Routes, TakeTheirMethodsAlone) {
  EXPECT_EQ(get("pod/uuid", kToken, "POST").status, 405U);
  EXPECT_EQ(get("pod/uuid", kToken, "DELETE").status, 405U);
  EXPECT_EQ(get("pod/hmac/sign").status, 405U);
  EXPECT_EQ(std::string(get("pod/hmac/sign").allow), "POST");
  EXPECT_EQ(registering("GET", "/pods/" + std::string(kUuid), "").status, 405U);
}
TEST_F(Routes, SignWhatAnotherPodCanVerify) {
  ASSERT_EQ(put(kOther, kOtherToken, kPod).status, 200U);
  const std::string signature = post("pod/hmac/sign", "content=hello+world").body;
  EXPECT_EQ(signature.size(), 88U);
  std::string encoded;
  for (const char c : signature)
    encoded += c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : std::string(1, c);
  const std::string rest = "&uuid=" + std::string(kUuid) + "&signature=" + encoded;
  EXPECT_EQ(post("pod/hmac/verify", "content=hello%20world" + rest, kOtherToken).status, 200U);
  EXPECT_EQ(post("pod/hmac/verify", "content=hello" + rest, kOtherToken).status, 403U);
  EXPECT_EQ(
      post("pod/hmac/verify",
           "content=hello+world&uuid=" + std::string(kOther) + "&signature=" + encoded, kOtherToken)
          .status,
      403U);
  EXPECT_NE(Signer().sign(kUuid, "hello world"), signature);
}
TEST_F(Routes, RefuseABadForm) {
  for (const char* body : {"", "x=y", "content=%zz", "content=a&content=b"})
    EXPECT_EQ(post("pod/hmac/sign", body).status, 400U) << body;
  EXPECT_EQ(post("pod/hmac/verify", "content=x&uuid=no&signature=y").status, 400U);
  EXPECT_EQ(post("pod/hmac/verify", "content=x&uuid=" + std::string(kUuid)).status, 400U);
}
TEST_F(Routes, LetNobodyTakeAPodFromItsOwner) {
  EXPECT_EQ(put(kUuid, kOtherToken, kPod, 1001).status, 403U);
  EXPECT_EQ(put(kOther, kToken, kPod, 1001).status, 403U);
  EXPECT_EQ(registering("PUT", "/pods/" + std::string(kUuid) + "/web", kImage, 1001).status, 403U);
  EXPECT_EQ(registering("DELETE", "/pods/" + std::string(kUuid), "", 1001).status, 403U);
  EXPECT_EQ(get("pod/uuid").status, 200U);
  EXPECT_EQ(registering("DELETE", "/pods/" + std::string(kUuid), "", 0).status, 200U);
  EXPECT_EQ(get("pod/uuid").status, 401U);
  EXPECT_EQ(registering("DELETE", "/pods/" + std::string(kUuid), "").status, 404U);
}
TEST_F(Routes, ForgetTheOldTokenOfAPod) {
  ASSERT_EQ(put(kUuid, kOtherToken, kPod).status, 200U);
  EXPECT_EQ(get("pod/uuid").status, 401U);
  EXPECT_EQ(get("pod/uuid", kOtherToken).status, 200U);
}
TEST_F(Routes, SayWherePodsAsk) {
  EXPECT_EQ(registering("GET", "/url", "").body, "http://127.0.0.1:18112");
  EXPECT_EQ(registering("PUT", "/url", "").status, 405U);
}
TEST_F(Routes, ForgetAPodWithTheConnectionThatHeldIt) {
  const std::string token(32, 'c');
  ASSERT_EQ(registering("PUT", "/pods/" + std::string(kOther), kPod, 1000, token, 7).status, 200U);
  registry_.connectionClosed(6);
  registry_.connectionClosed(0);
  EXPECT_EQ(get("pod/uuid", token).status, 200U);
  EXPECT_EQ(get("pod/uuid").status, 200U);
  registry_.connectionClosed(7);
  EXPECT_EQ(get("pod/uuid", token).status, 401U);
  EXPECT_EQ(get("pod/uuid").status, 200U) << "it is held by none";
}
TEST_F(Routes, KeepAPodThatAnotherConnectionHasTakenOver) {
  const std::string token(32, 'c');
  ASSERT_EQ(registering("PUT", "/pods/" + std::string(kOther), kPod, 1000, token, 7).status, 200U);
  ASSERT_EQ(registering("PUT", "/pods/" + std::string(kOther), kPod, 1000, token, 8).status, 200U);
  registry_.connectionClosed(7);
  EXPECT_EQ(get("pod/uuid", token).status, 200U);
}
TEST_F(Routes, RefuseWhatIsNoManifest) {
  for (const char* body : {"", "{}", "[]", R"({"acKind":"ImageManifest"})",
                           R"({"acKind":"PodManifest","apps":[{"name":"../x"}]})"})
    EXPECT_EQ(put(kOther, kOtherToken, body).status, 400U) << body;
  EXPECT_EQ(put(kOther, "short", kPod).status, 400U);
  EXPECT_EQ(put("no-uuid", kOtherToken, kPod).status, 400U);
  EXPECT_EQ(registering("PUT", "/pods/" + std::string(kUuid) + "/db", kImage).status, 404U);
  EXPECT_EQ(registering("PUT", "/elsewhere", kPod).status, 404U);
}
TEST_F(Routes, TakeOnlySoManyPodsOfOneUser) {
  Answer last;
  for (std::size_t i = 0; i <= limits::kMetadataPodsOfUser; ++i) {
    std::string uuid = kUuid;
    uuid.replace(0, 8, std::to_string(10'000'000 + i));
    std::string token = std::to_string(10'000'000 + i);
    token.resize(32, '0');
    last = put(uuid, token, kPod, 7);
  }
  EXPECT_EQ(last.status, 503U);
  EXPECT_EQ(put(kOther, kOtherToken, kPod, 8).status, 200U);
}

TEST(Form, IsDecoded) {
  const auto form = parseForm("a=b+c&d=%41%2b&e&=f&&g==h");
  ASSERT_TRUE(form.has_value());
  EXPECT_EQ(form->at("a"), "b c");
  EXPECT_EQ(form->at("d"), "A+");
  EXPECT_EQ(form->at("e"), "");
  EXPECT_EQ(form->at("g"), "=h");
  EXPECT_FALSE(parseForm("a=%4").has_value());
  EXPECT_FALSE(parseForm("a=%").has_value());
  EXPECT_EQ(decodePercent("+", false), "+");
}

}  // namespace
}  // namespace airlock::metadata
