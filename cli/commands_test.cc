// SPDX-License-Identifier: Apache-2.0
// The program as its users meet it: what it prints, where, and how it ends.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <set>

#include "base/process.h"
#include "base/syscall.h"

namespace airlock::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t kMost = 1 << 20;

struct Outcome {
  int code = -1;
  std::string output;
  std::string errors;
};

class Program : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/airlock-cli-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    home_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  Outcome run(std::vector<std::string> arguments, const char* name = "airlock",
              const std::optional<Identity>& identity = std::nullopt) const {
    arguments.insert(arguments.begin(), name);
    for (const char* flag : {"--dir=", "--local-config=", "--system-config="}) {
      arguments.insert(arguments.begin() + 1, flag + home_ + "/" + std::string(flag).substr(2, 3));
    }
    const Fd program = sys::openPath(AIRLOCK_BINARY_DIR "/bin/airlock", O_RDONLY).value();
    const std::string outPath = home_ + "/out";
    const std::string errPath = home_ + "/err";
    const Fd out = sys::openPath(outPath, O_RDWR | O_CREAT | O_TRUNC, 0600).value();
    const Fd err = sys::openPath(errPath, O_RDWR | O_CREAT | O_TRUNC, 0600).value();
    Child child = spawn({.executable = program,
                         .arguments = arguments,
                         .environment = {"HOME=" + home_, "TZ=UTC"},
                         .descriptors = {{out, 1}, {err, 2}},
                         .identity = identity})
                      .value();
    const ExitStatus status = child.wait().value();
    return {status.shellCode(), sys::readAll(out, kMost).value(), sys::readAll(err, kMost).value()};
  }

  std::string home_;
};

std::string fileText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> flagsIn(const std::string& text) {
  std::set<std::string> flags;
  const std::regex flag("--[a-z][a-z-]+");
  for (std::sregex_iterator match(text.begin(), text.end(), flag), end; match != end; ++match)
    flags.insert(match->str());
  return flags;
}

constexpr const char* kVerbs[] = {"cat-manifest",
                                  "completion",
                                  "config",
                                  "config import-policy-json",
                                  "config import-rkt",
                                  "audit export",
                                  "audit prove",
                                  "audit query",
                                  "audit report",
                                  "audit show",
                                  "doctor",
                                  "enter",
                                  "fetch",
                                  "gc",
                                  "image cat-manifest",
                                  "image export",
                                  "image extract",
                                  "image gc",
                                  "image list",
                                  "image render",
                                  "image rm",
                                  "image verify",
                                  "list",
                                  "metadata-service",
                                  "policy diff",
                                  "policy explain",
                                  "rm",
                                  "run",
                                  "status",
                                  "stop",
                                  "tpm log",
                                  "trust",
                                  "trust list",
                                  "trust remove",
                                  "trust why",
                                  "version"};

