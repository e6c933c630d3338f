// SPDX-License-Identifier: Apache-2.0
// Every kind of message: there and back, damaged, and beyond its limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/limits.h"
#include "ipc/samples.h"

namespace airlock::ipc {
namespace {

template <class T>
std::string codeOf(const Result<T>& result) {
  return result ? "ok" : result.error().code();
}
std::string encodeCode(const PodSpec& spec) { return codeOf(encode(spec)); }

// The frame with `words` put behind a table of one segment.
std::string framed(const std::vector<std::uint64_t>& words) {
  std::string bytes(8, '\0');
  bytes[4] = static_cast<char>(words.size());
  for (const std::uint64_t word : words) {
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return bytes;
}

TEST(Messages, EveryKindGoesThereAndBackUnchanged) {
  for (const Sample& sample : samples()) {
    const auto again = sample.again(sample.bytes);
    ASSERT_TRUE(again) << sample.name << ": " << again.error().text();
    EXPECT_EQ(*again, sample.bytes) << sample.name;
  }
}

TEST(Messages, TheSameValuesGiveTheSameBytesInOneSegment) {
  const auto first = samples();
  const auto second = samples();
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].bytes, second[i].bytes) << first[i].name;
    EXPECT_EQ(first[i].bytes.substr(0, 4), std::string(4, '\0')) << first[i].name;
  }
}

TEST(Messages, FieldsArriveAsTheyWereSent) {
  EXPECT_EQ(decodePodSpec(encode(samplePodSpec()).value()).value(), samplePodSpec());
  const auto run = decodeHelperRequest(encode(HelperRequest(sampleRunRequest())).value());
  EXPECT_EQ(std::get<RunRequest>(run.value()).pod, samplePodSpec());
  EXPECT_EQ(std::get<RunRequest>(run.value()).podManifest, sampleRunRequest().podManifest);
}

TEST(Messages, I01_EveryTruncationIsRefused) {
  for (const Sample& sample : samples()) {
    for (std::size_t length = 0; length < sample.bytes.size(); ++length) {
      ASSERT_EQ(codeOf(sample.again(sample.bytes.substr(0, length))), "E_FRAME")
          << sample.name << " cut to " << length;
    }
  }
}

TEST(Messages, I01_EverySingleBitFlipIsRefusedOrDecodes) {
  for (const Sample& sample : samples()) {
    std::string bytes = sample.bytes;
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      const char mask = static_cast<char>(1 << (bit % 8));
      bytes[bit / 8] ^= mask;
      const auto result = sample.again(bytes);
      if (!result) {
        ASSERT_NE(result.error().code(), "") << sample.name << " bit " << bit;
      }
      bytes[bit / 8] ^= mask;
    }
  }
}

TEST(Messages, I01_RepeatedOrTrailingBytesAreRefused) {
  for (const Sample& sample : samples()) {
    EXPECT_EQ(codeOf(sample.again(sample.bytes + std::string(8, '\0'))), "E_FRAME") << sample.name;
    EXPECT_EQ(codeOf(sample.again(sample.bytes + sample.bytes)), "E_FRAME") << sample.name;
  }
}

TEST(Messages, I02_TheFourByteMessageIsRefusedBeforeLibcapnp) {
  for (const std::string& bytes : {std::string(4, '\xff'), std::string(8, '\xff'),
                                   std::string(4, '\xff') + std::string(60, '\0')}) {
    const auto result = decodeHelperRequest(bytes);
    ASSERT_EQ(codeOf(result), "E_FRAME");
    // Said by our own frame check, not by an exception of the library.
    EXPECT_THAT(result.error().message(),
                ::testing::AnyOf(::testing::HasSubstr("too many segments"),
                                 ::testing::HasSubstr("not whole words")));
  }
}

TEST(Messages, I03_SizesBeyondTheLimitAreRefused) {
  const std::string large(limits::kMessageBytes + 8, '\0');
  EXPECT_EQ(codeOf(decodeHelperRequest(large)), "E_FRAME");
  EXPECT_EQ(codeOf(decodeVerifyReply(large)), "E_FRAME");
  EXPECT_EQ(codeOf(decodeLeashEvent(large)), "E_FRAME");
  EXPECT_EQ(codeOf(decodePodSpec(std::string(limits::kSealedBytes + 8, '\0'))), "E_FRAME");
  EXPECT_EQ(codeOf(decodeKeyBundle(std::string(limits::kSealedBytes + 8, '\0'))), "E_FRAME");
}

