// SPDX-License-Identifier: Apache-2.0
// The names that a policy may use beside libseccomp's: newer system calls, constants, errors.
// tools/seccompile only.
#pragma once

#include <cerrno>
#include <cstdint>
#include <map>
#include <string>

namespace airlock::seccompile {

// Calls that libseccomp 2.5.4 (Linux 5.17) does not know.  Since 5.1 a new call has one number on
// all architectures (Documentation/process/adding-syscalls.rst).  The newest number here is where
// "unknown" starts.
inline const std::map<std::string, int> kNewerCalls = {
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469},
};

// From the kernel's user headers; written out so that the tool does not depend on how new those
// are.
inline const std::map<std::string, std::uint32_t> kConstants = {
    {"AF_UNIX", 1},
    {"AF_INET", 2},
    {"AF_INET6", 10},
    {"AF_NETLINK", 16},
    {"NETLINK_ROUTE", 0},
    {"CLONE_VM", 0x100},
    {"CLONE_FS", 0x200},
    {"CLONE_FILES", 0x400},
    {"CLONE_SIGHAND", 0x800},
    {"CLONE_THREAD", 0x10000},
    {"CLONE_SYSVSEM", 0x40000},
    // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET; the low byte of clone() is the
    // exit signal, so CLONE_NEWTIME (0x80) does not exist there.
    {"CLONE_NEW_ANY", 0x7E020000},
    {"PROT_EXEC", 4},
    {"MREMAP_FIXED", 2},
    {"AT_EMPTY_PATH", 0x1000},
    {"F_DUPFD", 0},
    {"F_GETFD", 1},
    {"F_SETFD", 2},
    {"F_GETFL", 3},
    {"F_SETFL", 4},
    {"F_GETLK", 5},
    {"F_SETLK", 6},
    {"F_SETLKW", 7},
    {"F_DUPFD_CLOEXEC", 1030},
    {"F_ADD_SEALS", 1033},
    {"F_GET_SEALS", 1034},
    {"TCGETS", 0x5401},
    {"TIOCSTI", 0x5412},
    {"TIOCGWINSZ", 0x5413},
    {"TIOCSWINSZ", 0x5414},
    {"TIOCLINUX", 0x541C},
    {"TIOCSETD", 0x5423},
    {"FIONREAD", 0x541B},
    {"FIONBIO", 0x5421},
    {"PR_SET_PDEATHSIG", 1},
    {"PR_GET_DUMPABLE", 3},
    {"PR_SET_DUMPABLE", 4},
    {"PR_SET_NAME", 15},
    {"PR_GET_NAME", 16},
    {"PR_GET_SECCOMP", 21},
    {"PR_GET_NO_NEW_PRIVS", 39},
    {"PR_SET_VMA", 0x53564D41},
    {"SECCOMP_FILTER_FLAG_NEW_LISTENER", 8},
};

inline const std::map<std::string, int> kErrors = {
    {"EPERM", EPERM},   {"EACCES", EACCES}, {"ENOSYS", ENOSYS},
    {"EINVAL", EINVAL}, {"ENOTTY", ENOTTY}, {"EAFNOSUPPORT", EAFNOSUPPORT},
};

}  // namespace airlock::seccompile
