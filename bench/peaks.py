# SPDX-License-Identifier: Apache-2.0
"""Memory: the peak of each process of a command, by the kernel's own account of its end, and what a pod keeps."""
import os
import pathlib
import socket
import struct
import time
from dataclasses import dataclass

from workshop import Problem, launch

# linux/netlink.h, linux/genetlink.h, linux/taskstats.h
NETLINK_GENERIC, GENL_ID_CTRL = 16, 16
NLM_F_REQUEST, NLMSG_ERROR = 1, 2
CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 3, 1, 2
TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK = 1, 3
TYPE_STATS, TYPE_AGGR_PID = 3, 4
# Offsets in struct taskstats, the same in all versions but 15.
COMM, PID, PPID, TIMES, FAULTS, PEAK = 80, 128, 132, 144, 168, 200
NLA_TYPE_MASK = 0x3FFF


@dataclass
class Ended:
    pid: int
    parent: int
    name: str
    peak_kib: int
    elapsed_ms: float
    user_ms: float
    system_ms: float
    faults: int


def _attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _attributes(data):
    while len(data) >= 4:
        length, kind = struct.unpack_from("HH", data)
        if length < 4:
            return
        yield kind & NLA_TYPE_MASK, data[4:length]
        data = data[(length + 3) & ~3:]


class Accounts:
    """Hears of each process that ends on this machine, while it is open. Needs CONFIG_TASKSTATS and root."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((0, 0))
        self._send(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"TASKSTATS\0")
        family = {kind: data for kind, data in _attributes(self._receive()[4:])}
        self.family = struct.unpack_from("H", family[CTRL_ATTR_FAMILY_ID])[0]
        cpus = f"0-{os.sysconf('SC_NPROCESSORS_CONF') - 1}\0".encode()
        self._send(self.family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_REGISTER_CPUMASK, cpus)

    def _send(self, family, command, kind, data):
        body = struct.pack("BBH", command, 1, 0) + _attribute(kind, data)
        self.socket.send(struct.pack("IHHII", 16 + len(body), family, NLM_F_REQUEST, 0, 0) + body)

    def _receive(self):
        data = self.socket.recv(1 << 16)
        if struct.unpack_from("H", data, 4)[0] == NLMSG_ERROR:
            raise Problem("the kernel keeps no accounts of processes (taskstats): "
                          + os.strerror(-struct.unpack_from("i", data, 16)[0]))
        return data[16:]

    def ended(self, quiet_seconds=0.3):
        """All that ended since the last call; waits until no news has come for a while."""
        self.socket.settimeout(quiet_seconds)
        found = []
        try:
            while True:
                for kind, data in _attributes(self._receive()[4:]):
                    if kind == TYPE_AGGR_PID:
                        found += [self._read(stats) for inner, stats in _attributes(data) if inner == TYPE_STATS]
        except TimeoutError:
            return found

    @staticmethod
    def _read(stats):
        if struct.unpack_from("H", stats)[0] == 15:
            raise Problem("taskstats of version 15 are laid out differently")
        name = stats[COMM:COMM + 32].split(b"\0")[0].decode(errors="replace")
        pid, parent = struct.unpack_from("II", stats, PID)
        times = [value / 1e3 for value in struct.unpack_from("QQQ", stats, TIMES)]
        return Ended(pid, parent, name, struct.unpack_from("Q", stats, PEAK)[0], *times,
                     struct.unpack_from("Q", stats, FAULTS)[0])

    def close(self):
        self.socket.close()


def _children(pid):
    try:
        return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def family_of(pid):
    found = [pid]
    for child in _children(pid):
        found += family_of(child)
    return found


def _role(pid):
    """airlock-verify runs once per role; its argument says which."""
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    if len(words) > 1 and words[0].endswith(b"airlock-verify"):
        return words[1].decode()
    return None


def ends_of(argv, environment, log):
    """The processes of a command, in the order of their ends, by the kernel's account; roles are named."""
    accounts = Accounts()
    accounts.ended(0.05)
    pid = launch(list(map(str, argv)), environment, log)
    roles = {}
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        for member in family_of(pid):
            if roles.get(member) is None:
                roles[member] = _role(member)
        time.sleep(0.001)
    _, status = os.waitpid(pid, 0)
    ended = accounts.ended()
    accounts.close()
    if status != 0:
        raise Problem(f"{argv[0]}: wait status {status}: {pathlib.Path(log).read_text(errors='replace')[-400:]}")
    family = {pid}
    while True:  # a process ends before its parent, so one pass is not enough
        more = {end.pid for end in ended if end.parent in family} - family
        if not more:
            break
        family |= more
    mine = [end for end in ended if end.pid in family]
    for end in mine:
        if end.name == "airlock-verify" and roles.get(end.pid):
            end.name += f" {roles[end.pid]}"
    return mine


def peaks(ends):
    """Peak resident KiB by name: the largest where several have one name."""
    result = {}
    for end in ends:
        result[end.name] = max(result.get(end.name, 0), end.peak_kib)
    return result


def kept_by(pid):
    """Proportional KiB of each process of a family: shared pages count in part."""
    result = []
    for member in family_of(pid):
        try:
            rollup = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()
            name = pathlib.Path(f"/proc/{member}/comm").read_text().strip()
        except OSError:
            continue
        fields = dict(line.split(":") for line in rollup.splitlines()[1:])
        result.append({"name": name, "pss_kib": int(fields["Pss"].split()[0]),
                       "private_kib": int(fields["Private_Dirty"].split()[0]) + int(fields["Private_Clean"].split()[0]),
                       "rss_kib": int(fields["Rss"].split()[0])})
    return result


def peak_together(argv, environment, log):
    """The largest sum of the proportional sizes of a command's processes that looks of every few milliseconds saw."""
    pid = launch(list(map(str, argv)), environment, log)
    most = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        most = max(most, sum(member["pss_kib"] for member in kept_by(pid)))
        time.sleep(0.005)
    os.waitpid(pid, 0)
    return most
