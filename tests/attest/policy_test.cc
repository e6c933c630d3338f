// SPDX-License-Identifier: Apache-2.0
// What the owner of a fleet asks for, against evidence of a real TPM: met, or refused with the
// demand that is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attest/firmware_for_test.h"
#include "base/digest.h"
#include "tests/attest/quoted_host.h"

namespace airlock::attest::test {
namespace {

using testing::HasSubstr;

constexpr char kSigner[] = "0123456789abcdef0123456789abcdef01234567";

class Policy : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    host_ = new QuotedHost();
    ipc::MeasureJob job = tpm::test::podJob();
    job.engine.layers.push_back({"selinux", false, "this host has none"});
    host_->run(job);
    image_ = job.images[0].image.text();
    good_ = new Files(host_->quote());
  }
  static void TearDownTestSuite() {
    delete good_;
    delete host_;
  }
  static Verdict under(const std::string& members) {
    return judgeEvidence(*good_, host_->publicArea(), nonce(),
                         R"({"airlockFleetPolicy":1,)" + members + "}");
  }
  static void expect(const std::string& members, const std::string& code) {
    const Verdict verdict = under(members);
    EXPECT_EQ(verdict.code, code) << members << ": " << verdict.text;
  }
  static std::string digest(std::string_view text) { return digestOf(text).text(); }
  static QuotedHost* host_;
  static Files* good_;
  static std::string image_;
};
QuotedHost* Policy::host_ = nullptr;
Files* Policy::good_ = nullptr;
std::string Policy::image_;

TEST_F(Policy, ImagesAreThoseThatAreGoldenOrSignedByAKeyThatMay) {
  expect(R"("images":{"golden":[{"image":")" + image_ + R"("}]})", "");
  expect(R"("images":{"golden":[]})", "E_ATTEST_POLICY_IMAGE");
  expect(R"("images":{"golden":[{"image":")" + image_ + R"(","tree":"blake2b-)" +
             std::string(128, 'b') + R"("}]})",
         "E_ATTEST_POLICY_IMAGE");
  const auto signedBy = [](const std::string& prefix, const std::string& key) {
    return R"("images":{"signedBy":[{"prefix":")" + prefix + R"(","key":")" + key + R"("}]})";
  };
  expect(signedBy("example.com/app", kSigner), "");
  expect(signedBy("", kSigner), "");
  expect(signedBy("example.com/ap", kSigner), "E_ATTEST_POLICY_IMAGE");
  expect(signedBy("example.com/app", std::string(40, 'f')), "E_ATTEST_POLICY_IMAGE");
  expect(R"("images":{"content":["verity"]})", "E_ATTEST_POLICY_CONTENT");
  expect(R"("images":{"content":["verity","rehash"]})", "");
}

TEST_F(Policy, TheEngineAndWhatItStandsUnderAreThoseThatAreAllowed) {
  expect(R"("engine":{"versions":["0.1.0"]})", "");
  expect(R"("engine":{"versions":["0.2.0"]})", "E_ATTEST_POLICY_ENGINE");
  expect(R"("engine":{"programs":{"airlock-helper":[")" + digest("helper") + R"("]}})", "");
  expect(R"("engine":{"programs":{"airlock-helper":[")" + digest("other") + R"("]}})",
         "E_ATTEST_POLICY_ENGINE");
  expect(R"("engine":{"programs":{"airlock-other":[")" + digest("helper") + R"("]}})",
         "E_ATTEST_POLICY_ENGINE");
  const std::string keys = digest("example.com " + std::string(kSigner) + "\n");
  expect(R"("engine":{"policies":[")" + digest("policy") + R"("],"trust":[")" + keys + R"("]})",
         "");
  expect(R"("engine":{"policies":[")" + digest("trust") + R"("]})", "E_ATTEST_POLICY_POLICY");
  expect(R"("engine":{"trust":[")" + digest("policy") + R"("]})", "E_ATTEST_POLICY_TRUST");
  expect(R"("engine":{"modes":["log"]})", "E_ATTEST_POLICY_MODE");
  expect(R"("stage1":[")" + digest("x") + R"("])", "E_ATTEST_POLICY_STAGE1");
}

TEST_F(Policy, LayersThatAreAskedForMustHaveBeenEnforced) {
  expect(R"("engine":{"layers":["seccomp"]})", "");
  const Verdict verdict = under(R"("engine":{"layers":["selinux"]})");
  EXPECT_EQ(verdict.code, "E_ATTEST_POLICY_LAYER");
  EXPECT_THAT(verdict.text, HasSubstr("this host has none"));
  expect(R"("engine":{"layers":["fs-verity"]})", "E_ATTEST_POLICY_LAYER");
}

