// SPDX-License-Identifier: Apache-2.0
// airlock doctor: what this host enforces, what it does not, and what can be done about it
#include <fcntl.h>
#include <linux/landlock.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
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
#include "store/keystore.h"
#include "store/pod_label.h"

namespace airlock::cli {

namespace {

struct Finding {
  std::string name;
  bool holds = false;
  std::string detail;
  std::string advice;
};
using Findings = std::vector<Finding>;

std::string fileText(const char* path) {
  const auto file = sys::openPath(path, O_RDONLY);
  if (!file) return {};
  std::string text = sys::readAll(*file, limits::kTextBytes).value_or("");
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

bool isFileSystem(const char* path, long magic) {
  struct statfs info {};
  return ::statfs(path, &info) == 0 && static_cast<long>(info.f_type) == magic;
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
  for (const char* name : {"airlock-helper", "airlock-fetch", "airlock-verify", "airlock-measure",
                           "airlock-stage1-container"}) {
    if (!openSibling(name)) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  if (missing.empty()) return {"programs", true, "all of them are installed", ""};
  return {"programs", false, "missing: " + missing, "Install Airlock whole"};
}

// What to do about SELinux depends on how far the host has got.
std::string selinuxAdvice(const std::string& detail) {
  if (detail.contains("has no type")) return "Install the package it names";
  if (detail.starts_with("permissive"))
    return "setenforce 1, and SELINUX=enforcing in /etc/selinux/config";
  return "Install a policy (on Debian selinux-policy-default and airlock-selinux), name selinux in "
         "lsm= on the kernel's command line, and reboot";
}

Finding account(std::string_view name, const char* use) {
  const auto found = findUser(name);
  const std::string what = "user " + std::string(name);
  if (found && *found) return {what, true, use, ""};
  return {what, false, std::string("missing: ") + use,
          "systemd-sysusers, or: useradd --system " + std::string(name)};
}

Finding landlock() {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi > 0) return {"landlock", true, "ABI " + std::to_string(abi), ""};
  return {"landlock", false, "the kernel does not offer it",
          "Boot with lsm=landlock,… on a kernel from 5.13 on"};
}

Finding seccomp() {
  if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0)
    return {"seccomp", true, "filters are compiled into the programs", ""};
  return {"seccomp", false, "the kernel has no seccomp", "Use a kernel with CONFIG_SECCOMP_FILTER"};
}

Finding userNamespaces() {
  const std::string most = fileText("/proc/sys/user/max_user_namespaces");
  const std::string allowed = fileText("/proc/sys/kernel/unprivileged_userns_clone");
  if (::access("/proc/self/ns/user", F_OK) != 0 || most == "0") {
    return {"user namespaces", false, "none can be made: pods cannot run",
            "sysctl user.max_user_namespaces=65536"};
  }
  if (allowed == "0") {
    return {"user namespaces", true,
            "for root alone: pods run, verifying into a store of your own does not",
            "sysctl kernel.unprivileged_userns_clone=1 to allow users an own store"};
  }
  return {"user namespaces", true, "pods and verifier processes have their own", ""};
}

Finding erofs() {
  const bool known =
      fileText("/proc/filesystems").contains("erofs") || ::access("/sys/module/erofs", F_OK) == 0;
  if (known) return {"erofs", true, "images are mounted, never unpacked", ""};
  return {"erofs", false, "the kernel has not loaded it", "modprobe erofs (CONFIG_EROFS_FS)"};
}

Finding cgroup() {
  const bool unified = isFileSystem("/sys/fs/cgroup", CGROUP2_SUPER_MAGIC);
  if (unified)
    return {"cgroup", true, "v2 with " + fileText("/sys/fs/cgroup/cgroup.controllers"), ""};
  return {"cgroup", false, "no unified v2 hierarchy: limits of memory and CPU do not hold",
          "Boot with systemd.unified_cgroup_hierarchy=1"};
}

Finding selinux() {
  const ipc::Layer layer = store::selinuxLayer({});
  return {layer.name, layer.enforced, layer.detail, selinuxAdvice(layer.detail)};
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
  for (const ipc::CatalogRecord& record : *all) unverified += record.signers.empty() ? 1 : 0;
  return {"store", true,
          where + ": " + std::to_string(all->size()) + " image(s)" +
              (unverified > 0 ? ", " + std::to_string(unverified) + " without a verified signature"
                              : ""),
          ""};
}

std::string adviceFor(const ipc::Layer& layer) {
  const std::map<std::string, std::string> advice = {
      {"measurement", "A TPM 2.0 at /dev/tpmrm0, or `measure software-tpm=SOCKET` in the policy"},
      {"cgroup", "Boot with systemd.unified_cgroup_hierarchy=1"},
      {"landlock", "Boot with lsm=landlock,… on a kernel from 5.13 on"},
      {"selinux", selinuxAdvice(layer.detail)}};
  const auto found = advice.find(layer.name);
  return layer.enforced || found == advice.end() ? "" : found->second;
}

// What root's side says about itself replaces our own look at the same layer.
void addReport(const Options& options, Findings& findings) {
  const auto report = askFor<ipc::Reported>(options, ipc::ReportRequest{});
  if (!report) {
    findings.push_back({"helper's report", false, report.error().message(), report.error().hint()});
    return;
  }
  for (const ipc::Layer& layer : report->layers) {
    std::erase_if(findings, [&](const Finding& finding) { return finding.name == layer.name; });
    findings.push_back({layer.name, layer.enforced, layer.detail, adviceFor(layer)});
  }
  const std::string kind =
      report->tpm == "software"
          ? "a software TPM: it proves nothing to anybody who does not trust root"
      : report->tpm == "hardware" ? "a hardware TPM"
                                  : "none";
  findings.push_back(
      {"tpm", report->tpm == "hardware", kind + ", measurement mode " + report->measureMode, ""});
}

}  // namespace

Result<int> doctor(const Options& options, const std::vector<std::string>& arguments) {
  if (!TRY(parseFlags(arguments, {})).empty())
    return refuse(ErrorKind::Invalid, "E_USAGE", "doctor takes no argument");
  Findings findings = {helper(options),
                       programs(),
                       account(kFetchUser, "root's downloads run as it"),
                       account(kVerifyUser, "root's verifier processes run as it"),
                       account(kMeasureUser, "the measuring process runs as it"),
                       userNamespaces(),
                       landlock(),
                       seccomp(),
                       erofs(),
                       cgroup(),
                       selinux(),
                       trustedKeys(options),
                       storeHealth(options)};
  if (findings.front().holds) {
    addReport(options, findings);
  } else {
    findings.push_back({"measurement", false, "only a helper measures, and reads the register",
                        "See helper above"});
  }
  if (options.json) {
    image::Json document = image::Json::array();
    for (const Finding& finding : findings) {
      document.push_back({{"name", finding.name},
                          {"enforced", finding.holds},
                          {"detail", finding.detail},
                          {"advice", finding.advice}});
    }
    printJson(document);
    return 0;
  }
  for (const Finding& finding : findings) {
    out(printable(finding.name) + ": " + (finding.holds ? "enforced" : "not enforced") +
        (finding.detail.empty() ? "" : ": " + printable(finding.detail)) +
        (finding.holds || finding.advice.empty() ? "" : ". To change it: " + finding.advice) +
        "\n");
  }
  return 0;
}

}  // namespace airlock::cli
