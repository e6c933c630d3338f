// SPDX-License-Identifier: Apache-2.0
// airlock attest verify, attest challenge, audit verify: about another host, with no trust in it
// and no TPM here.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/syscall.h"
#include "cli/attest_client.h"
#include "cli/auditors_trust.h"
#include "cli/command.h"
#include "cli/evidence_file.h"
#include "cli/in_message.h"
#include "cli/options.h"
#include "cli/quote_client.h"
#include "cli/text_output.h"

namespace airlock::cli {

namespace {

// Not 254: what a script tells a verdict by must not be confused with our own trouble.
constexpr int kExitError = 1;
constexpr int kExitUsage = 2;

std::unexpected<Error> usage(std::string what) {
  return refuse(ErrorKind::Invalid, "E_USAGE", std::move(what));
}

int failed(const char* command, const Error& error, const Options& options) {
  note(errorText(command, error, options));
  return error.code() == "E_USAGE" || error.code() == "E_FLAG" ? kExitUsage : kExitError;
}

// What airlock-attest has escaped once is looked at again: it has read foreign bytes.
void printReport(std::string_view report) {
  while (!report.empty()) {
    const std::size_t end = std::min(report.find_first_of("\n\t"), report.size());
    out(printable(report.substr(0, end)));
    out(report.substr(end, 1));
    report.remove_prefix(std::min(end + 1, report.size()));
  }
}

// More than one may be given.
Flag listFlag(std::string name, std::vector<std::string>& into) {
  return {.name = std::move(name),
          .value = Flag::Value::Required,
          .set = [&into](const std::string& value) -> Result<void> {
            into.push_back(value);
            return {};
          }};
}

Result<void> expectRoots(const std::vector<std::string>& crls, const std::string& roots) {
  if (crls.empty() || !roots.empty()) return {};
  return usage(
      "--crl needs --ek-roots: a list of revoked certificates is believed for its authority");
}

struct VerifyArguments {
  std::string key;
  std::string nonce;
  std::string policy;
  std::string roots;
  std::vector<std::string> crls;
  std::string revoked;
  std::string trust;  // audit verify
  std::vector<std::string> images;
  bool requireHardware = false;
  bool html = false;
  std::string evidence;
};
enum class About { Host, Record };

Result<VerifyArguments> parseVerify(const std::vector<std::string>& arguments, About about) {
  VerifyArguments parsed;
  std::vector<Flag> flags{textFlag("ak", parsed.key),
                          textFlag("nonce", parsed.nonce),
                          textFlag("policy", parsed.policy),
                          textFlag("ek-roots", parsed.roots),
                          textFlag("revoked", parsed.revoked),
                          listFlag("crl", parsed.crls),
                          boolFlag("require-hardware", parsed.requireHardware),
                          boolFlag("html", parsed.html)};
  if (about == About::Record) {
    flags.push_back(textFlag("trust", parsed.trust));
    flags.push_back(listFlag("image", parsed.images));
  }
  const auto operands = TRY(parseFlags(arguments, flags));
  if (operands.size() != 1) return usage("it takes one directory or file of evidence");
  if (parsed.key.empty()) return usage("it needs --ak: the key of the host, or of many");
  if (parsed.requireHardware && parsed.roots.empty()) {
    return usage(
        "--require-hardware needs --ek-roots: the certificates of the makers that you "
        "believe");
  }
  if (!parsed.images.empty() && parsed.trust.empty()) {
    return usage("--image needs --trust: the keys that may have signed it");
  }
  TRY(expectRoots(parsed.crls, parsed.roots));
  if (about == About::Host || !parsed.nonce.empty()) parsed.nonce = TRY(parseNonce(parsed.nonce));
  parsed.evidence = operands.front();
  return parsed;
}

Result<int> verify(const Options& options, const std::vector<std::string>& arguments, About about) {
  const VerifyArguments given = TRY(parseVerify(arguments, about));
  if (given.html && options.json) return usage("it takes one of --html and --json");
  const Fd report = TRY(blankFile("report"));
  std::vector<Fd> files;
  files.push_back(TRY(inMessage(openEvidence(given.evidence), "the evidence")));
  files.push_back(TRY(inMessage(sys::openPath(given.key, O_RDONLY | O_NONBLOCK), "--ak")));
  if (!given.policy.empty()) {
    files.push_back(TRY(inMessage(sys::openPath(given.policy, O_RDONLY | O_NONBLOCK), "--policy")));
  }
  if (!given.roots.empty()) files.push_back(TRY(openRoots(given.roots)));
  if (!given.crls.empty()) files.push_back(TRY(openCrls(given.crls)));
  if (!given.revoked.empty()) {
    files.push_back(
        TRY(inMessage(sys::openPath(given.revoked, O_RDONLY | O_NONBLOCK), "--revoked")));
  }
  if (!given.trust.empty()) {
    const store::KeyStore keys = TRY(openAuditorsKeys(given.trust));
    files.push_back(TRY(fileWith("trust", TRY(gatherTrust(keys, files.front(), given.images)))));
    TRY(rewind(files.front()));
  }
  std::vector<FdRef> fds{report};
  fds.insert(fds.end(), files.begin(), files.end());
  const ipc::Appraised verdict =
      TRY(askAttest(ipc::VerifyEvidence{.nonce = given.nonce,
                                        .hasPolicy = !given.policy.empty(),
                                        .hasRoots = !given.roots.empty(),
                                        .requireHardware = given.requireHardware,
                                        .json = options.json,
                                        .audit = about == About::Record,
                                        .hasTrust = !given.trust.empty(),
                                        .hasCrls = !given.crls.empty(),
                                        .hasRevoked = !given.revoked.empty(),
                                        .page = given.html},
                    fds));
  printReport(TRY(contentOf(report)));
  TRY(outputIsWhole());
  return verdict.status;
}

Result<int> makeChallenge(const Options& options, const std::vector<std::string>& arguments) {
  std::string endorsement;
  std::string attestation;
  std::string roots;
  std::string output;
  std::string secretPath;
  std::vector<std::string> crls;
  const auto operands = TRY(parseFlags(
      arguments, {textFlag("ek", endorsement), textFlag("ak-pub", attestation),
                  textFlag("ek-roots", roots), listFlag("crl", crls), textFlag("output", output),
                  textFlag("o", output), textFlag("secret", secretPath)}));
  if (!operands.empty() || endorsement.empty() || attestation.empty() || output.empty() ||
      secretPath.empty()) {
    return usage("attest challenge needs --ek, --ak-pub, --output and --secret, and no argument");
  }
  TRY(expectRoots(crls, roots));
  const Fd challenge = TRY(blankFile("challenge"));
  const Fd secret = TRY(blankFile("secret"));
  std::vector<Fd> files;
  files.push_back(TRY(inMessage(sys::openPath(endorsement, O_RDONLY | O_NONBLOCK), "--ek")));
  files.push_back(TRY(inMessage(sys::openPath(attestation, O_RDONLY | O_NONBLOCK), "--ak-pub")));
  if (!roots.empty()) files.push_back(TRY(openRoots(roots)));
  if (!crls.empty()) files.push_back(TRY(openCrls(crls)));
  std::vector<FdRef> fds{challenge, secret};
  fds.insert(fds.end(), files.begin(), files.end());
  const ipc::Appraised made =
      TRY(askAttest(ipc::MakeChallenge{.hasRoots = !roots.empty(), .hasCrls = !crls.empty()}, fds));
  if (made.status != 0) {
    note(errorText("attest challenge",
                   Error(ErrorKind::Denied, printable(made.text)).withCode(printable(made.code)),
                   options));
    return made.status;
  }
  if (!made.text.empty()) inform(printable(made.text));
  // Both, or neither: a secret that belongs to no challenge is of no use, and in the way.
  TRY(writeNewFile(secretPath, TRY(contentOf(secret)), IfThere::Refuse, kForOwner));
  auto written = writeNewFile(output, TRY(contentOf(challenge)));
  if (!written) {
    static_cast<void>(::unlink(secretPath.c_str()));
    return std::unexpected(std::move(written.error()));
  }
  return 0;
}

}  // namespace

Result<int> attestVerify(const Options& options, const std::vector<std::string>& arguments) {
  auto done = verify(options, arguments, About::Host);
  return done ? *done : failed("attest verify", done.error(), options);
}

Result<int> auditVerify(const Options& options, const std::vector<std::string>& arguments) {
  auto done = verify(options, arguments, About::Record);
  return done ? *done : failed("audit verify", done.error(), options);
}

Result<int> attestChallenge(const Options& options, const std::vector<std::string>& arguments) {
  auto done = makeChallenge(options, arguments);
  return done ? *done : failed("attest challenge", done.error(), options);
}

}  // namespace airlock::cli
