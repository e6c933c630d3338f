// SPDX-License-Identifier: Apache-2.0
// airlock policy explain
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/accounts.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/helper_client.h"
#include "cli/options.h"
#include "cli/own_store.h"
#include "cli/text_output.h"
#include "image/capabilities.h"
#include "image/json.h"
#include "image/reference.h"
#include "image/types.h"

namespace airlock::cli {

namespace {

struct Question {
  std::string verb;
  std::vector<std::string> images;
  std::string user;
  std::string network = "none";
  std::vector<std::string> volumes;  // NAME=SOURCE
  std::string retained;              // capabilities, comma list, or "all"
};

Result<std::uint32_t> uidOf(const std::string& text) {
  std::uint32_t uid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
  if (error == std::errc() && end == text.data() + text.size()) return uid;
  const auto account = TRY(findUser(text));
  if (account) return account->uid;
  return refuse(ErrorKind::Missing, "E_NOT_FOUND",
                "no user " + airlock::quoted(text) + " in /etc/passwd",
                "--as takes a name or a uid");
}

Result<std::uint64_t> capabilitiesOf(const std::string& text) {
  if (text.empty()) return image::kDefaultCapabilities;
  if (text == "all") return image::allCapabilities();
  std::uint64_t mask = 0;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    const auto number = image::capabilityNumber(rest.substr(0, comma));
    if (!number)
      return refuse(ErrorKind::Invalid, "E_USAGE",
                    "unknown capability " + airlock::quoted(rest.substr(0, comma)));
    mask |= std::uint64_t{1} << *number;
    more = comma != rest.npos;
    if (more) rest.remove_prefix(comma + 1);
  }
  return mask;
}

Result<ipc::RunRequest> runRequest(const Options& options, const Question& question) {
  const ImageStore images = TRY(ImageStore::choose(options));
  ipc::RunRequest request;
  request.pod.network = question.network == "host" ? ipc::Network::Host : ipc::Network::Loopback;
  for (const std::string& argument : question.images) {
    const ipc::CatalogRecord record = TRY(images.resolve(argument));
    const AppName name = TRY(AppName::parse("app" + std::to_string(request.pod.apps.size() + 1)));
    request.pod.apps.push_back({.name = name,
                                .image = record.image,
                                .imageName = displayName(record.name, record.labels),
                                .exec = {"/bin/true"},
                                .capabilities = TRY(capabilitiesOf(question.retained))});
  }
  for (const std::string& volume : question.volumes) {
    const std::size_t equals = volume.find('=');
    if (equals == std::string::npos || volume.substr(equals + 1).substr(0, 1) != "/") {
      return refuse(ErrorKind::Invalid, "E_USAGE",
                    "--volume takes NAME=/PATH, not " + airlock::quoted(volume));
    }
    request.pod.volumes.push_back({.name = TRY(AppName::parse(volume.substr(0, equals))),
                                   .kind = ipc::VolumeKind::Host,
                                   .source = volume.substr(equals + 1)});
  }
  return request;
}

Result<ipc::ImportRequest> fetchRequest(const Options& options, const Question& question) {
  if (question.images.size() != 1)
    return refuse(ErrorKind::Invalid, "E_USAGE", "a fetch is explained for one image");
  const image::NamedImage named = TRY(image::parseNamedImage(question.images.front()));
  return ipc::ImportRequest{
      .name = named.name, .labels = named.labels, .skipSignature = options.insecure.image};
}

}  // namespace

Result<int> policyExplain(const Options& options, const std::vector<std::string>& arguments) {
  Question question;
  const auto addVolume = [&](const std::string& value) -> Result<void> {
    question.volumes.push_back(value);
    return {};
  };
  TRY(parseFlags(arguments,
                 {textFlag("as", question.user),
                  textFlag("net", question.network),
                  textFlag("caps-retain", question.retained),
                  {"volume", Flag::Value::Required, addVolume}},
                 [&](const std::string& word) -> Result<void> {
                   if (question.verb.empty()) {
                     question.verb = word;
                   } else {
                     question.images.push_back(word);
                   }
                   return {};
                 }));
  if ((question.verb != "run" && question.verb != "fetch") || question.images.empty()) {
    return refuse(ErrorKind::Invalid, "E_USAGE", "expected: policy explain run|fetch IMAGE");
  }
  if (question.network != "none" && question.network != "host") {
    return refuse(ErrorKind::Invalid, "E_USAGE", "--net takes none or host here");
  }
  ipc::ExplainRequest request{.what = ipc::ImportRequest{}};
  if (question.verb == "run") {
    request.what = TRY(runRequest(options, question));
  } else {
    request.what = TRY(fetchRequest(options, question));
  }
  if (!question.user.empty()) request.asUser = TRY(uidOf(question.user));
  const ipc::Explained answer = TRY(askFor<ipc::Explained>(options, request));
  if (options.json) {
    image::Json document;
    document["allowed"] = answer.allowed;
    document["rule"] = answer.rule;
    document["reasons"] = answer.reasons;
    printJson(document);
  } else {
    out(answer.allowed ? "allowed\n" : "denied\n");
    if (!answer.rule.empty()) out("by " + printable(answer.rule) + "\n");
    for (const std::string& reason : answer.reasons) out("  " + printable(reason) + "\n");
  }
  return answer.allowed ? 0 : kExitFailure;
}

}  // namespace airlock::cli