TEST_F(Program, WithoutACommandPrintsHelpAndEndsWith2) {
  const Outcome outcome = run({});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.errors, StartsWith("missing command\nNAME:\n\tairlock - "));
  EXPECT_EQ(outcome.output, "");
}
TEST_F(Program, PrintsHelpInRktsSections) {
  const Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* section :
       {"NAME:\n\t", "\nUSAGE:\n\t", "\nVERSION:\n\t", "\nCOMMANDS:\n\t", "\nOPTIONS:\n\t"}) {
    EXPECT_THAT(outcome.output, HasSubstr(section));
  }
  EXPECT_THAT(outcome.output, HasSubstr("\t      --dir=\"/var/lib/airlock\"\tdata directory\n"));
  for (const char* verb : kVerbs)
    EXPECT_THAT(outcome.output, HasSubstr("\n\t" + std::string(verb))) << verb;
}
TEST_F(Program, RefusesAnUnknownCommand) {
  const Outcome outcome = run({"zzzzzz"});
  EXPECT_EQ(outcome.code, 254);
  EXPECT_EQ(outcome.errors,
            "Error: unknown command \"zzzzzz\" for \"airlock\"\nRun 'airlock --help' for usage.\n");
}
TEST_F(Program, SpeaksOfRktWhenCalledSo) {
  EXPECT_EQ(run({"zzzzzz"}, "/usr/bin/rkt").errors,
            "Error: unknown command \"zzzzzz\" for \"rkt\"\nRun 'rkt --help' for usage.\n");
}
TEST_F(Program, HasRktsNameInTheVersionWhenCalledSo) {
  EXPECT_THAT(run({"version"}, "/usr/bin/rkt").output, StartsWith("rkt Version: "));
}
TEST_F(Program, PrintsACompletionForItsOwnName) {
  EXPECT_THAT(run({"completion", "bash"}).output,
              testing::EndsWith("complete -F _airlock airlock\n"));
  EXPECT_THAT(run({"completion", "bash"}, "rkt").output,
              testing::EndsWith("complete -F _airlock rkt\n"));
  EXPECT_THAT(run({"completion", "zsh"}, "rkt").output, StartsWith("#compdef rkt\n"));
  EXPECT_THAT(run({"completion", "fish"}, "rkt").output,
              HasSubstr("complete -c rkt -f -a '(__airlock_candidates)'\n"));
  EXPECT_EQ(run({"completion", "tcsh"}).code, 254);
  EXPECT_THAT(run({"completion", "tcsh"}).errors,
              StartsWith("completion: unsupported shell type \"tcsh\""));
}
TEST_F(Program, TellsTheStepsOfAnErrorWithDebug) {
  std::filesystem::create_directories(home_ + "/loc/auth.d");
  std::ofstream(home_ + "/loc/auth.d/a.json") << "{}";
  const Outcome outcome = run({"--debug", "config"});
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.errors, StartsWith("config: cannot get configuration\n  └─no airlockKind"));
  EXPECT_EQ(run({"version"}).code, 0);
}
TEST_F(Program, NamesTheNearestFlag) {
  EXPECT_THAT(run({"image", "list", "--fulll"}).errors,
              StartsWith("list: unknown flag: --fulll. Did you mean \"--full\"?"));
}
TEST_F(Program, PrintsTheConfigurationWithoutSecrets) {
  std::filesystem::create_directories(home_ + "/loc/auth.d");
  std::ofstream(home_ + "/loc/auth.d/a.json")
      << R"({"rktKind":"auth","rktVersion":"v1","domains":["a.b"],"type":"oauth","credentials":{"token":"canary"}})";
  EXPECT_THAT(run({"config"}).output, testing::Not(HasSubstr("canary")));
  EXPECT_THAT(run({"config", "--pretty-print=false", "--show-secrets"}, "rkt").output,
              StartsWith(R"({"stage0":[{"rktVersion":"v1","rktKind":"auth","domains":["a.b"])"));
}
TEST_F(Program, PrintsFiveLinesOfVersion) {
  const Outcome outcome = run({"version"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.output, StartsWith("airlock Version: "));
  EXPECT_THAT(outcome.output, HasSubstr("\nappc Version: 0.8.11\n"));
  EXPECT_THAT(outcome.output, HasSubstr("\nFeatures: +TPM"));
  EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 5);
}
TEST_F(Program, FetchesNothingWithoutAnImage) {
  const Outcome outcome = run({"fetch"});
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.errors, StartsWith("fetch: must provide at least one image"));
}
TEST_F(Program, WantsSignaturesAfterTheirImage) {
  EXPECT_THAT(run({"fetch", "--signature=x", "y.aci"}).errors,
              StartsWith("fetch: --signature must follow an image"));
}
TEST_F(Program, NamesTheSignatureThatIsMissing) {
  const std::string image = home_ + "/x.aci";
  std::ofstream(image) << "x";
  const Outcome outcome = run({"fetch", image});
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.errors, StartsWith("fetch: error opening signature file: open " + image +
                                         ".asc: no such file or directory"));
}
TEST_F(Program, ListsAnEmptyStore) {
  EXPECT_EQ(run({"image", "list"}).output, "ID\tNAME\tSIZE\tIMPORT TIME\tLAST USED\n");
  EXPECT_EQ(run({"image", "list", "--no-legend"}).output, "");
  EXPECT_EQ(run({"image", "list", "--format=json"}).output, "[]\n");
  EXPECT_EQ(run({"image", "list", "--fields=id,bogus"}).code, 254);
}
TEST_F(Program, EndsWith254WhenThereIsNothingToRemove) {
  const Outcome outcome = run({"image", "rm", "example.com/nope"});
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.errors, HasSubstr("rm: 1 image(s) cannot be removed\n"));
}
TEST_F(Program, StatusEndsWith1WhenThereIsNoFileWithTheUuid) {
  const Outcome outcome = run({"status", "--uuid-file=" + home_ + "/none"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.errors, StartsWith("status: unable to resolve UUID from file: "));
}
TEST_F(Program, TrustWantsAScope) {
  const Outcome unbounded = run({"trust", "key.asc"});
  EXPECT_EQ(unbounded.code, 254);
  EXPECT_EQ(unbounded.errors,
            "trust: aborting due to implicit unbounded trust (root domain); please specify "
            "--prefix or --root\n"
            "To trust a key for images of one name, and of all names below it:\n"
            "    airlock trust --prefix=example.com/foo [PUBKEY]\n"
            "To trust it for every image (not recommended):\n"
            "    airlock trust --root PUBKEY\n");
  EXPECT_THAT(run({"trust", "--root", "--prefix=a.b"}).errors,
              StartsWith("trust: --root and --prefix usage mutually exclusive"));
  EXPECT_THAT(run({"trust", "--prefix=https://a.b", "k"}).errors,
              StartsWith("trust: --prefix must not contain a URL scheme, omit https://"));
  EXPECT_THAT(run({"trust", "--prefix=a.b", "http://a.b/k"}).errors,
              StartsWith("trust: --insecure-allow-http required for http URLs"));
  EXPECT_THAT(run({"trust", "--prefix=a.b", "ftp://a.b/k"}).errors,
              StartsWith("trust: only local files and http or https URLs supported"));
}
TEST_F(Program, AContainersPolicyIsTakenOverOnceAndReplacedByForceAlone) {
  const auto shell = [&](const std::string& script) {
    ASSERT_EQ(std::system(("cd " + home_ + " && { " + script + "; } >/dev/null 2>&1").c_str()), 0)
        << script;
  };
  shell("openssl genpkey -algorithm ED25519 -out key && openssl pkey -in key -pubout -out key.pub");
  std::ofstream(home_ + "/policy.json")
      << R"({"default":[{"type":"reject"}],"transports":{"docker":{"registry.example:5000/team":)"
      << R"([{"type":"sigstoreSigned","keyPath":")" << home_
      << R"(/key.pub","signedIdentity":{"type":"matchRepository"}}]}}})";
  const Outcome planned =
      run({"config", "import-policy-json", "--dry-run", home_ + "/policy.json"});
  EXPECT_EQ(planned.code, 0) << planned.errors;
  EXPECT_THAT(planned.output, HasSubstr("would write "));
  EXPECT_FALSE(std::filesystem::exists(home_ + "/loc/policy.d/10-containers.policy"));
  const Outcome done = run({"config", "import-policy-json", home_ + "/policy.json"});
  EXPECT_EQ(done.code, 0) << done.errors;
  const std::string rules = fileText(home_ + "/loc/policy.d/10-containers.policy");
  EXPECT_THAT(rules,
              HasSubstr("allow root fetch,run image=registry.example~5000/team kinds=cosign\n"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(
                              home_ + "/loc/trustedkeys/prefix.d/registry.example~5000/team"),
                          {}),
            1);
  EXPECT_EQ(run({"config", "import-policy-json", home_ + "/policy.json"}).code, 0);
  const Outcome other =
      run({"config", "import-policy-json", "--who=group:airlock", home_ + "/policy.json"});
  EXPECT_EQ(other.code, 254);
  EXPECT_THAT(other.errors, HasSubstr("10-containers.policy says something else"));
  EXPECT_EQ(fileText(home_ + "/loc/policy.d/10-containers.policy"), rules);
  EXPECT_EQ(run({"config", "import-policy-json", "--force", "--who=group:airlock",
                 home_ + "/policy.json"})
                .code,
            0);
  EXPECT_THAT(fileText(home_ + "/loc/policy.d/10-containers.policy"),
              HasSubstr("allow group:airlock fetch"));
  EXPECT_EQ(run({"config", "import-policy-json", "--who=a b", home_ + "/policy.json"}).code, 254);
}
TEST_F(Program, APublicKeyIsTrustedForARegistrysPrefixAndALogsForItsOwn) {
  ASSERT_EQ(std::system(("cd " + home_ +
                         " && { openssl genpkey -algorithm ED25519 -out key && "
                         "openssl pkey -in key -pubout -out key.pub; } >/dev/null 2>&1")
                            .c_str()),
            0);
  const Outcome trusted = run({"trust", "--prefix=registry.example:5000/team",
                               "--skip-fingerprint-review", home_ + "/key.pub"});
  EXPECT_EQ(trusted.code, 0) << trusted.errors;
  EXPECT_THAT(trusted.errors, HasSubstr("public key fingerprint is: sha256-"));
  EXPECT_THAT(trusted.errors, HasSubstr("\tEd25519\n"));
  const Outcome log =
      run({"trust", "--transparency-log", "--skip-fingerprint-review", home_ + "/key.pub"});
  EXPECT_EQ(log.code, 0) << log.errors;
  const Outcome list = run({"trust", "list"});
  EXPECT_THAT(list.output, HasSubstr("registry.example~5000/team"));
  EXPECT_THAT(list.output, HasSubstr("transparency log"));
  const auto at = list.output.find("sha256-");
  ASSERT_NE(at, std::string::npos);
  const std::string fingerprint = list.output.substr(at, 71);
  EXPECT_EQ(run({"trust", "remove", "--transparency-log", fingerprint}).code, 0);
  EXPECT_EQ(run({"trust", "remove", "--prefix=registry.example:5000/team", fingerprint}).code, 0);
  EXPECT_THAT(run({"trust", "list"}).output, Not(HasSubstr("sha256-")));
}
TEST_F(Program, TrustRemoveTakesTheOwnFileAwayAndMasksTheVendors) {
  const std::string fingerprint(40, 'a');
  const std::string place = "/trustedkeys/prefix.d/example.com/" + fingerprint;
  for (const char* root : {"loc", "sys"}) {
    std::filesystem::create_directories(home_ + "/" + root + "/trustedkeys/prefix.d/example.com");
    std::ofstream(home_ + "/" + root + place) << "key";
  }
  EXPECT_EQ(run({"trust", "remove", fingerprint}).code, 254);
  const Outcome outcome = run({"trust", "remove", "--prefix=example.com",
                               std::string(20, 'A') + " " + std::string(20, 'a')});
  EXPECT_EQ(outcome.output, "disabled the key with the empty file " + home_ + "/loc" + place + "\n")
      << outcome.errors;
  EXPECT_EQ(fileText(home_ + "/loc" + place), "");
  EXPECT_EQ(fileText(home_ + "/sys" + place), "key");
  EXPECT_THAT(run({"trust", "remove", "--prefix=example.com", fingerprint}).errors,
              StartsWith("trust remove: key " + fingerprint + " is not trusted for prefix"));
  std::filesystem::remove(home_ + "/sys" + place);
  std::ofstream(home_ + "/loc" + place) << "key";
  EXPECT_EQ(run({"trust", "remove", "--prefix=example.com", fingerprint}).output,
            "removed " + home_ + "/loc" + place + "\n");
  EXPECT_FALSE(std::filesystem::exists(home_ + "/loc" + place));
}
TEST_F(Program, HelpsWithAGroupOfCommands) {
  for (const auto& words : {std::vector<std::string>{"image", "-h"}, {"help", "image"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.output, HasSubstr("COMMANDS:\n\timage cat-manifest\t"));
    EXPECT_THAT(outcome.output, testing::Not(HasSubstr("\n\tfetch")));
  }
  EXPECT_THAT(run({"tpm", "-h"}).output, HasSubstr("\n\ttpm log\t"));
  EXPECT_THAT(run({"policy", "--help"}).output, HasSubstr("\n\tpolicy explain\t"));
  EXPECT_THAT(run({"audit", "-h"}).output, HasSubstr("\n\taudit report\t"));
  EXPECT_THAT(run({"trust", "-h"}).output, HasSubstr("\n\ttrust list"));
}
TEST_F(Program, NamesTheNearestCommand) {
  EXPECT_THAT(run({"fetsh"}).errors, HasSubstr("Did you mean \"fetch\"?"));
  EXPECT_THAT(run({"image", "lsit"}).errors, HasSubstr("Did you mean \"image list\"?"));
}
TEST_F(Program, RunSaysThatThereIsNoHelperBeforeAnythingElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  constexpr uid_t nobody = 65534;
  ASSERT_EQ(::chmod(home_.c_str(), 0755), 0);
  const Outcome outcome =
      run({"run", "example.com/nowhere"}, "airlock", Identity{nobody, nobody, {}});
  EXPECT_EQ(outcome.code, 254);
  EXPECT_THAT(outcome.errors,
              StartsWith("run: no helper can be reached: there is no socket " + home_));
  EXPECT_THAT(outcome.errors, HasSubstr("airlock-helper.socket"));
  EXPECT_EQ(std::count(outcome.errors.begin(), outcome.errors.end(), '\n'), 1) << outcome.errors;
  const std::string findings = run({"doctor"}, "airlock", Identity{nobody, nobody, {}}).output;
  EXPECT_THAT(findings, StartsWith("helper: not enforced: no helper can be reached"));
}
TEST_F(Program, ErrorsAreObjectsWithJson) {
  EXPECT_THAT(run({"--json", "fetch"}).errors,
              StartsWith("{\"command\":\"fetch\",\"code\":\"E_USAGE\""));
}
TEST_F(Program, DoctorSaysOfEachLayerWhetherItHolds) {
  const Outcome outcome = run({"doctor"});
  EXPECT_EQ(outcome.code, 0);
  for (const char* layer : {"helper: ", "landlock: ", "seccomp: ", "erofs: ", "cgroup: ",
                            "trusted keys: ", "store: "}) {
    EXPECT_THAT(outcome.output, HasSubstr(layer)) << outcome.output;
  }
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);)
    EXPECT_THAT(line, testing::ContainsRegex(": (not )?(enforced|in use)")) << line;
}

