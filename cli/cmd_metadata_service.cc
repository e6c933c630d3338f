// SPDX-License-Identifier: Apache-2.0
// airlock metadata-service: becomes airlock-metadata.
#include <unistd.h>

#include <vector>

#include "base/accounts.h"
#include "base/process.h"
#include "cli/command.h"
#include "cli/metadata_client.h"
#include "cli/options.h"
#include "cli/own_paths.h"

namespace airlock::cli {

Result<int> metadataService(const Options& options, const std::vector<std::string>& arguments) {
  std::string port = std::to_string(kMetadataPort);
  std::string address = "127.0.0.1";
  const auto operands = TRY(
      parseFlags(arguments, {textFlag("listen-port", port), textFlag("listen-address", address)}));
  if (!operands.empty()) {
    return refuse(ErrorKind::Invalid, "E_USAGE", "metadata-service takes no argument",
                  "See " + programName() + " help metadata-service");
  }
  if (!parseNumber(port) || *parseNumber(port) > UINT16_MAX) {
    return refuse(ErrorKind::Invalid, "E_USAGE", "--listen-port takes a number up to 65535");
  }
  const std::string socket = metadataSocket(options);
  static_cast<void>(TRY(makeDirectories(socket.substr(0, socket.rfind('/')), 0755)));
  const Fd program = TRY(openSibling("airlock-metadata"));
  std::vector<std::string> words = {"airlock-metadata", "--port=" + port, "--address=" + address,
                                    "--socket=" + socket};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // A service manager's descriptors are meant for the process of this number.
  std::vector<std::string> kept;
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS"}) {
    if (const char* value = ::getenv(name)) kept.push_back(std::string(name) + "=" + value);
  }
  std::vector<char*> environment;
  for (std::string& variable : kept) environment.push_back(variable.data());
  environment.push_back(nullptr);
  ::fexecve(program.get(), argv.data(), environment.data());
  return failErrno("start airlock-metadata");
}

}  // namespace airlock::cli