TEST(Messages, I03_TooManySegmentsAreRefused) {
  // Nine empty segments: a table of forty bytes and nothing else.
  std::string nine(40, '\0');
  nine[0] = 8;
  EXPECT_EQ(codeOf(decodeHelperRequest(nine)), "E_FRAME");
}

TEST(Messages, I03_FarPointersThatLoopAreRefused) {
  // A far pointer whose landing pad is itself, and two that point at each other.
  EXPECT_EQ(codeOf(decodeHelperRequest(framed({2}))), "E_FRAME");
  EXPECT_EQ(codeOf(decodeHelperRequest(framed({2 | 1 << 3, 2}))), "E_FRAME");
  EXPECT_EQ(codeOf(decodeHelperRequest(framed({2 | 1 << 2, 2}))), "E_FRAME");
}

TEST(Messages, I03_ListsThatClaimMoreThanTheyBringAreRefused) {
  // Root: one data word (discriminant "run" of a reply would not fit), one pointer to a list of
  // 2^29-1 empty structs.
  const std::uint64_t root = (1ULL << 32) | (1ULL << 48);
  for (const std::uint64_t elementSize : {0ULL, 1ULL, 2ULL, 6ULL, 7ULL}) {
    const std::uint64_t list = 1 | (elementSize << 32) | (0x1fffffffULL << 35);
    for (std::uint64_t discriminant = 0; discriminant < 12; ++discriminant) {
      const std::string bytes = framed({root, discriminant, list});
      EXPECT_NE(codeOf(decodeHelperRequest(bytes)), "");
      EXPECT_NE(codeOf(decodeHelperReply(bytes)), "");
      EXPECT_NE(codeOf(decodeVerifyReply(bytes)), "");
      EXPECT_NE(codeOf(decodeKeyBundle(bytes)), "ok");
    }
  }
}

