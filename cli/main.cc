// SPDX-License-Identifier: Apache-2.0
// airlock: the commands of a user.  Runs as whoever calls it; asks the helper for what only root
// can do.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/text_output.h"

namespace airlock::cli {
namespace {

constexpr Command kCommands[] = {
    {"app add", "UUID IMAGE [APP-FLAGS] [-- ARGUMENT...]",
     "add an app to a running sandbox, without starting it",
     "--mnt-volume=\"\"\tname=NAME,kind=host|empty,source=PATH,target=PATH[,readOnly=true]: the "
     "app's own\n"
     "--name=\"\"\tof the app; else its image's\n"
     "--pull-policy=\"new\"\twhen to download: never, new, update\n"
     "--stdin=\"null\"\tnull, stream or tty\n"
     "--stdout=\"log\"\tnull, log, stream or tty\n"
     "--stderr=\"log\"\tlikewise\n"
     "\tand every flag of run that is an app's\n",
     appAdd},
    {"app exec", "[--app=NAME] UUID [COMMAND [ARGUMENT...]]",
     "run a command in a running app, confined as it is",
     "--app=\"\"\tthe app to enter, where a pod has several\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     enter},
    {"app list", "UUID", "list the apps of a pod",
     "--format=\"\"\tjson or json-pretty\n"
     "--no-legend\twithout the line of column names\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     appList},
    {"app rm", "UUID --app=NAME",
     "remove a stopped app from a sandbox, with all that it has written",
     "--app=\"\"\tthe app\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     appRemove},
    {"app sandbox", "[POD-FLAGS]", "start a pod without an app, to which apps can be added",
     "--annotation=\"\"\tNAME=VALUE of the pod\n"
     "--detach\tprint the UUID when the pod is ready, and leave it running\n"
     "--dns=\"\"\tcomma list of name servers, host or none\n"
     "--dns-domain=\"\"\tof the resolver\n"
     "--dns-opt=\"\"\toption of the resolver\n"
     "--dns-search=\"\"\tdomain that the resolver searches\n"
     "--hostname=\"\"\tof the pod; airlock-UUID otherwise\n"
     "--hosts-entry=\"\"\tIP=NAME for /etc/hosts, or host\n"
     "--ipc=\"auto\"\tauto or private\n"
     "--net[=default]\tnone: loopback alone; host: the host's network, where policy allows it\n"
     "--pod-name=\"\"\tthat the pod can be called by, beside its UUID\n"
     "--user-annotation=\"\"\tNAME=VALUE, for people\n"
     "--user-label=\"\"\tlikewise\n"
     "--uuid-file-save=\"\"\twrite the pod's UUID there\n",
     appSandbox},
    {"app start", "UUID --app=NAME", "start an app of a sandbox",
     "--app=\"\"\tthe app\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     appStart},
    {"app status", "UUID --app=NAME", "tell how an app is",
     "--app=\"\"\tthe app\n"
     "--format=\"\"\tjson or json-pretty\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     appStatus},
    {"app stop", "UUID --app=NAME", "stop an app of a sandbox",
     "--app=\"\"\tthe app\n"
     "--force\tkill it\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     appStop},
    {"attach", "[--app=NAME] [--mode=MODE] UUID", "attach to the streams of a running app",
     "--app=\"\"\tthe app to attach to, where a pod has several\n"
     "--mode=\"auto\"\tlist, auto, tty, tty-in, tty-out, or some of stdin,stdout,stderr\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     attach},
    {"attest activate", "CHALLENGE --output=FILE",
     "answer a verifier's challenge: show that the attestation key is in this TPM",
     "--endorsement-auth-file=\"\"\tthe password of the TPM's endorsement hierarchy: a file, or -\n"
     "--output=\"\"\tor -o: write the secret of the challenge there\n"
     "--owner-auth-file=\"\"\tthe password of the TPM's owner hierarchy: a file, or - for standard "
     "input\n",
     attestActivate},
    {"attest challenge", "--ek=FILE --ak-pub=FILE --output=FILE --secret=FILE",
     "make a secret that only the TPM with these two keys can read, to enrol a host",
     "--ak-pub=\"\"\tthe attestation key: a TPM2B_PUBLIC\n"
     "--crl=\"\"\tcertificates that TPM makers revoked, a directory or a file; may be repeated\n"
     "--ek=\"\"\tthe endorsement key: its certificate, a TPM2B_PUBLIC or PEM\n"
     "--ek-roots=\"\"\tcertificates of TPM makers, a directory or a file: the EK's must be one of "
     "theirs\n"
     "--output=\"\"\tor -o: write the challenge there\n"
     "--secret=\"\"\twrite there what the host must answer\n",
     attestChallenge, false},
    {"attest enroll", "--output=DIR",
     "write the public parts of the TPM's keys, and its certificate, for a verifier",
     "--endorsement-auth-file=\"\"\tthe password of the TPM's endorsement hierarchy: a file, or -\n"
     "--output=\"\"\tor -o: a new directory for the files\n"
     "--owner-auth-file=\"\"\tthe password of the TPM's owner hierarchy: a file, or - for standard "
     "input\n",
     attestEnroll},
    {"attest init", "", "make the attestation key of this host",
     "--endorsement-auth-file=\"\"\tthe password of the TPM's endorsement hierarchy: a file, or -\n"
     "--force\treplace the one that there is: verifiers must learn the new one\n"
     "--owner-auth-file=\"\"\tthe password of the TPM's owner hierarchy: a file, or - for standard "
     "input\n",
     attestInit},
    {"attest quote", "--nonce=HEX --output=DIR",
     "have the TPM sign its registers, and write them with the logs: evidence for a verifier",
     "--nonce=\"\"\twhat the verifier asks with, 16 to 64 bytes in hex\n"
     "--output=\"\"\tor -o: a new directory for the files\n"
     "--pcrs=\"sha256:0-15\"\tregisters, such as sha256:0-7,14+sha384:15; that of the log is "
     "always among them\n",
     attestQuote},
    {"attest revoke", "", "remove the attestation key from the TPM",
     "--owner-auth-file=\"\"\tthe password of the TPM's owner hierarchy: a file, or - for standard "
     "input\n",
     attestRevoke},
    {"attest verify", "--ak=FILE --nonce=HEX [--policy=FILE] EVIDENCE",
     "tell from its evidence what ran on another host, without trusting it",
     "--ak=\"\"\tthe keys that are trusted: PEM, or a TPM2B_PUBLIC\n"
     "--crl=\"\"\tcertificates that TPM makers revoked, a directory or a file; may be repeated\n"
     "--ek-roots=\"\"\tcertificates of TPM makers, a directory or a file\n"
     "--html\tthe report as a page for a browser\n"
     "--nonce=\"\"\twhat the host was asked with, in hex\n"
     "--policy=\"\"\twhat is asked of the host: airlock-fleet-policy(5)\n"
     "--require-hardware\trefuse a software TPM, and one whose maker is not trusted\n"
     "--revoked=\"\"\tkeys that are not believed any more: a fingerprint or name in each line\n",
     attestVerify, false},
    {"audit export", "--since-boot|--boot=ID -o FILE",
     "write what an auditor needs who does not trust this host into one file",
     "--boot=\"\"\tof this boot, by its id\n"
     "-o=\"\"\tor --output: the file; - is standard output\n"
     "--overwrite\treplace a file that is there\n"
     "--nonce=\"\"\twhat the auditor asks with, in hex; else nothing shows when it was quoted\n"
     "--quote\twith a quote of the TPM; --quote=DIR: what airlock attest quote wrote there\n"
     "--since-boot\tof this boot\n",
     auditExport},
    {"audit prove", "POD [-o FILE]", "write the evidence for one pod into one file",
     "-o=\"POD.evidence\"\tor --output: the file; - is standard output\n"
     "--overwrite\treplace a file that is there\n"
     "--nonce=\"\"\tas for audit export\n"
     "--quote\tlikewise\n",
     auditProve},
    {"audit query", "[FLAGS]",
     "list what was decided on this host: what ran, who asked, who signed",
     "--boot=\"\"\tof this boot, by its id\n"
     "--fields=\"seq,time,user,op,about,result\"\tcomma list of columns; also auid, pod, image, "
     "name, key, rule, policy, trust, insecure, missing, text, boot, digest\n"
     "--image=\"\"\tabout this image: an id, its beginning, a name or one above it\n"
     "--no-legend\twithout the line of column names\n"
     "--op=\"\"\tof this kind: run, import, enter, stop, policy, …\n"
     "--pod=\"\"\tabout this pod, by its UUID or a beginning of it\n"
     "--refused\twhat was refused or has failed\n"
     "--since=\"\"\tfor this long (10m), or since a time (2026-11-28T22:31, UTC)\n"
     "--until=\"\"\tbefore that\n"
     "--user=\"\"\tasked by this user\n",
     auditQuery},
    {"audit report", "--html -o FILE", "write the audit record as one page for a browser",
     "--html\tthe only form so far\n"
     "-o=\"\"\tor --output: the file; - is standard output\n"
     "--overwrite\treplace a file that is there\n"
     "--since=\"\"\tas for audit query\n"
     "--until=\"\"\tlikewise\n",
     auditReportPage},
    {"audit show", "N|POD", "tell all that the audit record has of a line, or of a pod", "",
     auditShow},
    {"audit verify", "--ak=FILE [--trust=DIR [--image=FILE]...] [--nonce=HEX] EVIDENCE",
     "tell from what another host exported what ran there and who vouched for it, without trusting "
     "it",
     "--ak=\"\"\tthe keys that are trusted: PEM, or a TPM2B_PUBLIC\n"
     "--crl=\"\"\tcertificates that TPM makers revoked, a directory or a file; may be repeated\n"
     "--ek-roots=\"\"\tcertificates of TPM makers, a directory or a file\n"
     "--html\tthe report as a page for a browser\n"
     "--image=\"\"\tan image's file, to verify its signature again; may be given again\n"
     "--nonce=\"\"\twhat the host was asked with, in hex\n"
     "--policy=\"\"\twhat is asked of the host: airlock-fleet-policy(5)\n"
     "--require-hardware\trefuse a software TPM, and one whose maker is not trusted\n"
     "--revoked=\"\"\tkeys that are not believed any more: a fingerprint or name in each line\n"
     "--trust=\"\"\twhose signatures count: a directory trustedkeys of your own\n",
     auditVerify, false},
    {"cat-manifest", "[--uuid-file=FILE] UUID", "print the manifest of a pod",
     "--pretty-print=true\tindented\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     catManifest},
    {"completion", "bash|fish|zsh",
     "print the completion of commands, flags, images and pods for a shell", "", completion, false},
    {"config", "", "print what the configuration says, all its directories together",
     "--pretty-print=true\tindented\n"
     "--show-secrets\tpasswords, tokens and keys too\n",
     config, false},
    {"config import-policy-json", "[--who=WHO] FILE",
     "take a containers policy over: rules, and the keys that it trusts",
     "--dry-run\tonly tell what would be done\n"
     "--force\treplace files that say something else\n"
     "--name=\"10-containers\"\tof the file in policy.d\n"
     "--who=\"root\"\twhom it is for: root, anyone, user:NAME or group:NAME\n",
     configImportPolicyJson, false},
    {"config import-rkt", "[--from=/etc/rkt]", "take rkt's configuration and trusted keys over",
     "--dry-run\tonly tell what would be done\n"
     "--from=\"/etc/rkt\"\tthe configuration directory of rkt\n",
     configImportRkt, false},
    {"doctor", "", "tell what this host enforces, what it does not, and what to do about it", "",
     doctor},
    {"enter", "[--app=NAME] UUID [COMMAND [ARGUMENT...]]",
     "run a command in a running pod, confined as its app is",
     "--app=\"\"\tthe app to enter, where a pod has several\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     enter},
    {"export", "[--app=NAME] [--overwrite] UUID FILE.aci", "make an image of an exited app",
     "--app=\"\"\tthe app to export, where a pod has several\n"
     "--overwrite\treplace FILE.aci\n",
     exportApp},
    {"fetch", "IMAGE [--signature=FILE]...", "fetch images, verify them and keep them in the store",
     "--full\tprint whole image ids\n"
     "--local\tas --pull-policy=never\n"
     "--no-store\tas --pull-policy=update\n"
     "--pull-policy=\"update\"\twhen to download: never, new (what the store does not have), "
     "update\n"
     "--signature=\"\"\tdetached signature of the image before it, a file or a URL\n"
     "--store-only\tas --pull-policy=never\n",
     fetch},
    {"gc", "", "take away what exited pods left behind",
     "--expire-prepared=\"24h0m0s\"\tafter which prepared pods are taken for abandoned\n"
     "--grace-period=\"30m0s\"\tfor which exited pods are kept\n"
     "--mark-only\tmark exited pods, remove nothing\n",
     collectGarbage},
    {"image cat-manifest", "IMAGE", "print the manifest of an image",
     "--pretty-print=true\tindented\n", imageCatManifest},
    {"image export", "IMAGE FILE", "write an image into a file, uncompressed",
     "--overwrite\treplace a file that is there\n", imageExport},
    {"image extract", "IMAGE DIR", "copy what is in one image, without its dependencies, as files",
     "--overwrite\treplace a directory that is there\n"
     "--rootfs-only\tthe files of its root alone, without its manifest\n",
     imageExtract},
    {"image gc", "", "remove the images that nobody uses",
     "--grace-period=\"24h0m0s\"\tfor which an image is kept after it was used\n", imageCollect},
    {"image list", "", "list the images in the store",
     "--fields=\"id,name,size,importtime,lastused\"\tcomma list of columns; also latest, "
     "shared and signer\n"
     "--format=\"\"\tjson or json-pretty\n"
     "--full\twhole ids, times and sizes\n"
     "--no-legend\twithout the line of column names\n"
     "--order=\"asc\"\tasc or desc\n"
     "--sort=\"importtime\"\tcomma list of fields\n",
     imageList},
    {"image render", "IMAGE DIR", "copy the tree that an image runs with, with its dependencies",
     "--overwrite\treplace a directory that is there\n"
     "--rootfs-only\tthe files of its root alone, without its manifest\n",
     imageRender},
    {"image rm", "IMAGE...", "remove images from the store", "", imageRemove},
    {"image verify", "[IMAGE...]",
     "check that images in the store, or all, are what was imported, and signed still", "",
     imageVerify},
    {"list", "", "list pods",
     "--format=\"\"\tjson or json-pretty\n"
     "--full\twhole ids and times\n"
     "--no-legend\twithout the line of column names\n",
     list},
    {"logs", "[-f] [--app=NAME] UUID", "print what a pod's apps have logged",
     "--app=\"\"\tof this app alone\n"
     "--follow\tor -f: go on until the pod has ended\n"
     "--no-timestamps\twithout the time before each line\n"
     "--plain\tthe text alone, errors on standard error\n"
     "--since=\"\"\tfor this long (10m), or since a time\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     logs},
    {"metadata-service", "[--listen-port=18112]",
     "tell the pods that are registered with it about themselves, over HTTP",
     "--listen-address=\"127.0.0.1\"\twhere pods find it\n"
     "--listen-port=\"18112\"\tand at which port\n",
     metadataService},
    {"policy diff", "[BEFORE [AFTER]]",
     "compare two policies that were in force, by time or digest; else the last two", "",
     policyDiff},
    {"policy explain", "run|fetch IMAGE...",
     "tell whether something is allowed, and which line of the policy says so",
     "--as=\"\"\tfor this user, by name or uid (root only)\n"
     "--caps-retain=\"\"\tcomma list of capabilities to be kept, or all\n"
     "--net=\"none\"\tnone or host\n"
     "--volume=\"\"\tNAME=/PATH of a volume of the host\n",
     policyExplain},
    {"prepare", "[POD-FLAGS] IMAGE [APP-FLAGS] [-- ARGUMENT...] [--- IMAGE...]",
     "put a pod on disk without starting it, and print its UUID",
     "--quiet\tas without it: only the UUID is printed\n"
     "--pod-manifest=\"\"\tthe pod is exactly what this file says\n"
     "--pod-name=\"\"\tthat the pod can be called by, beside its UUID\n"
     "--uuid-file-save=\"\"\twrite the pod's UUID there\n"
     "\tand every flag of run that does not belong to a start\n",
     prepare},
    {"rm", "[--uuid-file=FILE] UUID...", "remove pods that have exited",
     "--uuid-file=\"\"\tread the pod's UUID from this file\n", removePods},
    {"run", "[POD-FLAGS] IMAGE [APP-FLAGS] [-- ARGUMENT...] [--- IMAGE...]", "run images as a pod",
     "--detach\tprint the UUID when the pod is ready, and leave it running\n"
     "--dns=\"\"\tcomma list of name servers, host or none\n"
     "--dns-domain=\"\"\tof the resolver\n"
     "--dns-opt=\"\"\toption of the resolver\n"
     "--dns-search=\"\"\tdomain that the resolver searches\n"
     "--hosts-entry=\"\"\tIP=NAME for /etc/hosts, or host\n"
     "--ipc=\"auto\"\tauto or private\n"
     "--mds-register\tregister the pod with the metadata service\n"
     "--pod-manifest=\"\"\tthe pod is exactly what this file says\n"
     "--pod-name=\"\"\tthat the pod can be called by, beside its UUID\n"
     "--port=\"\"\tNAME:[IP:]PORT of the host (no private networks in this version)\n"
     "--annotation=\"\"\tNAME=VALUE of the app before it, or of the pod\n"
     "--user-annotation=\"\"\tlikewise, for people\n"
     "--user-label=\"\"\tlikewise\n"
     "--hostname=\"\"\tof the pod; airlock-UUID otherwise\n"
     "--inherit-env\tgive the apps this environment\n"
     "--interactive\tgive the app a terminal\n"
     "--journal=\"auto\"\tauto, off, or a journal namespace for the apps' output\n"
     "--net[=default]\tnone: loopback alone; host: the host's network, where policy allows it\n"
     "--pull-policy=\"new\"\twhen to download: never, new, update\n"
     "--set-env=\"\"\tNAME=VALUE for every app\n"
     "--set-env-file=\"\"\ta file of such lines\n"
     "--uuid-file-save=\"\"\twrite the pod's UUID there\n"
     "--volume=\"\"\tNAME,kind=host,source=PATH[,readOnly=true] or NAME,kind=empty\n"
     "--mount=\"\"\tvolume=NAME,target=PATH; after an image for that app alone\n"
     "--exec=\"\"\tprogram to run instead of the image's (after an image, as all below)\n"
     "--name=\"\"\tof the app\n"
     "--notify\tthe app says when it is ready (sd_notify)\n"
     "--user=\"\"\tof the app\n"
     "--group=\"\"\tof the app\n"
     "--supplementary-gids=\"\"\tcomma list\n"
     "--environment=\"\"\tNAME=VALUE for the app\n"
     "--working-dir=\"\"\tof the app\n"
     "--readonly-rootfs\tthe app cannot write to its root\n"
     "--caps-retain=\"\"\tcapabilities to be kept\n"
     "--caps-remove=\"\"\tcapabilities to be taken away\n"
     "--stdin=\"\"\tnull, stream, tty or interactive\n"
     "--stdout=\"\"\tnull, log, stream, tty or interactive\n"
     "--stderr=\"\"\tlikewise\n"
     "--seccomp=\"\"\tmode=retain|remove,@SET or CALL,…\n"
     "--memory=\"\"\tlimit, such as 64M\n"
     "--cpu=\"\"\tlimit, such as 500m\n"
     "--cpu-shares=\"\"\tweight beside other pods\n"
     "--pids-limit=\"\"\tmost processes and threads\n"
     "--oom-score-adj=\"\"\tfor the kernel when memory runs out\n"
     "--signature=\"\"\tdetached signature of the image before it\n",
     run},
    {"run-prepared", "[--uuid-file=FILE] UUID", "start a prepared pod",
     "--detach\tprint the UUID when the pod is ready, and leave it running\n"
     "--dns=\"\"\tcomma list of name servers, host or none\n"
     "--dns-domain=\"\"\tof the resolver\n"
     "--dns-opt=\"\"\toption of the resolver\n"
     "--dns-search=\"\"\tdomain that the resolver searches\n"
     "--hostname=\"\"\tof the pod; airlock-UUID otherwise\n"
     "--hosts-entry=\"\"\tIP=NAME for /etc/hosts, or host\n"
     "--interactive\tgive the app a terminal\n"
     "--ipc=\"auto\"\tauto or private\n"
     "--journal=\"auto\"\tauto, off, or a journal namespace for the apps' output\n"
     "--mds-register\tregister the pod with the metadata service\n"
     "--net[=default]\tnone: loopback alone; host: the host's network, where policy allows it\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n"
     "--uuid-file-save=\"\"\twrite the pod's UUID there\n",
     runPrepared},
    {"status", "[--uuid-file=FILE] UUID", "tell how a pod is",
     "--format=\"\"\tjson or json-pretty\n"
     "--insecure\ttell what is weaker than usual, of this pod or of all that run\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n"
     "--wait[=true]\tuntil the pod has exited, or for this long\n"
     "--wait-ready[=true]\tuntil the pod is ready, or for this long\n",
     status},
    {"stop", "[--uuid-file=FILE] UUID...", "stop pods",
     "--force\tkill them\n"
     "--uuid-file=\"\"\tread the pod's UUID from this file\n",
     stop},
    {"tpm log", "[--format=FORMAT]",
     "print what was measured since boot, and whether it replays to the TPM's register",
     "--format=\"\"\tcel-json or cel-tlv: the records alone, in TCG's Canonical Event Log\n",
     tpmLog},
    {"trust", "[--prefix=PREFIX | --root] [KEY...]", "trust a key to sign images",
     "--insecure-allow-http\tallow keys over plain HTTP\n"
     "--prefix=\"\"\tfor images of this name and below\n"
     "--root\tfor every image\n"
     "--skip-fingerprint-review\tdo not ask\n",
     trust},
    {"trust list", "", "list the trusted keys", "", trustList},
    {"trust remove", "--prefix=PREFIX|--root FINGERPRINT...", "trust a key no longer",
     "--prefix=\"\"\tfor images of this name and below\n"
     "--root\tfor every image\n",
     trustRemove},
    {"trust why", "NAME [FINGERPRINT]", "tell which keys may sign images of this name, and why", "",
     trustWhy},
    {"version", "", "print the version", "", version, false},
};

std::string usageHint() { return "Run '" + programName() + " --help' for usage.\n"; }

Result<int> runWithPaths(const Command& command, CommandLine line) {
  if (command.needsPaths)
    TRY(inContext(applyConfiguredPaths(line.options), "cannot get configuration"));
  return command.function(line.options, line.arguments);
}

int runCommand(const CommandLine& line) {
  const Command& command = *line.command;
  auto code = runWithPaths(command, line);
  if (code && *code == 0) {
    if (auto whole = outputIsWhole(); !whole) code = std::unexpected(std::move(whole.error()));
  }
  if (code) return *code;
  // rkt's messages name the last word: "rm: …" for `image rm`.
  std::string_view name = command.name;
  for (const std::string_view group : {"image ", "app "})
    if (name.starts_with(group)) name.remove_prefix(group.size());
  note(errorText(std::string(name), code.error(), line.options));
  return kExitFailure;
}

int badCommandLine(const Error& error, const Options& options) {
  note(errorText("Error", error, options));
  if (!options.json) note(usageHint());
  return kExitFailure;
}

// The first file that is opened would get the number of a standard descriptor that is closed, and
// what is said would be written into it.
void holdStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_RDWR));
  }
}

int main(std::span<char*> arguments) {
  holdStandardDescriptors();
  // Nobody of our own uid may look into a process that holds a connection to the helper.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(022);
  if (arguments.empty()) return kExitFailure;
  setProgramName(arguments.front());
  const std::vector<std::string> words(arguments.begin() + 1, arguments.end());
  const auto line = parseCommandLine(kCommands, words);
  if (!line) {
    Options options;
    for (const std::string& word : words) options.json |= word == "--json";
    return badCommandLine(line.error(), options);
  }
  if (line->help) {
    out(line->command != nullptr ? commandHelp(*line->command, kCommands)
        : line->group.empty()    ? generalHelp(kCommands)
                                 : groupHelp(line->group, kCommands));
    return outputIsWhole() ? 0 : kExitFailure;
  }
  if (line->command == nullptr) {
    note("missing command\n" + generalHelp(kCommands));
    return kExitNoCommand;
  }
  return runCommand(*line);
}

}  // namespace
}  // namespace airlock::cli

int main(int argc, char** argv) {
  return airlock::cli::main({argv, static_cast<std::size_t>(argc)});
}
