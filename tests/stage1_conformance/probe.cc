// SPDX-License-Identifier: Apache-2.0
// Runs inside a pod and says what it may do: one line for each attempt, "NAME ERRNO".  Static, as
// images are.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
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

// One datagram to a notify socket; "|" in `text` stands for a line's end.  With descriptor 1 when
// `withDescriptor`.
void notify(const char* path, std::string text, bool withDescriptor) {
  if (path == nullptr) return tell("notify", (errno = ENXIO, -1));
  for (char& c : text) c = c == '|' ? '\n' : c;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (withDescriptor) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_len = CMSG_LEN(sizeof(int));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    const int fd = 1;
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  const int sender = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  tell("notify", ::sendmsg(sender, &message, 0));
  std::fflush(stdout);
}

// Says in another process's name: what only CAP_SYS_ADMIN may.
void forge(const char* path, int pid) {
  char text[] = "READY=1";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  iovec part{text, sizeof text - 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_len = CMSG_LEN(sizeof(ucred));
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_CREDENTIALS;
  const ucred other{pid, ::getuid(), ::getgid()};
  std::memcpy(CMSG_DATA(header), &other, sizeof other);
  const int sender = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  tell("forge", ::sendmsg(sender, &message, 0));
  std::fflush(stdout);
}

// The protocol of sd_listen_fds(3): what came, then one connection on the first is answered.
void serve() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  const char* names = std::getenv("LISTEN_FDNAMES");
  std::printf("%s %s %s\n", pid != nullptr && std::atoi(pid) == ::getpid() ? "mine" : "foreign",
              count == nullptr ? "-" : count, names == nullptr ? "-" : names);
  std::fflush(stdout);
  const int connection = ::accept(3, nullptr, nullptr);
  tell("accept", connection);
  std::fflush(stdout);
  constexpr char greeting[] = "from the pod\n";
  if (::write(connection, greeting, sizeof greeting - 1) < 0) std::puts("not written");
}

void ignoreTerm() {
  ::signal(SIGTERM, SIG_IGN);
  std::puts("ignoring");
  std::fflush(stdout);
  for (;;) ::pause();
}

// As many as a pod may have: more is told by a smaller number.
void threads(unsigned wanted) {
  constexpr std::size_t stack = 16 * 1024;
  // One mapping for all: an emulated processor takes its time over each.
  char* const stacks =
      static_cast<char*>(::mmap(nullptr, wanted * stack, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (stacks == MAP_FAILED) return;
  pthread_attr_t small;
  ::pthread_attr_init(&small);
  ::signal(SIGTERM, SIG_IGN);
  unsigned made = 1;
  for (; made < wanted; ++made) {
    pthread_t thread;
    const auto wait = [](void*) -> void* {
      for (;;) ::pause();
    };
    ::pthread_attr_setstack(&small, stacks + made * stack, stack);
    if (::pthread_create(&thread, &small, wait, nullptr) != 0) break;
  }
  std::printf("%u threads\n", made);
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
  if (what == "serve") serve();
  if (what == "threads" && argc > 2) threads(static_cast<unsigned>(std::atoi(argv[2])));
  const char* socket = std::getenv("NOTIFY_SOCKET");
  if (what == "notify" && argc > 2) {
    notify(socket, argv[2], false);
    ::pause();
  }
  if (what == "notify-last" && argc > 2) notify(socket, argv[2], false);
  // To the socket of the process PID, found in its root.
  if (what == "notify-other" && argc > 2)
    notify(("/proc/" + std::string(argv[2]) + "/root/dev/notify").c_str(), "READY=1", false);
  if (what == "notify-badly") {
    notify(socket, "READY=1", true);
    notify(socket, "READY=1|" + std::string(8192, 'x'), false);
    if (::fork() == 0) {
      notify(socket, "READY=1", false);
      ::_exit(0);
    }
    notify(socket, "MAINPID=1|STATUS=last", false);
    ::pause();
  }
  if (what == "forge" && argc > 2)
    forge(("/proc/" + std::string(argv[2]) + "/root/dev/notify").c_str(), std::atoi(argv[2]));
  return 0;
}
