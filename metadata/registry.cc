// SPDX-License-Identifier: Apache-2.0
#include "metadata/registry.h"

#include <algorithm>
#include <utility>

#include "image/json_reader.h"
#include "metadata/bounds.h"

namespace airlock::metadata {

namespace {

using image::Json;
using image::ObjectReader;

Result<Annotations> annotationsOf(const ObjectReader& object) {
  return object.list<std::pair<std::string, std::string>>(
      "annotations", limits::kAnnotations,
      [](const Json& value, std::string where) -> Result<std::pair<std::string, std::string>> {
        const ObjectReader annotation = TRY(ObjectReader::of(value, std::move(where)));
        return std::pair(TRY(annotation.text("name")), TRY(annotation.text("value")));
      });
}

Annotations overlaid(Annotations below, const Annotations& above) {
  for (const auto& [name, value] : above) {
    const auto same = std::ranges::find(below, name, &std::pair<std::string, std::string>::first);
    if (same == below.end()) {
      below.emplace_back(name, value);
    } else {
      same->second = value;
    }
  }
  return below;
}

Result<std::pair<std::string, RegisteredApp>> appOf(const Json& value, std::string where) {
  const ObjectReader app = TRY(ObjectReader::of(value, std::move(where)));
  std::string name = TRY(app.text("name"));
  TRY(AppName::parse(name));
  RegisteredApp registered;
  registered.ofPod = registered.annotations = TRY(annotationsOf(app));
  if (const Json* image = app.find("image"))
    registered.imageId = TRY(TRY(ObjectReader::of(*image, app.at("image"))).text("id"));
  return std::pair(std::move(name), std::move(registered));
}

Result<void> requireKind(const ObjectReader& manifest, const char* kind) {
  if (TRY(manifest.text("acKind")) == kind) return {};
  return image::refuseField(manifest.at("acKind"), std::string("is not ") + kind);
}

std::unexpected<Error> notTheirs() {
  return refuse(ErrorKind::Denied, "E_OWNER", "somebody else has registered that");
}

}  // namespace

Result<void> Registry::add(const std::string& uuid, const std::string& token, std::string manifest,
                           uid_t owner, std::uint64_t connection) {
  const Json document = TRY(image::parseJson(manifest, limits::kMetadataBodyBytes));
  const ObjectReader object = TRY(ObjectReader::of(document, "the pod manifest"));
  TRY(requireKind(object, "PodManifest"));
  RegisteredPod pod{.uuid = uuid, .token = token, .owner = owner, .connection = connection};
  pod.annotations = TRY(annotationsOf(object));
  using NamedApp = std::pair<std::string, RegisteredApp>;
  for (auto& [name, app] : TRY(object.list<NamedApp>("apps", limits::kApps, appOf)))
    pod.apps[name] = std::move(app);
  pod.manifest = std::move(manifest);

  const auto known = pods_.find(uuid);
  if (known != pods_.end() && known->second.owner != owner && owner != 0) return notTheirs();
  const auto taken = uuidOfToken_.find(token);
  if (taken != uuidOfToken_.end() && taken->second != uuid) return notTheirs();
  const auto theirs =
      std::ranges::count_if(pods_, [&](const auto& one) { return one.second.owner == owner; });
  const bool tooMany =
      pods_.size() >= limits::kMetadataPods ||
      (owner != 0 && static_cast<std::size_t>(theirs) >= limits::kMetadataPodsOfUser);
  if (known == pods_.end() && tooMany)
    return refuse(ErrorKind::Busy, "E_LIMIT", "too many pods are registered");
  if (known != pods_.end()) uuidOfToken_.erase(known->second.token);
  uuidOfToken_[token] = uuid;
  pods_[uuid] = std::move(pod);
  return {};
}

Result<RegisteredPod*> Registry::owned(const std::string& uuid, uid_t owner) {
  const auto pod = pods_.find(uuid);
  if (pod == pods_.end())
    return refuse(ErrorKind::Missing, "E_NOT_FOUND", "no such pod is registered");
  if (pod->second.owner != owner && owner != 0) return notTheirs();
  return &pod->second;
}

Result<void> Registry::addApp(const std::string& uuid, const std::string& app, std::string manifest,
                              uid_t owner) {
  RegisteredPod* pod = TRY(owned(uuid, owner));
  const auto found = pod->apps.find(app);
  if (found == pod->apps.end())
    return refuse(ErrorKind::Missing, "E_NOT_FOUND", "the pod has no such app");
  const Json document = TRY(image::parseJson(manifest, limits::kMetadataBodyBytes));
  const ObjectReader object = TRY(ObjectReader::of(document, "the image manifest"));
  TRY(requireKind(object, "ImageManifest"));
  found->second.annotations = overlaid(TRY(annotationsOf(object)), found->second.ofPod);
  found->second.imageManifest = std::move(manifest);
  return {};
}

Result<void> Registry::remove(const std::string& uuid, uid_t owner) {
  const RegisteredPod* pod = TRY(owned(uuid, owner));
  uuidOfToken_.erase(pod->token);
  pods_.erase(uuid);
  return {};
}

void Registry::connectionClosed(std::uint64_t connection) {
  if (connection == 0) return;
  std::erase_if(pods_, [&](const auto& one) {
    if (one.second.connection != connection) return false;
    uuidOfToken_.erase(one.second.token);
    return true;
  });
}

const RegisteredPod* Registry::byToken(std::string_view token) const {
  const auto uuid = uuidOfToken_.find(token);
  if (uuid == uuidOfToken_.end()) return nullptr;
  return &pods_.at(uuid->second);
}

}  // namespace airlock::metadata