TEST(PolicyOfEngine, ALayerThatWasOffForAWhileIsSaidAndCounts) {
  QuotedHost host;
  ipc::MeasureJob job = tpm::test::podJob();
  job.engine.layers = {{"seccomp", false, "switched off"}};
  host.run(job);
  job = tpm::test::podJob();
  job.engine.layers = {{"seccomp", true, ""}};
  host.run(job);
  const Files files = host.quote();
  const Verdict unasked = judgeEvidence(files, host.publicArea());
  EXPECT_EQ(unasked.text, "");
  EXPECT_THAT(unasked.appraisal.notes, testing::Contains("seccomp was not enforced: switched off"));
  EXPECT_EQ(judgeEvidence(files, host.publicArea(), nonce(),
                          R"({"airlockFleetPolicy":1,"engine":{"layers":["seccomp"]}})")
                .code,
            "E_ATTEST_POLICY_LAYER");
}

TEST_F(Policy, PodsAreHeldToTheirNetworkCallerAndAudit) {
  expect(R"("pods":{"networks":["none"],"callers":[0]})", "");
  expect(R"("pods":{"networks":["host"]})", "E_ATTEST_POLICY_POD");
  expect(R"("pods":{"callers":[1000]})", "E_ATTEST_POLICY_POD");
  expect(R"("pods":{"requireAudit":true})", "E_ATTEST_POLICY_AUDIT");
  expect(R"("pods":{"requireSelinux":true})", "E_ATTEST_POLICY_LAYER");
}

TEST(PolicyOfPods, WhoEntersIsHeldToCallersAndAuditAndAnAbortExcusesNothing) {
  QuotedHost host;
  ipc::MeasureJob job = tpm::test::podJob();
  host.run(job);
  const PodId pod = std::get<ipc::PodFacts>(*job.event).pod;
  ipc::EnterFacts enter;
  enter.pod = pod;
  enter.app = "app";
  enter.callerUid = 1000;
  job.event = enter;
  host.run(job);
  job.event = ipc::AbortFacts{.pod = pod, .reason = "it did not start"};
  host.run(job);
  const Files files = host.quote();
  const auto code = [&](const std::string& pods) {
    return judgeEvidence(files, host.publicArea(), nonce(),
                         R"({"airlockFleetPolicy":1,"pods":{)" + pods + "}}")
        .code;
  };
  EXPECT_EQ(code(R"("callers":[0,1000])"), "");
  EXPECT_EQ(code(R"("callers":[0])"), "E_ATTEST_POLICY_POD");
  EXPECT_EQ(code(R"("callers":[1000])"), "E_ATTEST_POLICY_POD");
  EXPECT_EQ(code(R"("networks":[])"), "E_ATTEST_POLICY_POD");
}

TEST_F(Policy, TheRegisterAndItsBanksAreThoseThatAreAskedFor) {
  expect(R"("pcr":15,"banks":["sha256","sha384"])", "");
  expect(R"("pcr":14)", "E_ATTEST_POLICY_REGISTER");
  expect(R"("banks":["sha512"])", "E_ATTEST_POLICY_REGISTER");
  expect(R"("firmware":{"registers":{"sha256":{"7":[")" + std::string(64, '0') + R"("]}}})", "");
  expect(R"("firmware":{"registers":{"sha256":{"7":[")" + std::string(64, '1') + R"("]}}})",
         "E_ATTEST_POLICY_FIRMWARE");
  expect(R"("firmware":{"registers":{"sha256":{"12":[")" + std::string(64, '0') + R"("]}}})",
         "E_ATTEST_POLICY_FIRMWARE");
  expect(R"("firmware":{"required":true})", "E_ATTEST_POLICY_FIRMWARE");
}

TEST(PolicyOfImages, UnverifiedImagesMustBeGoldenOrAllowed) {
  QuotedHost host;
  ipc::MeasureJob job = tpm::test::podJob();
  job.images[0].insecure = true;
  job.images[0].signers.clear();
  host.run(job);
  const Files files = host.quote();
  const auto code = [&](const std::string& members) {
    return judgeEvidence(files, host.publicArea(), nonce(),
                         R"({"airlockFleetPolicy":1)" + members + "}")
        .code;
  };
  EXPECT_EQ(code(""), "E_ATTEST_POLICY_UNVERIFIED");
  EXPECT_EQ(code(R"(,"images":{"allowUnverified":true})"), "");
  EXPECT_EQ(code(R"(,"images":{"golden":[{"image":")" + job.images[0].image.text() + R"("}]})"),
            "");
}

