// SPDX-License-Identifier: Apache-2.0
// Writes the seeds of fuzz_audit_log, fuzz_event_log and fuzz_tpm_response: make_log_seeds
// CORPUS-DIRECTORY
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "audit/entry.h"
#include "base/digest.h"
#include "tpm/event.h"
#include "tpm/hash.h"
#include "tpm/record.h"

namespace {

using std::string_literals::operator""s;
namespace tpm = airlock::tpm;

void write(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

airlock::ipc::EngineFacts engineFacts() {
  airlock::ipc::EngineFacts facts;
  facts.version = "0.1.0";
  facts.bootId = "11111111-2222-3333-4444-555555555555";
  facts.programs = {{"airlock-helper", airlock::digestOf(std::string_view("helper"))}};
  facts.trusted = {{"example.com", "0123456789abcdef0123456789abcdef01234567"}};
  facts.layers = {{"seccomp", true, "55 calls"}};
  return facts;
}

std::string bigEndian(std::uint32_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text.push_back(static_cast<char>(value >> (8 * bytes) & 0xff));
  return text;
}

std::string response(std::uint32_t tag, const std::string& body) {
  return bigEndian(tag, 2) + bigEndian(static_cast<std::uint32_t>(10 + body.size()), 4) +
         bigEndian(0, 4) + body;
}

// Lines of every shape, in one chain; the times are those of now.
void writeAudit(const std::filesystem::path& folder) {
  namespace audit = airlock::audit;
  std::string text;
  airlock::OciDigest last;
  std::uint64_t number = 0;
  const auto add = [&](const audit::Entry& entry, const char* name) {
    const std::string line = audit::writeLine(entry, number++, last);
    last = airlock::ociDigestOf(line);
    text += line + "\n";
    write(folder / name, text);
  };
  const audit::Who alice{.uid = 1000, .gid = 1000, .pid = 7, .loginUid = 1000, .session = 3};
  audit::Entry change{.op = "policy", .code = "done"};
  change.subject.text("digest", "sha512-ab");
  add(change, "change");
  airlock::ipc::CatalogRecord image{.name = airlock::ImageName::parse("example.com/app").value()};
  image.labels = {{"version", "1.0"}};
  image.origin = "https://ex\xc3\xa4mple/<b>\"\n";
  image.signers = {{airlock::KeyFingerprint::parse(std::string(40, 'a')).value(), "Ada", {}}};
  audit::Entry import{.op = "import", .who = alice, .rule = "50.policy:4: allow root *"};
  audit::addImage(import.subject, image);
  add(import, "import");
  airlock::ipc::PodSpec spec;
  spec.apps.push_back({.name = airlock::AppName::parse("app").value()});
  audit::Entry start{.op = "run", .who = alice};
  start.pod = airlock::PodId();
  start.label = "system_u:system_r:airlock_pod_t:s0:c1,c2";
  audit::addPod(start.subject, spec, {&image, 1}, {}, {0x5fb, "sha512-cd"});
  add(start, "start");
  start.of = number - 1;
  start.code = "done";
  start.measure.text("anchor", "software");
  start.measure.number("pcr", 15);
  start.measure.number("records", 4);
  const airlock::ipc::Layer layers[] = {{"seccomp", true, ""}, {"selinux", false, "not here"}};
  start.layers = audit::layersOf(layers);
  add(start, "outcome");
  text += "{\"boot\":\"torn\x18\n";
  last = airlock::ociDigestOf("{\"boot\":\"torn\x18");
  ++number;
  audit::Entry refused{.op = "stop", .who = alice, .code = "E_DENIED", .text = "no line"};
  add(refused, "torn-and-refused");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    static_cast<void>(std::fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]));
    return 2;
  }
  const std::filesystem::path corpus = argv[1];
  const tpm::Banks shape{{tpm::kSha256, tpm::Bytes(32)}, {tpm::kSha384, tpm::Bytes(48)}};
  const tpm::EngineContext context{.mode = airlock::ipc::MeasureMode::Require,
                                   .anchor = "software",
                                   .anchorReason = {},
                                   .tpm = "IBM SW   TPM",
                                   .before = shape};
  airlock::ipc::ImageFacts image;
  image.name = "example.com/app";
  image.labels = {{"version", "1.0"}};
  image.origin = "https://ex\xc3\xa4mple/\"\n";
  airlock::ipc::PodFacts pod;
  pod.apps = {{"app", {}}};
  const std::vector<tpm::Event> events{tpm::engineEvent(engineFacts(), context),
                                       tpm::policyEvent(engineFacts()),
                                       tpm::trustEvent(engineFacts()),
                                       tpm::imageEvent(image),
                                       tpm::podEvent(pod),
                                       tpm::enterEvent({}),
                                       tpm::abortEvent("pod", "crash"),
                                       tpm::capEvent("shutdown")};
  std::string log;
  for (std::size_t i = 0; i < events.size(); ++i) {
    log += tpm::encodeRecord({i, 15, tpm::digests(shape, tpm::preimage(events[i])), events[i]});
    write(corpus / "event_log" / (std::to_string(i + 1) + "-records"), log);
  }
  write(corpus / "event_log" / "torn", log.substr(0, log.size() - 40));
  write(corpus / "event_log" / "spaced", "\x1e{\"recnum\": 0}\n");

  writeAudit(corpus / "audit_log");

  const std::string capability =
      response(0x8001, "\0"s + bigEndian(5, 4) + bigEndian(1, 4) + "\x00\x0b\x03\xff\xff\xff"s);
  const std::string value =
      response(0x8001, bigEndian(20, 4) + bigEndian(1, 4) + "\x00\x0b\x03\x00\x80\x00"s +
                           bigEndian(1, 4) + bigEndian(32, 2) + std::string(32, '\7'));
  const std::string extended =
      response(0x8002, bigEndian(0, 4) + bigEndian(0, 2) + "\1"s + bigEndian(0, 2));
  const std::string identity =
      response(0x8001, "\0"s + bigEndian(6, 4) + bigEndian(2, 4) + bigEndian(0x105, 4) + "IBM\0"s +
                           bigEndian(0x106, 4) + "SW  "s);
  const std::string clock = response(0x8001, std::string(25, '\1'));
  write(corpus / "tpm_response" / "whole", capability + value + extended + identity + clock);
  write(corpus / "tpm_response" / "banks", capability);
  write(corpus / "tpm_response" / "cut", (capability + value).substr(0, 60));
  write(corpus / "tpm_response" / "huge", "\x80\x01\xff\xff\xff\xff\0\0\0\0"s);
  write(corpus / "tpm_response" / "failure",
        bigEndian(0x8001, 2) + bigEndian(10, 4) + bigEndian(0x101, 4));
  return 0;
}
