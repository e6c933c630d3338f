// SPDX-License-Identifier: Apache-2.0
// airlock attest init, enroll, activate, revoke
#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "base/limits.h"
#include "base/log.h"
#include "base/syscall.h"
#include "cli/command.h"
#include "cli/evidence_file.h"
#include "cli/helper_client.h"
#include "cli/hierarchy_passwords.h"
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
    document["facts"] = factsJson(attested.facts);
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

std::vector<Flag> with(std::vector<Flag> flags, PasswordFiles& files) {
  for (Flag& flag : passwordFlags(files)) flags.push_back(std::move(flag));
  return flags;
}

Result<std::vector<std::string>> outputFlag(const std::vector<std::string>& arguments,
                                            std::string& output, PasswordFiles& files) {
  return parseFlags(arguments, with({textFlag("output", output), textFlag("o", output)}, files));
}

Result<ipc::Attested> ask(const Options& options, const PasswordFiles& files,
                          decltype(ipc::AttestRequest::what) what) {
  const WithPasswords asked =
      TRY(withPasswords(files, ipc::AttestRequest{.what = std::move(what)}));
  const std::vector<FdRef> fds(asked.pipes.begin(), asked.pipes.end());
  return askFor<ipc::Attested>(options, asked.request, fds);
}

std::unexpected<Error> usage(const char* what) {
  return refuse(ErrorKind::Invalid, "E_USAGE", what);
}

}  // namespace

Result<int> attestInit(const Options& options, const std::vector<std::string>& arguments) {
  bool force = false;
  PasswordFiles passwords;
  if (!TRY(parseFlags(arguments, with({boolFlag("force", force)}, passwords))).empty()) {
    return usage("attest init takes no argument");
  }
  print(options, TRY(ask(options, passwords, ipc::InitKeyRequest{.rotate = force})));
  return 0;
}

Result<int> attestRevoke(const Options& options, const std::vector<std::string>& arguments) {
  PasswordFiles passwords;
  if (!TRY(parseFlags(arguments, passwordFlags(passwords))).empty()) {
    return usage("attest revoke takes no argument");
  }
  print(options, TRY(ask(options, passwords, ipc::RevokeKeyRequest{})));
  return 0;
}

Result<int> attestEnroll(const Options& options, const std::vector<std::string>& arguments) {
  std::string directory;
  PasswordFiles passwords;
  if (!TRY(outputFlag(arguments, directory, passwords)).empty() || directory.empty()) {
    return usage("attest enroll takes --output=DIR, and no argument");
  }
  const auto attested = TRY(ask(options, passwords, ipc::EnrollRequest{}));
  TRY(writeFiles(directory, filesOf(attested)));
  print(options, attested);
  return 0;
}

Result<int> attestActivate(const Options& options, const std::vector<std::string>& arguments) {
  std::string output;
  PasswordFiles passwords;
  const auto operands = TRY(outputFlag(arguments, output, passwords));
  if (operands.size() != 1 || output.empty()) {
    return usage("attest activate takes the file of a challenge, and --output=FILE");
  }
  const Fd challenge = TRY(sys::openPath(operands[0], O_RDONLY));
  const ipc::ActivateRequest request{
      TRY(inContext(sys::readAll(challenge, limits::kChallengeBytes), printable(operands[0])))};
  const auto attested = TRY(ask(options, passwords, request));
  const auto files = filesOf(attested);
  const auto secret = files.find("secret");
  if (secret == files.end()) {
    return refuse(ErrorKind::Failed, "E_HELPER", "the helper answered another question");
  }
  TRY(writeNewFile(output, secret->second, IfThere::Refuse, kForOwner));
  print(options, attested);
  return 0;
}

}  // namespace airlock::cli