// An image that depends on others is rendered with them; who signed those is in no record, and the
// image's own id says nothing of them.
TEST(PolicyOfImages, WhatAnImageWasRenderedWithMustBeGoldenAsWellOrItsTreeBeGiven) {
  QuotedHost host;
  ipc::MeasureJob job = tpm::test::podJob();
  const std::string base = "sha512-" + std::string(128, 'e');
  job.images[0].dependencies = {"example.com/base " + base};
  host.run(job);
  const Files files = host.quote();
  const std::string image = job.images[0].image.text();
  const auto code = [&](const std::string& images) {
    return judgeEvidence(files, host.publicArea(), nonce(),
                         R"({"airlockFleetPolicy":1,"images":{)" + images + "}}")
        .code;
  };
  const auto golden = [](const std::string& id, const std::string& more = "") {
    return R"({"image":")" + id + '"' + more + '}';
  };
  const std::string signedBy =
      R"("signedBy":[{"prefix":"","key":")" + std::string(kSigner) + R"("}])";
  EXPECT_EQ(code(R"("golden":[)" + golden(image) + "]"), "E_ATTEST_POLICY_IMAGE");
  EXPECT_EQ(code(R"("golden":[)" + golden(image) + "," + golden(base) + "]"), "");
  EXPECT_EQ(
      code(R"("golden":[)" + golden(image, R"(,"tree":")" + job.images[0].tree.text() + '"') + "]"),
      "");
  EXPECT_EQ(code(signedBy), "E_ATTEST_POLICY_IMAGE");
  EXPECT_EQ(code(signedBy + R"(,"golden":[)" + golden(base) + "]"), "");
}

// --- the boot beneath ---

class Boot : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    host_ = new QuotedHost();
    host_->extendFirmware(usualBoot());
    host_->run();
    good_ = new Files(host_->quote());
    good_->emplace("firmware.log", usualBoot().bytes());
    good_->emplace("kernel-cmdline", "root=/dev/vda1 quiet\n");
  }
  static void TearDownTestSuite() {
    delete good_;
    delete host_;
  }
  static Verdict with(const Edit& edit, const std::string& policy = "") {
    Files files = *good_;
    edit(files);
    return judgeEvidence(files, host_->publicArea(), nonce(), policy);
  }
  static QuotedHost* host_;
  static Files* good_;
};
QuotedHost* Boot::host_ = nullptr;
Files* Boot::good_ = nullptr;

TEST_F(Boot, TheFirmwaresLogLeadsToTheQuotedRegisters) {
  const std::string kernel = usualKernel();
  const Verdict verdict =
      with([](Files&) {}, R"({"airlockFleetPolicy":1,"firmware":{"required":true,"kernels":[")" +
                              kernel + R"("],"requireMeasuredCommandLine":true,
                              "commandLines":["root=/dev/vda1 quiet"]}})");
  EXPECT_EQ(verdict.text, "");
  EXPECT_EQ(with([](Files&) {}, R"({"airlockFleetPolicy":1,"firmware":{"kernels":[")" +
                                    std::string(64, 'a') + R"("]}})")
                .code,
            "E_ATTEST_POLICY_KERNEL");
  EXPECT_EQ(
      with([](Files&) {}, R"({"airlockFleetPolicy":1,"firmware":{"commandLines":["quiet"]}})").code,
      "E_ATTEST_POLICY_CMDLINE");
}

TEST_F(Boot, AFirmwareLogThatWasChangedIsFound) {
  EXPECT_EQ(with([](Files& files) { files["firmware.log"] = FirmwareLogWriter().bytes(); }).code,
            "E_ATTEST_FIRMWARE");
  EXPECT_EQ(with([](Files& files) {
              files["firmware.log"] = usualBoot("root=/dev/vda1 init=/bin/sh").bytes();
            }).code,
            "E_ATTEST_FIRMWARE");
  EXPECT_EQ(with([](Files& files) {
              FirmwareLogWriter more = usualBoot();
              files["firmware.log"] = more.add(4, FirmwareType::EfiAction, "more").bytes();
            }).code,
            "E_ATTEST_FIRMWARE");
  EXPECT_EQ(with([](Files& files) { files["firmware.log"].resize(100); }).code,
            "E_ATTEST_FIRMWARE");
}

TEST_F(Boot, ACommandLineThatWasNotBootedIsFound) {
  EXPECT_EQ(
      with([](Files& files) { files["kernel-cmdline"] = "root=/dev/vda1 init=/bin/sh\n"; }).code,
      "E_ATTEST_FIRMWARE");
}

TEST_F(Boot, Tpm2EventlogReadsTheFirmwaresLogToo) {
  const FirmwareLogWriter boot = usualBoot();
  host_->files().write("firmware.log", boot.bytes());
  const std::string read =
      host_->tpm().tools("tpm2_eventlog " + host_->files().path() + "/firmware.log");
  EXPECT_NE(read.find("EV_EFI_BOOT_SERVICES_APPLICATION"), read.npos);
  const FirmwareLog log = readFirmwareLog(boot.bytes()).value();
  for (const auto& [index, value] : log.registers.at(tpm::kSha256)) {
    EXPECT_NE(read.find(toHex(value)), read.npos) << index;
  }
}

}  // namespace
}  // namespace airlock::attest::test
