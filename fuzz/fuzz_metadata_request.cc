// SPDX-License-Identifier: Apache-2.0
// A registration and a pod's question: the first line is a path, the rest a body.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "metadata/routes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace airlock::metadata;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = text.find('\n');
  const std::string path(text.substr(0, end));
  const std::string body(end == text.npos ? "" : text.substr(end + 1));
  const std::string token(32, 'a');
  Registry registry;
  const Signer signer;
  static_cast<void>(
      answerRegistration(registry, "http://127.0.0.1:1",
                         {.method = "PUT", .path = path, .token = token, .body = body}, 0));
  static_cast<void>(registry.add("6733c088-a507-4694-aabf-000000000001", token, body, 0));
  for (const char* method : {"GET", "POST"})
    static_cast<void>(answerPod(registry, signer,
                                {.method = method,
                                 .path = "/" + token + "/acMetadata/v1/" + path,
                                 .token = "",
                                 .body = body}));
  return 0;
}
