// SPDX-License-Identifier: Apache-2.0
// airlock doctor: what this host enforces, what it does not, and what can be done about it
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "base/accounts.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/process.h"
#include "base/syscall.h"
#include "cli/command.h"
#include "cli/helper_client.h"
#include "cli/options.h"
#include "cli/own_store.h"
#include "cli/text_output.h"
#include "image/json.h"
#include "store/host_layers.h"
#include "store/host_trials.h"
#include "store/keystore.h"

namespace airlock::cli {

namespace {

struct Finding {
  std::string name;
  bool holds = false;
  std::string detail;
  std::string advice;
  bool optional = false;  // nothing is less protected without it
};
using Findings = std::vector<Finding>;

std::string fileText(const char* path) {
  const auto file = sys::openPath(path, O_RDONLY);
  if (!file) return {};
  std::string text = sys::readAll(*file, limits::kTextBytes).value_or("");
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Finding helper(const Options& options) {
  if (::geteuid() == 0) {
    const auto program = openSibling("airlock-helper");
    if (program) return {"helper", true, "started as this command's child, since you are root", ""};
    return {"helper", false, program.error().message(), "Install Airlock whole"};
  }
  const auto found = findHelper(options);
  if (found) return {"helper", true, "its socket is there for you", ""};
  return {"helper", false,
          found.error().message() + "; images go to a store of your own, and pods cannot be run",
          found.error().hint()};
}

// Of what a helper needs, the programs that are not installed beside this one.
Finding programs() {
  std::string missing;
  for (const char* name :
       {"airlock-helper", "airlock-fetch", "airlock-verify", "airlock-measure", "airlock-metadata",
        "airlock-pack", "airlock-stage1-container", "airlock-systemd"}) {
    if (!openSibling(name)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  if (missing.empty()) return {"programs", true, "all of them are installed", ""};
  return {"programs", false, "missing: " + missing, "Install Airlock whole"};
}

Finding account(std::string_view name, const char* use) {
  const auto found = findUser(name);
  const std::string what = "user " + std::string(name);
  if (found && *found) return {what, true, use, ""};
  return {what, false, std::string("missing: ") + use,
          "systemd-sysusers, or: useradd --system " + std::string(name)};
}

// What to do about SELinux depends on how far the host has got.
std::string selinuxAdvice(const std::string& detail) {
  if (detail.contains("has no type")) return "Install that package; its policy is then loaded";
  if (detail.starts_with("permissive"))
    return "setenforce 1, and SELINUX=enforcing in /etc/selinux/config";
  return "Install a policy (on Debian selinux-policy-default and airlock-selinux), name selinux in "
         "lsm= on the kernel's command line, and reboot";
}

// What can be done about a layer that does not hold.
std::string adviceFor(const ipc::Layer& layer) {
  const std::map<std::string, std::string> advice = {
      {"seccomp", "Use a kernel with CONFIG_SECCOMP_FILTER"},
      {"landlock", "Boot with lsm=landlock,… on a kernel from 5.13 on"},
      {"namespaces", "sysctl user.max_user_namespaces=65536"},
      {"cgroup",
       layer.detail.starts_with("v2,") ? "" : "Boot with systemd.unified_cgroup_hierarchy=1"},
      {"selinux", selinuxAdvice(layer.detail)},
      {"erofs", "modprobe erofs (CONFIG_EROFS_FS), and loop on a kernel before 6.12"},
      {"overlay", "modprobe overlay (CONFIG_OVERLAY_FS)"},
      {"idmapped mounts", "Use a kernel from 5.19 on"},
      {"fs-verity",
       "Put the store on ext4 with blocks of 4 KiB, tune2fs -O verity its device, and fetch the "
       "images again"},
      {"audit", "Make room in the data directory, and leave audit/ in it to root"},
      {"measurement", "A TPM 2.0 at /dev/tpmrm0, or `measure software-tpm=SOCKET` in the policy"}};
  const auto found = advice.find(layer.name);
  return layer.enforced || found == advice.end() ? "" : found->second;
}

Finding finding(const ipc::Layer& layer) {
  return {layer.name, layer.enforced, layer.detail, adviceFor(layer)};
}

// Only root's helper tries it; where there is none, this is what the kernel says of itself.
Finding knownFileSystem(const char* name) {
  const std::string known = fileText("/proc/filesystems");
  const bool there = known.contains("\t" + std::string(name) + "\n") || known.ends_with(name);
  return finding({name, there, there ? "the kernel has it" : "the kernel has not loaded it"});
}

// What uses a part of systemd where it is there, and does without it elsewhere.
Finding service(const char* name, const char* path, const char* use) {
  const bool there = ::access("/run/systemd/system", F_OK) == 0 && ::access(path, F_OK) == 0;
  return {name, there, there ? use : "not on this host, and nothing needs it", "", true};
}

Finding trustedKeys(const Options& options) {
  const auto keys = store::KeyStore::open(options.configRoots());
  const auto all = keys ? keys->all() : std::unexpected(keys.error());
  if (!all) return {"trusted keys", false, all.error().message(), all.error().hint()};
  if (all->empty()) {
    return {"trusted keys", false, "none: every signed image is refused",
            "airlock trust --prefix=example.com/app KEY"};
  }
  return {"trusted keys", true, std::to_string(all->size()) + ", see `airlock trust list`", ""};
}

Finding storeHealth(const Options& options) {
  const auto images = ImageStore::choose(options);
  if (!images) return {"store", false, images.error().message(), images.error().hint()};
  const std::string where =
      printable(images->directory()) + (images->throughHelper() ? "" : " (your own)");
  const auto opened = images->open();
  if (!opened)
    return {"store", false, where + ": " + opened.error().message(), opened.error().hint()};
  if (!*opened) return {"store", true, where + ": empty, made by the first import", ""};
  const auto all = (*opened)->images();
  if (!all) return {"store", false, where + ": " + all.error().message(), ""};
  std::size_t unverified = 0;
  std::size_t withoutVerity = 0;
  for (const ipc::CatalogRecord& record : *all) {
    unverified += record.signers.empty() ? 1 : 0;
    withoutVerity += record.verity ? 0 : 1;
  }
  const auto some = [](std::size_t number, const char* what) {
    return number > 0 ? ", " + std::to_string(number) + what : "";
  };
  return {"store", true,
          where + ": " + std::to_string(all->size()) + " image(s)" +
              some(unverified, " without a verified signature") +
              some(withoutVerity, " without fs-verity"),
          ""};
}

// Where trees are, when the store is the caller's own.
std::optional<Fd> ownTrees(const Options& options) {
  const auto images = ImageStore::choose(options);
  if (!images || images->throughHelper()) return std::nullopt;
  const auto opened = images->open();
  if (!opened || !*opened) return std::nullopt;
  auto trees = (*opened)->folder("tree");
  return trees ? std::optional(*std::move(trees)) : std::nullopt;
}

// What root's side says about itself replaces our own look at the same layer.
void addReport(const Options& options, Findings& findings) {
  const auto report = askFor<ipc::Reported>(options, ipc::ReportRequest{});
  if (!report) {
    findings.push_back({"helper's report", false, report.error().message(), report.error().hint()});
    return;
  }
  for (const ipc::Layer& layer : report->layers) {
    const auto own = std::ranges::find(findings, layer.name, &Finding::name);
    if (own == findings.end()) {
      findings.push_back(finding(layer));
    } else {
      *own = finding(layer);
    }
  }
  // How it is known: docs/measurement.md.
  const std::string kind =
      report->tpm == "software"
          ? "a software TPM, as it names itself or policy names its socket: it proves nothing to "
            "anybody who does not trust root"
      : report->tpm == "hardware"
          ? "not one that names itself a software TPM; the certificate of its endorsement key can "
            "tell more"
          : "none that is in use";
  findings.push_back(
      {"tpm", report->tpm == "hardware", kind + ", measurement mode " + report->measureMode, ""});
}

}  // namespace

Result<int> doctor(const Options& options, const std::vector<std::string>& arguments) {
  if (!TRY(parseFlags(arguments, {})).empty())
    return refuse(ErrorKind::Invalid, "E_USAGE", "doctor takes no argument");
  Findings findings = {helper(options), programs(),
                       account(kFetchUser, "root's downloads run as it"),
                       account(kVerifyUser, "root's verifier processes run as it"),
                       account(kMeasureUser, "the measuring process runs as it")};
  for (const ipc::Layer& layer : store::hostLayersFor({}, ::getpid(), ::geteuid()))
    findings.push_back(finding(layer));
  for (const char* name : {"erofs", "overlay"}) findings.push_back(knownFileSystem(name));
  findings.push_back(trustedKeys(options));
  findings.push_back(storeHealth(options));
  if (findings.front().holds) {
    addReport(options, findings);
  } else {
    if (const auto trees = ownTrees(options)) findings.push_back(finding(store::tryVerity(*trees)));
    findings.push_back(
        {"measurement", false,
         std::string("only a helper measures, and reads the register; /dev/tpmrm0 ") +
             (::access("/dev/tpmrm0", F_OK) == 0 ? "is there" : "is not there"),
         "See helper above"});
  }
  findings.push_back(service("systemd", "/run/systemd/system", "pods can be services of it"));
  findings.push_back(
      service("machined", "/lib/systemd/systemd-machined", "pods can be listed as machines"));
  findings.push_back(
      service("journald", "/run/systemd/journal/socket", "the journal can have what apps print"));
  const bool refused = std::ranges::any_of(findings, [](const Finding& finding) {
    return finding.name.starts_with("required: ") && !finding.holds;
  });
  const int code = refused ? kExitFailure : 0;
  if (options.json) {
    image::Json document = image::Json::array();
    for (const Finding& finding : findings) {
      document.push_back({{"name", finding.name},
                          {"enforced", finding.holds},
                          {"optional", finding.optional},
                          {"detail", finding.detail},
                          {"advice", finding.advice}});
    }
    printJson(document);
    return code;
  }
  for (const Finding& finding : findings) {
    const char* const word = finding.optional ? (finding.holds ? "in use" : "not in use")
                             : finding.holds  ? "enforced"
                                              : "not enforced";
    out(printable(finding.name) + ": " + word +
        (finding.detail.empty() ? "" : ": " + printable(finding.detail)) +
        (finding.holds || finding.advice.empty() ? "" : ". To change it: " + finding.advice) +
        "\n");
  }
  return code;
}

}  // namespace airlock::cli
