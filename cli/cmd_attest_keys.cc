// SPDX-License-Identifier: Apache-2.0
// airlock attest init, enroll, activate, revoke
#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/command.h"
#include "cli/helper_client.h"
#include "cli/options.h"
#include "cli/quote_client.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

void print(const Options& options, const ipc::Attested& attested) {
  const std::string kind = attested.anchor == "hardware" ? "hardware" : "software";
  if (options.json) {
    image::Json document;
    document["anchor"] = kind;
    document["facts"] = image::Json::object();
    for (const auto& [name, value] : attested.facts) document["facts"][name] = value;
    printJson(document);
    return;
  }
  for (const auto& [name, value] : attested.facts) {
    const std::string said = name == "tpm" ? kind + ", " + value : value;
    out(printable(name) + "\t" + printable(said) + "\n");
  }
}

std::map<std::string, std::string> filesOf(const ipc::Attested& attested) {
  std::map<std::string, std::string> files;
  for (const ipc::AttestedFile& file : attested.files) files[file.name] = file.content;
  return files;
}

Result<std::vector<std::string>> outputFlag(const std::vector<std::string>& arguments,
                                            std::string& output) {
  return parseFlags(arguments, {textFlag("output", output), textFlag("o", output)});
}

std::unexpected<Error> usage(const char* what) {
  return refuse(ErrorKind::Invalid, "E_USAGE", what);
}

}  // namespace

Result<int> attestInit(const Options& options, const std::vector<std::string>& arguments) {
  bool force = false;
  if (!TRY(parseFlags(arguments, {boolFlag("force", force)})).empty()) {
    return usage("attest init takes no argument");
  }
  print(options, TRY(askFor<ipc::Attested>(
                     options, ipc::AttestRequest{ipc::InitKeyRequest{.rotate = force}})));
  return 0;
}

Result<int> attestRevoke(const Options& options, const std::vector<std::string>& arguments) {
  if (!TRY(parseFlags(arguments, {})).empty()) return usage("attest revoke takes no argument");
  print(options, TRY(askFor<ipc::Attested>(options, ipc::AttestRequest{ipc::RevokeKeyRequest{}})));
  return 0;
}

Result<int> attestEnroll(const Options& options, const std::vector<std::string>& arguments) {
  std::string directory;
  if (!TRY(outputFlag(arguments, directory)).empty() || directory.empty()) {
    return usage("attest enroll takes --output=DIR, and no argument");
  }
  const auto attested =
      TRY(askFor<ipc::Attested>(options, ipc::AttestRequest{ipc::EnrollRequest{}}));
  TRY(writeFiles(directory, filesOf(attested)));
  print(options, attested);
  return 0;
}

Result<int> attestActivate(const Options& options, const std::vector<std::string>& arguments) {
  std::string output;
  const auto operands = TRY(outputFlag(arguments, output));
  if (operands.size() != 1 || output.empty()) {
    return usage("attest activate takes the file of a challenge, and --output=FILE");
  }
  const Fd challenge = TRY(sys::openPath(operands[0], O_RDONLY));
  const ipc::ActivateRequest request{
      TRY(inContext(sys::readAll(challenge, limits::kChallengeBytes), printable(operands[0])))};
  const auto attested = TRY(askFor<ipc::Attested>(options, ipc::AttestRequest{request}));
  const auto files = filesOf(attested);
  const auto secret = files.find("secret");
  if (secret == files.end()) {
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  }
  const Fd file = TRY(sys::openPath(output, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  TRY(sys::writeAll(file, secret->second));
  print(options, attested);
  return 0;
}

}  // namespace airlock::cli
