// SPDX-License-Identifier: Apache-2.0
// Writes the seeds of the message fuzzers:  make_message_seeds fuzz/corpus
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "ipc/samples.h"

namespace {
void write(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}
}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
    return 2;
  }
  const std::filesystem::path root = argv[1];
  const std::map<std::string, std::string> folders = {
      {"HelperRequest", "helper_request"}, {"PodSpec", "pod_spec"},
      {"VerifyReply", "verify_reply"},     {"FetchJob", "fetch_message"},
      {"FetchEvent", "fetch_message"},     {"FetchLayers", "fetch_message"},
      {"OfferedFile", "fetch_message"},    {"LeashEvent", "leash"},
      {"LeashCommand", "leash"},           {"SystemdReply", "systemd_reply"}};
  // The message that overflows the segment table of libcapnp 0.9.2's asynchronous reader, and its
  // neighbours.
  for (const auto& [kind, folder] : folders) {
    write(root / folder / "four-bytes", std::string(4, '\xff'));
    write(root / folder / "eight-bytes", std::string(8, '\xff'));
    write(root / folder / "empty", std::string());
    write(root / folder / "null-root", std::string(4, '\0') + '\1' + std::string(11, '\0'));
    // A far pointer that lands on itself.
    write(root / folder / "far-loop",
          std::string(4, '\0') + '\1' + std::string(3, '\0') + '\2' + std::string(7, '\0'));
  }
  int number = 0;
  for (const airlock::ipc::Sample& sample : airlock::ipc::samples()) {
    const auto folder = folders.find(sample.name.substr(0, sample.name.find('.')));
    if (folder == folders.end()) continue;
    write(root / folder->second / (sample.name + "-" + std::to_string(++number)), sample.bytes);
  }
  return 0;
}
