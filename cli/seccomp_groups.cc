// SPDX-License-Identifier: Apache-2.0
#include "cli/seccomp_groups.h"

#include <linux/seccomp.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "sandbox/call_set.h"

namespace airlock::cli {

namespace {

using Names = std::span<const std::string_view>;

// Groups that mean "what a container usually may": the pod's own filter is our list of that, and
// stays in force below whatever is asked for.
constexpr std::array<std::string_view, 4> kUsual = {"@appc.io/all", "@docker/default-whitelist",
                                                    "@rkt/default-whitelist",
                                                    "@systemd/default-whitelist"};

// clone and personality are in rkt's list for some of their arguments only, which the pod's own
// filter refuses.
constexpr std::array<std::string_view, 50> kBlacklist = {"acct",
                                                         "add_key",
                                                         "adjtimex",
                                                         "bpf",
                                                         "clock_adjtime",
                                                         "clock_settime",
                                                         "create_module",
                                                         "delete_module",
                                                         "finit_module",
                                                         "get_kernel_syms",
                                                         "get_mempolicy",
                                                         "init_module",
                                                         "ioperm",
                                                         "iopl",
                                                         "kcmp",
                                                         "kexec_file_load",
                                                         "kexec_load",
                                                         "keyctl",
                                                         "lookup_dcookie",
                                                         "mbind",
                                                         "mount",
                                                         "move_pages",
                                                         "name_to_handle_at",
                                                         "nfsservctl",
                                                         "open_by_handle_at",
                                                         "perf_event_open",
                                                         "pivot_root",
                                                         "process_vm_readv",
                                                         "process_vm_writev",
                                                         "ptrace",
                                                         "query_module",
                                                         "quotactl",
                                                         "reboot",
                                                         "request_key",
                                                         "set_mempolicy",
                                                         "setns",
                                                         "settimeofday",
                                                         "stime",
                                                         "swapon",
                                                         "swapoff",
                                                         "sysfs",
                                                         "_sysctl",
                                                         "umount",
                                                         "umount2",
                                                         "unshare",
                                                         "uselib",
                                                         "userfaultfd",
                                                         "ustat",
                                                         "vm86",
                                                         "vm86old"};
constexpr std::array<std::string_view, 5> kClock = {"adjtimex", "clock_adjtime", "clock_settime",
                                                    "settimeofday", "stime"};
constexpr std::array<std::string_view, 5> kMount = {"chroot", "mount", "pivot_root", "umount",
                                                    "umount2"};
constexpr std::array<std::string_view, 22> kNetwork = {
    "accept",     "accept4",    "bind",       "connect",  "getpeername", "getsockname",
    "getsockopt", "listen",     "recv",       "recvfrom", "recvmmsg",    "recvmsg",
    "send",       "sendmmsg",   "sendmsg",    "sendto",   "setsockopt",  "shutdown",
    "socket",     "socketcall", "socketpair", "sendfile"};
constexpr std::array<std::string_view, 29> kObsolete = {"_sysctl",
                                                        "afs_syscall",
                                                        "bdflush",
                                                        "break",
                                                        "create_module",
                                                        "ftime",
                                                        "get_kernel_syms",
                                                        "getpmsg",
                                                        "gtty",
                                                        "idle",
                                                        "lock",
                                                        "mpx",
                                                        "prof",
                                                        "profil",
                                                        "putpmsg",
                                                        "query_module",
                                                        "security",
                                                        "sgetmask",
                                                        "ssetmask",
                                                        "stty",
                                                        "sysfs",
                                                        "tuxcall",
                                                        "ulimit",
                                                        "uselib",
                                                        "ustat",
                                                        "vserver",
                                                        "epoll_ctl_old",
                                                        "epoll_wait_old",
                                                        "nfsservctl"};
constexpr std::array<std::string_view, 47> kPrivileged = {
    "acct",          "adjtimex",      "bdflush",         "bpf",
    "capset",        "chown",         "chown32",         "chroot",
    "clock_adjtime", "clock_settime", "delete_module",   "fchown",
    "fchown32",      "fchownat",      "finit_module",    "init_module",
    "ioperm",        "iopl",          "kexec_file_load", "kexec_load",
    "lchown",        "lchown32",      "nfsservctl",      "open_by_handle_at",
    "pivot_root",    "quotactl",      "reboot",          "setdomainname",
    "setfsuid",      "setfsuid32",    "setgroups",       "setgroups32",
    "sethostname",   "setresuid",     "setresuid32",     "setreuid",
    "setreuid32",    "settimeofday",  "setuid",          "setuid32",
    "stime",         "swapoff",       "swapon",          "_sysctl",
    "vhangup",       "setgid",        "setgid32"};
constexpr std::array<std::string_view, 12> kProcess = {"arch_prctl", "clone",  "clone3", "execve",
                                                       "execveat",   "fork",   "kill",   "prctl",
                                                       "setns",      "tgkill", "tkill",  "unshare"};
constexpr std::array<std::string_view, 7> kRawIo = {"ioperm",
                                                    "iopl",
                                                    "pciconfig_iobase",
                                                    "pciconfig_read",
                                                    "pciconfig_write",
                                                    "s390_pci_mmio_read",
                                                    "s390_pci_mmio_write"};

// Calls of other architectures that lists in the field name (rkt's own do): nothing to refuse here.
constexpr std::array<std::string_view, 67> kElsewhere = {"_llseek",
                                                         "_newselect",
                                                         "arm_fadvise64_64",
                                                         "arm_sync_file_range",
                                                         "bdflush",
                                                         "break",
                                                         "breakpoint",
                                                         "cacheflush",
                                                         "chown32",
                                                         "clock_getres_time64",
                                                         "clock_gettime64",
                                                         "clock_nanosleep_time64",
                                                         "fadvise64_64",
                                                         "fchown32",
                                                         "fcntl64",
                                                         "fstat64",
                                                         "fstatat64",
                                                         "fstatfs64",
                                                         "ftime",
                                                         "ftruncate64",
                                                         "futex_time64",
                                                         "getegid32",
                                                         "geteuid32",
                                                         "getgid32",
                                                         "getgroups32",
                                                         "getresgid32",
                                                         "getresuid32",
                                                         "getuid32",
                                                         "gtty",
                                                         "idle",
                                                         "ipc",
                                                         "lchown32",
                                                         "lock",
                                                         "lstat64",
                                                         "mmap2",
                                                         "mpx",
                                                         "nice",
                                                         "ppoll_time64",
                                                         "prof",
                                                         "profil",
                                                         "pselect6_time64",
                                                         "recv",
                                                         "recvmmsg_time64",
                                                         "semtimedop_time64",
                                                         "send",
                                                         "sendfile64",
                                                         "set_tls",
                                                         "setfsgid32",
                                                         "setfsuid32",
                                                         "setgid32",
                                                         "setgroups32",
                                                         "setregid32",
                                                         "setresgid32",
                                                         "setresuid32",
                                                         "setreuid32",
                                                         "setuid32",
                                                         "sigaction",
                                                         "sigpending",
                                                         "sigprocmask",
                                                         "sigreturn",
                                                         "signal",
                                                         "socketcall",
                                                         "stat64",
                                                         "statfs64",
                                                         "stime",
                                                         "ugetrlimit",
                                                         "waitpid"};
constexpr std::array<std::string_view, 23> kElsewhereMore = {"olduname",
                                                             "oldstat",
                                                             "oldfstat",
                                                             "oldlstat",
                                                             "readdir",
                                                             "sgetmask",
                                                             "ssetmask",
                                                             "sigsuspend",
                                                             "stty",
                                                             "sync_file_range2",
                                                             "truncate64",
                                                             "ulimit",
                                                             "umount",
                                                             "utimensat_time64",
                                                             "vm86",
                                                             "vm86old",
                                                             "pciconfig_iobase",
                                                             "pciconfig_read",
                                                             "pciconfig_write",
                                                             "s390_pci_mmio_read",
                                                             "s390_pci_mmio_write",
                                                             "usr26",
                                                             "usr32"};

Names groupOf(std::string_view name) {
  if (name == "@docker/default-blacklist" || name == "@rkt/default-blacklist") return kBlacklist;
  if (name == "@systemd/clock") return kClock;
  if (name == "@systemd/mount") return kMount;
  if (name == "@systemd/network-io") return kNetwork;
  if (name == "@systemd/obsolete") return kObsolete;
  if (name == "@systemd/privileged") return kPrivileged;
  if (name == "@systemd/process") return kProcess;
  if (name == "@systemd/raw-io") return kRawIo;
  return {};  // @appc.io/empty
}

bool contains(Names names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::unexpected<Error> bad(std::string message) {
  return refuse(ErrorKind::Invalid, "E_ISOLATOR", "seccomp: " + std::move(message));
}

// E… of errno(3), by the C library's own table.
Result<sandbox::CallAction> actionOf(const std::string& errnoName) {
  if (errnoName.empty()) return SECCOMP_RET_KILL_PROCESS;
  constexpr int most = 4095;  // MAX_ERRNO of the kernel
  for (int number = 1; number <= most; ++number) {
    const char* name = ::strerrorname_np(number);
    if (name != nullptr && errnoName == name) {
      return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(number);
    }
  }
  return bad("there is no errno " + airlock::quoted(errnoName));
}

Result<std::vector<std::string>> expand(const image::SeccompFilter& filter) {
  std::vector<std::string> calls;
  for (const std::string& name : filter.names) {
    if (name.starts_with('@')) {
      if (!image::isSeccompGroup(name)) return bad("there is no group " + airlock::quoted(name));
      for (const std::string_view call : groupOf(name)) calls.emplace_back(call);
    } else if (sandbox::callNumber(name) || contains(kElsewhere, name) ||
               contains(kElsewhereMore, name)) {
      calls.push_back(name);
    } else {
      return bad("there is no system call " + airlock::quoted(name));
    }
  }
  return calls;
}

}  // namespace

Result<std::optional<Sealed>> compileSeccomp(const image::SeccompFilter& filter) {
  using Mode = image::SeccompFilter::Mode;
  const std::vector<std::string> calls = TRY(expand(filter));
  const sandbox::CallAction action = TRY(actionOf(filter.errnoName));
  const bool usual = std::ranges::any_of(
      filter.names, [](const std::string& name) { return contains(kUsual, name); });
  if (usual && filter.mode == Mode::Remove) return bad("it leaves no system call to the app");
  if (usual || (filter.mode == Mode::Remove && calls.empty())) return std::optional<Sealed>();
  const std::vector<sock_filter> program =
      TRY(filter.mode == Mode::Retain ? sandbox::retainCalls(calls, action)
                                      : sandbox::removeCalls(calls, action));
  const std::string_view bytes(reinterpret_cast<const char*>(program.data()),
                               program.size() * sizeof(sock_filter));
  return std::optional(TRY(Sealed::make("airlock-seccomp", bytes)));
}

}  // namespace airlock::cli