TEST(Messages, AnEmptyMessageAsksForNothing) {
  const std::string bytes = framed({0});
  EXPECT_EQ(codeOf(decodeHelperRequest(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeHelperReply(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeVerifyJob(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeVerifyReply(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeFetchJob(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeFetchEvent(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeMeasureJob(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeMeasureReply(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeSystemdJob(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeSystemdReply(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodePodSpec(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeLeashEvent(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeLeashCommand(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodeCatalogRecord(bytes)), "E_REQUEST");
  EXPECT_EQ(codeOf(decodePodRecord(bytes)), "E_REQUEST");
}

TEST(Messages, AnUnknownKindIsRefused) {
  const std::uint64_t root = 1ULL << 32;
  for (const std::uint64_t kind : {100ULL, 255ULL, 65535ULL}) {
    EXPECT_EQ(codeOf(decodeHelperRequest(framed({root, kind}))), "E_REQUEST");
    EXPECT_EQ(codeOf(decodeHelperReply(framed({root, kind}))), "E_REQUEST");
    EXPECT_EQ(codeOf(decodeVerifyReply(framed({root, kind}))), "E_REQUEST");
    EXPECT_EQ(codeOf(decodeLeashEvent(framed({root, kind}))), "E_REQUEST");
    EXPECT_EQ(codeOf(decodeLeashCommand(framed({root, kind}))), "E_REQUEST");
  }
}

struct BadPod {
  const char* name;
  std::function<void(PodSpec&)> spoil;
};

TEST(PodSpec, EveryShapeRuleIsKept) {
  const AppName other = AppName::parse("other").value();
  const std::vector<BadPod> table = {
      {"no app", [](PodSpec& pod) { pod.apps.clear(); }},
      {"a sandbox with volumes",
       [](PodSpec& pod) {
         pod.sandbox = true;
         pod.apps.clear();
       }},
      {"a sandbox with apps", [](PodSpec& pod) { pod.sandbox = true; }},
      {"two apps of one name", [](PodSpec& pod) { pod.apps[1].name = pod.apps[0].name; }},
      {"seventeen apps", [](PodSpec& pod) { pod.apps.resize(17, pod.apps[1]); }},
      {"two volumes of one name", [](PodSpec& pod) { pod.volumes[1].name = pod.volumes[0].name; }},
      {"mount of nothing", [&](PodSpec& pod) { pod.apps[0].mounts[0].volume = other; }},
      {"relative target", [](PodSpec& pod) { pod.apps[0].mounts[0].target = "data"; }},
      {"empty target", [](PodSpec& pod) { pod.apps[0].mounts[0].target = ""; }},
      {"NUL in a target",
       [](PodSpec& pod) { pod.apps[0].mounts[0].target = std::string("/a\0b", 4); }},
      {"too many mounts",
       [](PodSpec& pod) { pod.apps[0].mounts.resize(65, pod.apps[0].mounts[0]); }},
      {"terminal with two apps", [](PodSpec& pod) { pod.terminal = true; }},
      {"no exec", [](PodSpec& pod) { pod.apps[0].exec.clear(); }},
      {"empty program", [](PodSpec& pod) { pod.apps[0].exec[0] = ""; }},
      {"NUL in an argument", [](PodSpec& pod) { pod.apps[0].exec[1] = std::string("a\0b", 3); }},
      {"long argument",
       [](PodSpec& pod) { pod.apps[0].exec[1] = std::string(limits::kArgumentBytes + 1, 'a'); }},
      {"too many arguments", [](PodSpec& pod) { pod.apps[0].exec.resize(1025, "a"); }},
      {"variable without a name", [](PodSpec& pod) { pod.apps[0].environment[0].first = ""; }},
      {"variable name with =", [](PodSpec& pod) { pod.apps[0].environment[0].first = "A=B"; }},
      {"relative directory", [](PodSpec& pod) { pod.apps[0].workingDirectory = "srv"; }},
      {"no user", [](PodSpec& pod) { pod.apps[0].user = ""; }},
      {"no group", [](PodSpec& pod) { pod.apps[0].group = ""; }},
      {"user not UTF-8", [](PodSpec& pod) { pod.apps[0].user = "\xff"; }},
      {"too many gids", [](PodSpec& pod) { pod.apps[0].supplementaryGids.resize(257); }},
      {"OOM score", [](PodSpec& pod) { pod.apps[0].oomScoreAdjust = 1001; }},
      {"hostname with a space", [](PodSpec& pod) { pod.hostname = "a b"; }},
      {"long hostname", [](PodSpec& pod) { pod.hostname = std::string(65, 'a'); }},
      {"volume mode", [](PodSpec& pod) { pod.volumes[1].mode = 010000; }},
      {"volume owner", [](PodSpec& pod) { pod.volumes[1].uid = 65536; }},
      {"volume group", [](PodSpec& pod) { pod.volumes[1].gid = 65536; }},
      {"long source", [](PodSpec& pod) { pod.volumes[0].source = std::string(4096, 'a'); }},
  };
  for (const BadPod& bad : table) {
    PodSpec pod = samplePodSpec();
    bad.spoil(pod);
    EXPECT_EQ(encodeCode(pod), "E_REQUEST") << bad.name;
  }
}

TEST(PodSpec, ATerminalIsForASingleApp) {
  PodSpec pod = samplePodSpec();
  pod.apps.resize(1, pod.apps[0]);
  pod.terminal = true;
  EXPECT_EQ(encodeCode(pod), "ok");
}

TEST(PodSpec, DescriptorsStandInTheOrderOfTheContract) {
  PodSpec pod = samplePodSpec();
  pod.apps[0].hasExtraFilter = false;
  const Stage1Descriptors fds{pod};
  EXPECT_EQ(fds.root(0), 10);
  EXPECT_EQ(fds.root(1), 11);
  EXPECT_EQ(fds.volume(0), 12);
  EXPECT_EQ(fds.volume(1), 13);
  EXPECT_EQ(fds.filter(1), 14);
  EXPECT_EQ(fds.socket(1), 15);
  EXPECT_EQ(fds.stream(1), 17);
  EXPECT_EQ(fds.logs(), 18) << "one app keeps a stream";
  EXPECT_EQ(fds.end(), 20);
  pod.hasCgroups = true;
  EXPECT_EQ(fds.cgroup(1), 19);
  EXPECT_EQ(fds.attachSocket(), 21);
  EXPECT_EQ(fds.end(), 22);
  pod.apps[1].input = StreamMode::Null;
  pod.apps[1].errors = StreamMode::Inherit;
  EXPECT_EQ(fds.end(), 20) << "nothing is kept any more";
}

TEST(Messages, WhatIsTooLargeIsNotEncoded) {
  RunRequest run = sampleRunRequest();
  run.podManifest = std::string(limits::kPodManifestBytes, 'm');
  EXPECT_EQ(codeOf(encode(HelperRequest(run))), "ok");
  run.podManifest += 'm';
  EXPECT_EQ(codeOf(encode(HelperRequest(run))), "E_REQUEST");
  run.podManifest = std::string(limits::kMessageBytes, 'm');
  EXPECT_EQ(codeOf(encode(HelperRequest(run))), "E_LIMIT");
  EXPECT_EQ(codeOf(encode(FetchJob(FetchImageJob{.name = std::string(4097, 'a')}))), "E_REQUEST");
}

TEST(Messages, TextIsUtf8WithoutNul) {
  EXPECT_EQ(codeOf(encode(FetchJob(FetchImageJob{.name = "a\xff"}))), "E_REQUEST");
  EXPECT_EQ(codeOf(encode(FetchJob(FetchImageJob{.name = std::string("a\0b", 3)}))), "E_REQUEST");
}

TEST(Messages, AKeyBundleCarriesAsMuchAsItsMemfd) {
  const auto fingerprint = KeyFingerprint::parse(std::string(40, 'a')).value();
  const TrustedKey large{fingerprint, std::string(limits::kKeyFileBytes, 'k')};
  const std::vector<TrustedKey> three(3, large);
  EXPECT_EQ(decodeKeyBundle(encodeKeyBundle(three).value()).value()[2].content, large.content);
  EXPECT_EQ(codeOf(encodeKeyBundle(std::vector<TrustedKey>(4, large))), "E_LIMIT");
  EXPECT_EQ(codeOf(encodeKeyBundle(std::vector<TrustedKey>(65, {fingerprint, ""}))), "E_REQUEST");
  EXPECT_EQ(codeOf(encodeKeyBundle({{fingerprint, large.content + "k"}})), "E_REQUEST");
}

TEST(Failure, KeepsKindCodeHintAndContextAndEscapesWhatItCarries) {
  const Error error = Error(ErrorKind::Busy, "it is \x1b[31mred\n\xff")
                          .in("pod x")
                          .withCode("E_BUSY")
                          .withHint("wait");
  const auto reply = decodeHelperReply(encode(HelperReply(Failure{error})).value());
  const Error& got = std::get<Failure>(reply.value()).error;
  EXPECT_EQ(got.kind(), ErrorKind::Busy);
  EXPECT_EQ(got.code(), "E_BUSY");
  EXPECT_EQ(got.hint(), "wait");
  EXPECT_EQ(got.message(), "pod x: it is \\x1b[31mred\\x0a\\xff");
}

TEST(Failure, IsAlwaysSentHoweverLongItIs) {
  const Failure failure{
      Error(ErrorKind::Failed, std::string(100'000, 'x')).withHint(std::string(5000, '\xff'))};
  const auto reply = decodeVerifyReply(encode(VerifyReply(failure)).value());
  EXPECT_EQ(std::get<Failure>(reply.value()).error.message().size(), limits::kTextBytes);
}

TEST(Leash, EventsAreSentWhateverTheirTextIs) {
  const LeashEvent event{.kind = LeashEvent::Kind::Failed,
                         .app = std::string("\xff\0", 2),
                         .text = std::string(100'000, '\xe2')};
  EXPECT_TRUE(decodeLeashEvent(encode(event)));
}

TEST(Leash, ASignalIsASignal) {
  for (const int number : {0, -1, 65}) {
    const LeashCommand command{.kind = LeashCommand::Kind::Signal, .signal = number};
    EXPECT_EQ(codeOf(decodeLeashCommand(encode(command))), "E_REQUEST") << number;
  }
}

}  // namespace
}  // namespace airlock::ipc