TEST_F(Program, CompletesCommandsAndFlagsInBash) {
  const auto complete = [&](const std::string& words, int index) {
    const std::string script =
        "set -u; source " AIRLOCK_SOURCE_DIR "/packaging/completions/airlock.bash; " +
        ("COMP_WORDS=(airlock " + words + "); COMP_CWORD=" + std::to_string(index)) +
        "; _airlock " AIRLOCK_BINARY_DIR "/bin/airlock; echo \"${COMPREPLY[@]}\" >" + home_ +
        "/words";
    const std::string command = "bash -c '" + script + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return fileText(home_ + "/words");
  };
  EXPECT_EQ(complete("im", 1), "image\n");
  EXPECT_EQ(complete("image l", 2), "list\n");
  EXPECT_EQ(complete("trust \"\"", 2), "list remove why\n");
  EXPECT_EQ(complete("image list --no", 3), "--no-legend\n");
  EXPECT_EQ(complete("attest ver", 2), "verify\n");
  EXPECT_EQ(complete("audit verify --tru", 3), "--trust --trust-keys-from-https\n");
  EXPECT_EQ(complete("--insecure", 1), "--insecure-options\n");
}
TEST_F(Program, HasAManualThatNamesEveryCommandAndFlag) {
  const std::string manual = fileText(AIRLOCK_SOURCE_DIR "/docs/man/airlock.1.scd");
  ASSERT_FALSE(manual.empty());
  std::set<std::string> helped;
  for (const char* verb : kVerbs) {
    EXPECT_THAT(manual, HasSubstr("*" + std::string(verb) + "*")) << verb;
    std::vector<std::string> words = {"help"};
    std::istringstream split(verb);
    for (std::string word; split >> word;) words.push_back(word);
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0);
    helped.merge(flagsIn(outcome.output));
  }
  const std::set<std::string> written = flagsIn(manual);
  for (const std::string& flag : helped)
    EXPECT_TRUE(written.contains(flag)) << flag << " is not in airlock(1)";
  EXPECT_THAT(manual, HasSubstr("# SECURITY"));
}

}  // namespace
}  // namespace airlock::cli
