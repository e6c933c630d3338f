// SPDX-License-Identifier: Apache-2.0
// Runs inside a pod and says what it may do: one line for each attempt, "NAME ERRNO".  Static, as
// images are.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

void tell(const char* name, long result) {
  std::printf("%s %s\n", name, result < 0 ? strerrorname_np(errno) : "ok");
}

void systemCalls() {
  char nothing[256] = {};
  tell("add_key", ::syscall(SYS_add_key, "user", "a", "b", 1, KEY_SPEC_PROCESS_KEYRING));
  tell("keyctl", ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
  tell("bpf", ::syscall(SYS_bpf, 0, nothing, sizeof nothing));
  tell("perf_event_open", ::syscall(SYS_perf_event_open, nothing, 0, -1, -1, 0));
  tell("userfaultfd", ::syscall(SYS_userfaultfd, 0));
  tell("io_uring_setup", ::syscall(SYS_io_uring_setup, 1, nothing));
  tell("clone3", ::syscall(SYS_clone3, nothing, 64));
  tell("unshare_user", ::unshare(CLONE_NEWUSER));
  tell("unshare_mount", ::unshare(CLONE_NEWNS));
  tell("setns", ::setns(0, 0));
  tell("mount", ::mount("none", "/tmp", "tmpfs", 0, nullptr));
  tell("umount2", ::umount2("/proc/sys", MNT_DETACH));
  tell("pivot_root", ::syscall(SYS_pivot_root, ".", "."));
  tell("chroot", ::chroot("/"));
  tell("fsopen", ::syscall(SYS_fsopen, "tmpfs", 0));
  tell("open_tree", ::syscall(SYS_open_tree, AT_FDCWD, "/", 1));
  tell("mount_setattr", ::syscall(SYS_mount_setattr, AT_FDCWD, "/proc/sys", 0, nothing, 32));
  tell("open_by_handle_at", ::syscall(SYS_open_by_handle_at, AT_FDCWD, nothing, O_RDONLY));
  tell("name_to_handle_at", ::syscall(SYS_name_to_handle_at, AT_FDCWD, "/", nothing, nothing, 0));
  tell("ptrace", ::ptrace(PTRACE_ATTACH, 1, nullptr, nullptr));
  tell("process_vm_readv", ::syscall(SYS_process_vm_readv, 1, nothing, 0, nothing, 0, 0));
  tell("kcmp", ::syscall(SYS_kcmp, 1, 1, 0, 0, 0));
  tell("pidfd_getfd", ::syscall(SYS_pidfd_getfd, 0, 0, 0));
  tell("kexec_load", ::syscall(SYS_kexec_load, 0, 0, nullptr, 0));
  tell("init_module", ::syscall(SYS_init_module, nothing, 0, ""));
  tell("iopl", ::syscall(SYS_iopl, 3));
  tell("syslog", ::syscall(SYS_syslog, 10, nullptr, 0));
  tell("acct", ::syscall(SYS_acct, nullptr));
  tell("swapon", ::syscall(SYS_swapon, "/x", 0));
  tell("sethostname", ::sethostname("x", 1));
  tell("personality", ::syscall(SYS_personality, 0x0400000));
  tell("socket_alg", ::socket(AF_ALG, SOCK_SEQPACKET, 0));
  tell("socket_packet", ::socket(AF_PACKET, SOCK_RAW, 0));
  tell("socket_netlink_audit", ::socket(AF_NETLINK, SOCK_RAW, NETLINK_AUDIT));
  tell("ioctl_sti", ::ioctl(0, TIOCSTI, "x"));
  tell("ioctl_sti_high", ::syscall(SYS_ioctl, 0, TIOCSTI | (1UL << 32), "x"));
  tell("new_listener", ::syscall(SYS_seccomp, 1, 8, nothing));
  tell("mknod_block", ::mknod("/tmp/block", S_IFBLK | 0600, makedev(8, 0)));
  tell("mknod_char", ::mknod("/tmp/char", S_IFCHR | 0600, makedev(1, 1)));
  tell("unknown", ::syscall(900));
}

void descriptors() {
  for (int fd = 0; fd < 1024; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) std::printf("fd %d\n", fd);
  }
}

// What the pod's first process shows of itself.
void firstProcess() {
  for (const char* name : {"mem", "environ", "maps", "fd", "root/apps", "cwd/apps", "auxv"}) {
    const std::string path = std::string("/proc/1/") + name;
    const int fd = ::open(path.c_str(), O_RDONLY);
    char byte;
    tell(name, fd < 0 ? -1 : (::read(fd, &byte, 1) < 0 && errno != EISDIR ? -1 : 0));
  }
  char target[256];
  tell("exe", ::readlink("/proc/1/exe", target, sizeof target));
}

// Looks at the descriptors of every other process until there is a file /tmp/stop; "SAW" when one
// has more than 0 to 2.
void watch() {
  std::puts("watching");
  std::fflush(stdout);
  const int self = ::getpid();
  while (::access("/tmp/stop", F_OK) != 0) {
    DIR* proc = ::opendir("/proc");
    if (proc == nullptr) return;
    while (const dirent* entry = ::readdir(proc)) {
      const int pid = std::atoi(entry->d_name);
      if (pid <= 0 || pid == self) continue;
      DIR* fds = ::opendir(("/proc/" + std::to_string(pid) + "/fd").c_str());
      if (fds == nullptr) continue;
      while (const dirent* fd = ::readdir(fds)) {
        if (std::atoi(fd->d_name) > 2) std::printf("SAW %d %s\n", pid, fd->d_name);
      }
      ::closedir(fds);
    }
    ::closedir(proc);
  }
  std::puts("done");
}

void ignoreTerm() {
  ::signal(SIGTERM, SIG_IGN);
  std::puts("ignoring");
  std::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "calls") systemCalls();
  if (what == "fds") descriptors();
  if (what == "first") firstProcess();
  if (what == "watch") watch();
  if (what == "ignore-term") ignoreTerm();
  return 0;
}
