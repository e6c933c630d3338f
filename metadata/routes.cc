// SPDX-License-Identifier: Apache-2.0
#include "metadata/routes.h"

#include <sodium.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/names.h"
#include "image/json.h"
#include "metadata/form.h"

namespace airlock::metadata {

namespace {

constexpr std::size_t kTokenDigits = 32;
constexpr const char* kJson = "application/json";

Answer status(unsigned code, std::string text) {
  return {.status = code, .body = std::move(text) + "\n"};
}
Answer notAllowed(const char* methods) {
  return {.status = 405, .body = "method not allowed\n", .allow = methods};
}
Answer notFound() { return status(404, "not found"); }
Answer document(std::string json) { return {.body = std::move(json), .type = kJson}; }

std::vector<std::string> partsOf(std::string_view path) {
  std::vector<std::string> parts;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    parts.emplace_back(path.substr(0, slash));
    if (slash == path.npos) return parts;
    path.remove_prefix(slash + 1);
  }
}

bool isToken(std::string_view text) {
  return text.size() == kTokenDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Answer annotations(const Annotations& list, const std::vector<std::string>& parts, std::size_t at) {
  if (parts.size() == at) {
    image::Json array = image::Json::array();
    for (const auto& [name, value] : list) array.push_back({{"name", name}, {"value", value}});
    return document(image::writeJson(array, image::JsonStyle::Compact));
  }
  // The name of an annotation may have slashes.
  std::string name = parts[at];
  for (std::size_t i = at + 1; i < parts.size(); ++i) name += "/" + parts[i];
  const auto found = std::ranges::find(list, name, &std::pair<std::string, std::string>::first);
  if (found == list.end()) return notFound();
  return {.body = found->second};
}

Answer hmac(const RegisteredPod& pod, const Signer& signer, const Request& request, bool sign) {
  if (request.method != "POST") return notAllowed("POST");
  const auto form = parseForm(request.body);
  if (!form) return status(400, "not a form");
  const auto field = [&](const char* name) {
    const auto found = form->find(name);
    return found == form->end() ? nullptr : &found->second;
  };
  const std::string* content = field("content");
  if (content == nullptr) return status(400, "content form value not found");
  if (sign) return {.body = signer.sign(pod.uuid, *content)};
  const std::string* uuid = field("uuid");
  const std::string* signature = field("signature");
  if (uuid == nullptr || !PodId::parse(*uuid)) return status(400, "uuid form value not found");
  if (signature == nullptr) return status(400, "signature form value not found");
  return signer.verify(*uuid, *content, *signature) ? Answer{} : status(403, "invalid signature");
}

Answer ofApp(const RegisteredPod& pod, const std::vector<std::string>& parts) {
  // apps/APP/annotations[/NAME], apps/APP/image/manifest, apps/APP/image/id
  if (parts.size() < 3) return notFound();
  const auto found = pod.apps.find(parts[1]);
  if (found == pod.apps.end()) return notFound();
  const RegisteredApp& app = found->second;
  if (parts[2] == "annotations") return annotations(app.annotations, parts, 3);
  if (parts.size() != 4 || parts[2] != "image") return notFound();
  if (parts[3] == "id") return {.body = app.imageId};
  if (parts[3] == "manifest" && !app.imageManifest.empty()) return document(app.imageManifest);
  return notFound();
}

Answer failureOf(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::Denied:
      return status(403, error.message());
    case ErrorKind::Missing:
      return status(404, error.message());
    case ErrorKind::Busy:
      return status(503, error.message());
    case ErrorKind::Invalid:
    case ErrorKind::Unsupported:
    case ErrorKind::Failed:
      break;
  }
  return status(400, error.message());
}

}  // namespace

Signer::Signer() { ::randombytes_buf(key_.data(), key_.size()); }

std::string Signer::sign(std::string_view uuid, std::string_view content) const {
  static_assert(sizeof key_ == crypto_auth_hmacsha512_KEYBYTES);
  const auto pod = PodId::parse(uuid);
  if (!pod) return {};
  std::array<std::uint8_t, crypto_auth_hmacsha512_BYTES> code{};
  crypto_auth_hmacsha512_state state;
  ::crypto_auth_hmacsha512_init(&state, key_.data(), key_.size());
  ::crypto_auth_hmacsha512_update(&state, pod->bytes().data(), pod->bytes().size());
  ::crypto_auth_hmacsha512_update(&state, reinterpret_cast<const unsigned char*>(content.data()),
                                  content.size());
  ::crypto_auth_hmacsha512_final(&state, code.data());
  std::string text(sodium_base64_ENCODED_LEN(code.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  ::sodium_bin2base64(text.data(), text.size(), code.data(), code.size(),
                      sodium_base64_VARIANT_ORIGINAL);
  text.resize(text.find('\0'));
  return text;
}

bool Signer::verify(std::string_view uuid, std::string_view content,
                    std::string_view signature) const {
  const std::string expected = sign(uuid, content);
  return !expected.empty() && expected.size() == signature.size() &&
         ::sodium_memcmp(expected.data(), signature.data(), expected.size()) == 0;
}

Answer answerPod(const Registry& registry, const Signer& signer, const Request& request) {
  std::vector<std::string> parts = partsOf(request.path);
  const RegisteredPod* pod = registry.byToken(parts.front());
  if (pod == nullptr) return status(401, "unauthorized");
  if (parts.size() < 5 || parts[1] != "acMetadata" || parts[2] != "v1") return notFound();
  parts.erase(parts.begin(), parts.begin() + 3);
  const bool ofPod = parts[0] == "pod";
  if (ofPod && parts[1] == "hmac" && parts.size() == 3 &&
      (parts[2] == "sign" || parts[2] == "verify")) {
    return hmac(*pod, signer, request, parts[2] == "sign");
  }
  if (request.method != "GET" && request.method != "HEAD") return notAllowed("GET, HEAD");
  if (parts[0] == "apps") return ofApp(*pod, parts);
  if (!ofPod) return notFound();
  if (parts[1] == "annotations") return annotations(pod->annotations, parts, 2);
  if (parts.size() != 2) return notFound();
  if (parts[1] == "manifest") return document(pod->manifest);
  if (parts[1] == "uuid") return {.body = pod->uuid};
  return notFound();
}

Answer answerRegistration(Registry& registry, const std::string& url, const Request& request,
                          uid_t peer) {
  const std::vector<std::string> parts = partsOf(request.path);
  if (parts.size() == 1 && parts[0] == "url")
    return request.method == "GET" ? Answer{.body = url} : notAllowed("GET");
  if (parts.size() < 2 || parts.size() > 3 || parts[0] != "pods") return notFound();
  const auto pod = PodId::parse(parts[1]);
  if (!pod) return status(400, "not a UUID");
  Result<void> done;
  if (parts.size() == 3) {
    if (request.method != "PUT") return notAllowed("PUT");
    done = registry.addApp(pod->text(), parts[2], request.body, peer);
  } else if (request.method == "PUT") {
    if (!isToken(request.token)) return status(400, "token must be 32 hexadecimal digits");
    done = registry.add(pod->text(), request.token, request.body, peer, request.heldBy);
  } else if (request.method == "DELETE") {
    done = registry.remove(pod->text(), peer);
  } else {
    return notAllowed("PUT, DELETE");
  }
  return done ? Answer{} : failureOf(done.error());
}

}  // namespace airlock::metadata
