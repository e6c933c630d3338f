// SPDX-License-Identifier: Apache-2.0
#include "unpriv-fetch/oci_fixture_test.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/syscall.h"

namespace airlock::fetch {
namespace {

constexpr int kPatience = 120'000;  // milliseconds: no test is about being this slow
constexpr std::size_t kMost = 64 << 20;

Fd memory(const std::string& before) {
  Fd file = Fd::own(::memfd_create("layer", MFD_CLOEXEC));
  EXPECT_TRUE(sys::writeAll(file, before));
  return file;
}

// What the CLI does, without its care (cli/oci_download.cc).
void offer(ipc::Channel& channel, const ipc::OciFileWanted& wanted, const Wish& wish) {
  std::string path = wish.layout + "/index.json";
  if (std::holds_alternative<ipc::LayoutVersionFile>(wanted.file))
    path = wish.layout + "/oci-layout";
  if (const auto* blob = std::get_if<ipc::LayoutBlob>(&wanted.file))
    path = wish.layout + "/blobs/sha256/" + blob->digest.hex();
  if (const auto* signature = std::get_if<ipc::SimpleSignatureFile>(&wanted.file)) {
    path =
        wish.signatures + "/" + signature->digest.hex() + "/" + std::to_string(signature->number);
  }
  const auto file = sys::openPath(path, O_RDONLY);
  ipc::OfferedFile offered;
  if (!file) offered.failure = ipc::Failure{file.error()};
  std::vector<FdRef> fds;
  if (file) fds.push_back(*file);
  EXPECT_TRUE(channel.send(ipc::encode(offered).value(), fds));
}

}  // namespace

std::string OciOutcome::code() const {
  const auto* failed = std::get_if<ipc::Failure>(&last);
  return failed != nullptr ? failed->error.code() : "";
}

std::string OciOutcome::failure() const {
  const auto* failed = std::get_if<ipc::Failure>(&last);
  return failed != nullptr ? failed->error.text() : "";
}

std::string OciOutcome::notes() const {
  std::string all;
  for (const ipc::FetchEvent& event : events) {
    if (const auto* note = std::get_if<ipc::FetchNote>(&event)) all += note->text + "\n";
  }
  return all;
}

std::pair<std::string, std::string> OciOutcome::attachment(std::size_t number) const {
  if (!documents) return {};
  std::size_t at = documents->indexBytes + documents->manifestBytes + documents->configBytes;
  for (std::size_t i = 0; i < number; ++i)
    at += documents->attachments[i].bytes + documents->attachments[i].annotationBytes;
  const ipc::OciAttachment& one = documents->attachments.at(number);
  return {documentBytes.substr(at, one.bytes),
          documentBytes.substr(at + one.bytes, one.annotationBytes)};
}

ipc::Credential userOf(const std::string& host) {
  return {.host = host, .kind = ipc::Credential::Kind::Basic, .user = "user", .secret = "canary"};
}

ipc::FetchOciJob OciFetch::ociJob(const std::string& scenario, const std::string& host) {
  ipc::FetchOciJob job;
  job.options.mostBytes = 16 << 20;
  job.hasCaBundle = true;
  job.origin = ipc::FromRegistry{{{.host = host, .repository = scenario + "/image"}}};
  job.tag = "1";
  job.platform = {"linux", "amd64", ""};
  job.requestedName = "image";
  return job;
}

OciOutcome OciFetch::converse(Running running, const Wish& wish) {
  OciOutcome outcome;
  std::map<std::uint32_t, Fd> files;
  for (;;) {
    Result<std::optional<ipc::Message>> message = running.channel.receive(kPatience);
    EXPECT_TRUE(message) << message.error().text();
    if (!message || !*message) break;
    Result<ipc::FetchEvent> event = ipc::decodeFetchEvent((*message)->bytes);
    EXPECT_TRUE(event) << event.error().text();
    if (!event) break;
    if (const auto* file = std::get_if<ipc::OciFileWanted>(&*event))
      offer(running.channel, *file, wish);
    if (const auto* documents = std::get_if<ipc::OciDocuments>(&*event)) {
      outcome.documents = *documents;
      outcome.documentBytes = sys::readAll(running.output, kMost).value_or("unreadable");
      ipc::FetchLayers wanted{.layers = wish.layers.value_or(std::vector<ipc::WantedLayer>()),
                              .last = true};
      for (std::uint32_t i = 0; !wish.layers && i < documents->layers.size(); ++i)
        wanted.layers.push_back({.index = i, .resumeFrom = 0});
      std::vector<FdRef> fds;
      for (ipc::WantedLayer& layer : wanted.layers) {
        const auto before = wish.before.find(layer.index);
        const std::string bytes = before == wish.before.end() ? "" : before->second;
        layer.resumeFrom = bytes.size();
        const Fd& file = files[layer.index] = memory(bytes);
        fds.push_back(file);
      }
      EXPECT_TRUE(running.channel.send(ipc::encode(wanted).value(), fds));
    }
    if (const auto* done = std::get_if<ipc::OciLayerDone>(&*event)) {
      outcome.layers[done->index] =
          sys::readAll(files.at(done->index), kMost).value_or("unreadable");
      files.erase(done->index);
    }
    outcome.events.push_back(std::move(*event));
  }
  for (const auto& [index, file] : files)
    outcome.parts[index] = sys::readAll(file, kMost).value_or("unreadable");
  outcome.status = running.child.wait().value();
  EXPECT_FALSE(outcome.events.empty()) << "no answer, and " << outcome.status.text();
  if (!outcome.events.empty()) {
    outcome.last = std::move(outcome.events.back());
    outcome.events.pop_back();
  }
  return outcome;
}

std::vector<std::string> OciFetch::requestsWith(const std::string& part) {
  std::vector<std::string> found;
  for (const std::string& line : requests()) {
    if (line.contains(part)) found.push_back(line);
  }
  return found;
}

}  // namespace airlock::fetch
