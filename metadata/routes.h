// SPDX-License-Identifier: Apache-2.0
// What is answered to which request, without a word of HTTP.  The metadata service only.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "metadata/registry.h"

namespace airlock::metadata {

struct Request {
  std::string method;
  std::string path;   // "/TOKEN/acMetadata/v1/pod/uuid", percent-decoded
  std::string token;  // of a registration: its query has ?token=
  std::string body;
  // Of a registration whose query has &while=connected: the pod is forgotten when this connection
  // ends.  0: it is kept until it is removed.
  std::uint64_t heldBy = 0;
};

struct Answer {
  unsigned status = 200;
  std::string body = {};
  const char* type = "text/plain; charset=us-ascii";
  const char* allow = nullptr;  // methods, with 405
};

// The secret that sign() uses, for as long as the service runs.
class Signer {
 public:
  Signer();  // a random key
  // base64 of HMAC-SHA512 over the 16 bytes of the UUID and then the content.
  std::string sign(std::string_view uuid, std::string_view content) const;
  bool verify(std::string_view uuid, std::string_view content, std::string_view signature) const;

 private:
  std::array<std::uint8_t, 32> key_{};
};

// What a pod asks, over TCP: only with the token of a pod, and of that pod alone.
Answer answerPod(const Registry& registry, const Signer& signer, const Request& request);

// What whoever runs pods asks, over the local socket; `peer` is the kernel's word.  `url` is where
// pods ask.
Answer answerRegistration(Registry& registry, const std::string& url, const Request& request,
                          uid_t peer);

}  // namespace airlock::metadata
