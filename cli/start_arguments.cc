// SPDX-License-Identifier: Apache-2.0
#include "cli/start_arguments.h"

#include "base/limits.h"
#include "base/log.h"
#include "cli/pod_declarations.h"

namespace airlock::cli {

namespace {

Result<ipc::Network> parseNetwork(const std::string& text) {
  if (text.empty() || text == "default" || text == "none") return ipc::Network::Loopback;
  if (text == "host") return ipc::Network::Host;
  return refuse(ErrorKind::Unsupported, "E_NETWORK",
                "network " + airlock::quoted(text) + " is not part of this version",
                "Use --net=none (a loopback interface only) or --net=host");
}

}  // namespace

void addStartFlags(FlagSet& flags, PodArguments& pod) {
  flags.boolean("interactive", pod.interactive);
  flags.boolean("mds-register", pod.mdsRegister);
  const FlagSet::Handler network = [&pod](const std::string& value) -> Result<void> {
    pod.network = TRY(parseNetwork(value));
    pod.networkName = value;
    return {};
  };
  flags.optionalValue("net", "default", network);
  flags.optionalValue("private-net", "default", network);
  flags.value("hostname", [&pod](const std::string& value) -> Result<void> {
    if (value.size() > limits::kHostnameBytes) return badFlag("the host name is too long");
    pod.hostname = value;
    return {};
  });
  flags.value("journal", [&pod](const std::string& value) -> Result<void> {
    // As systemd takes them: the name is part of names of units and directories.
    if (!AppName::parse(value)) return badFlag("it is auto, off or a journal namespace");
    pod.journal = value;
    return {};
  });
  addNameFlags(flags, pod.nameFiles);
  addIpcFlag(flags);
}

void refuseStartFlags(FlagSet& flags, const char* instead) {
  for (const char* name :
       {"interactive", "mds-register", "net", "private-net", "hostname", "journal", "dns",
        "dns-search", "dns-opt", "dns-domain", "hosts-entry", "ipc"}) {
    flags.optionalValue(name, "", [name, instead](const std::string&) -> Result<void> {
      return refuse(ErrorKind::Unsupported, "E_FLAG",
                    "--" + std::string(name) + " is said when the pod starts",
                    "Give it to " + std::string(instead));
    });
  }
}

Result<void> checkStart(const PodArguments& pod) {
  if (pod.mdsRegister && (pod.networkName == "none")) {
    return badFlag(
        "--mds-register flag does not work with --net=none. Please use 'host', "
        "'default' or an equivalent network");
  }
  return {};
}

Result<StartArguments> parseStartArguments(const std::vector<std::string>& arguments) {
  StartArguments start;
  FlagSet flags;
  addStartFlags(flags, start.pod);
  flags.boolean("detach", start.pod.detach);
  const auto file = [&](const char* name, std::string& target) {
    flags.value(name, [&target](const std::string& value) -> Result<void> {
      target = value;
      return {};
    });
  };
  file("uuid-file", start.uuidFile);
  file("uuid-file-save", start.pod.uuidFile);
  start.operands = TRY(flags.parseAll(arguments));
  if (start.pod.interactive && start.pod.detach)
    return badFlag("--detach does not go with a terminal of the caller's");
  TRY(checkStart(start.pod));
  return start;
}

}  // namespace airlock::cli
